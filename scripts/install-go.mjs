// `node scripts/install-go.mjs` says where a Go toolchain is (its folder with `bin/go`), the one on the PATH when it is
// new enough. When there is none it is fetched from the module proxy, checked against its sum in Go's own checksum
// database, and put where the go command itself keeps toolchains.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { unzipSync } from 'fflate'

/** The oldest Go that go-libp2p 0.33 builds with is 1.21. */
const OLDEST = 21
const VERSION = 'v0.0.1-go1.26.8'
/** `curl https://proxy.golang.org/sumdb/sum.golang.org/lookup/golang.org/toolchain@VERSION.PLATFORM` */
const SUMS = {
  'linux-amd64': 'ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=',
  'linux-arm64': 'sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc=',
}

function present() {
  for (const program of ['go', '/usr/local/go/bin/go']) {
    try {
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
      const [, minor = 0] = /^go1\.(\d+)/.exec(execFileSync(program, ['env', 'GOVERSION'], options)) ?? []
      if (Number(minor) >= OLDEST) return execFileSync(program, ['env', 'GOROOT'], options).trim()
    } catch {
      // Not there.
    }
  }
}

/** The sum of a module, as in go.sum: the hash of the hashes of its files. */
function sumOf(files) {
  const all = createHash('sha256')
  for (const name of Object.keys(files).sort()) {
    all.update(`${createHash('sha256').update(files[name]).digest('hex')}  ${name}\n`)
  }
  return all.digest('base64')
}

async function fetchToolchain(platform, folder) {
  const url = `https://proxy.golang.org/golang.org/toolchain/@v/${VERSION}.${platform}.zip`
  process.stderr.write(`Fetching Go: ${url} …\n`)
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url}: ${response.status}`)
  const files = unzipSync(new Uint8Array(await response.arrayBuffer()))
  if (sumOf(files) !== SUMS[platform]) throw new Error(`${url} has another sum than expected`)
  await mkdir(dirname(folder), { recursive: true })
  const half = await mkdtemp(`${folder}.tmp-`)
  try {
    const prefix = `golang.org/toolchain@${VERSION}.${platform}/`
    for (const [name, content] of Object.entries(files)) {
      const path = join(half, name.slice(prefix.length))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, content)
      if (/^(bin|pkg\/tool)\//.test(name.slice(prefix.length))) await chmod(path, 0o755)
    }
    await chmod(half, 0o755)
    await rename(half, folder)
  } finally {
    await rm(half, { recursive: true, force: true })
  }
}

async function install() {
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  if (!(platform in SUMS)) throw new Error(`there is no Go here, and none for ${platform} is known to this script`)
  const modules = process.env.GOMODCACHE ?? join(process.env.GOPATH ?? join(homedir(), 'go'), 'pkg/mod')
  const folder = join(modules, `golang.org/toolchain@${VERSION}.${platform}`)
  if (!existsSync(join(folder, 'bin/go'))) await fetchToolchain(platform, folder)
  return folder
}

process.stdout.write(`${present() ?? (await install())}\n`)
