import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { AcnClient, DelegateEntry, identityFromKey, MailboxEntry, PipeEntry } from '@parley/acn/client'
import { type AgentRecord, parsePeerAddress } from '@parley/acn/protocol'
import { LEDGERS, PeerKey } from '@parley/acn/record'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const CONTENT = 'the content of an envelope, which is nobody else’s business'

/** A port that is free now. */
async function freePort(): Promise<number> {
  const entry = await PipeEntry.listen()
  await entry.close()
  return entry.port
}

/** The ways in which bytes may come to stand in a text. */
function formsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  return [
    buffer.toString('hex'),
    buffer.toString('base64'),
    buffer.toString('base64url'),
    [...bytes].join(', '),
    [...bytes].join(','),
  ]
}

test('no private key and no content is in the output of a node, or in what it keeps, whatever happens to it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'parley-secrets-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [ledger] = LEDGERS
  assert.ok(ledger)
  const [peerSecret, ownSecret, agentSecret] = [randomBytes(32), randomBytes(32), randomBytes(32)]
  const peerPublicKey = new PeerKey(peerSecret).publicKeyHex
  const [own, identity] = [identityFromKey(ledger, ownSecret), identityFromKey(ledger, agentSecret)]
  const pipe = await PipeEntry.listen()
  t.after(() => pipe.close())
  const record = await own.recordFor(peerPublicKey)
  const [delegate, mailbox, monitoring] = [await freePort(), await freePort(), await freePort()]
  const envFile = join(folder, 'node.env')
  await writeFile(envFile, environment(peerSecret, record, { pipe: pipe.port, delegate, mailbox, monitoring }, folder))

  // Everything that any library would say when it is asked to say all.
  const env = { ...process.env, DEBUG: '*', NODE_DEBUG: 'tls,net,http,https,worker' }
  const child = spawn(process.execPath, ['--conditions=parley-source', MAIN, 'acn', envFile], { cwd: folder, env })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  const running = Promise.withResolvers<void>()
  let address = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    output += `${line}\n`
    if (line.startsWith('/dns4/')) address = line
    if (line === 'Peer running') running.resolve()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const connecting = AcnClient.connect({ entries: [pipe] })
  await running.promise
  const direct = await connecting
  const at = { host: '127.0.0.1', peerPublicKey, identity }
  const posted = await AcnClient.connect({ entries: [new MailboxEntry({ ...at, port: mailbox })] })
  const agent = await AcnClient.connect({ entries: [new DelegateEntry({ ...at, port: delegate })] })
  t.after(() => Promise.all([direct.close(), posted.close(), agent.close()]))
  const envelope = {
    to: own.address,
    sender: identity.address,
    protocolId: 'a/b:1.0.0',
    message: Buffer.from(CONTENT),
    uri: '',
  }
  await agent.send(envelope)
  await agent.send({ ...envelope, sender: own.address })
  await agent.send({ ...envelope, to: 'nobody' })
  await direct.send({ ...envelope, to: identity.address, sender: own.address })
  for await (const event of agent.events) if (event.type === 'envelope') break

  // And everything that nobody should send.
  const { port } = parsePeerAddress(address)
  const garbage = Buffer.concat([Buffer.from('00000010', 'hex'), peerSecret, agentSecret])
  for (const dial of [
    () => connect(port, '127.0.0.1'),
    () => connect(delegate, '127.0.0.1'),
    () => connectTls({ port: delegate, host: '127.0.0.1', rejectUnauthorized: false }),
    () => connectTls({ port: mailbox, host: '127.0.0.1', rejectUnauthorized: false }),
  ]) {
    const socket = dial().resume()
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    socket.on('error', () => {}).on('close', () => resolve())
    socket.end(garbage)
    await closed
  }
  output += await (await fetch(`http://127.0.0.1:${monitoring}/metrics`)).text()
  child.kill('SIGTERM')
  const [code] = await once(child, 'close')
  assert.equal(code, 0)

  assert.match(output, /while sending slow envelope|names another sender/, 'it says what happens')
  const secrets = [peerSecret, ownSecret, agentSecret].flatMap(formsOf)
  for (const text of [...secrets, ...formsOf(Buffer.from(CONTENT)), CONTENT, 'PRIVATE KEY']) {
    assert.ok(!output.includes(text), 'in the output')
  }
  const kept = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  for (const { name, parentPath } of kept) {
    const file = join(parentPath, name)
    if (file === envFile) continue
    const bytes = await readFile(file)
    for (const secret of [peerSecret, ownSecret, agentSecret, 'PRIVATE KEY'])
      assert.equal(bytes.indexOf(secret), -1, file)
    for (const text of secrets) assert.equal(bytes.indexOf(text), -1, file)
  }
})

interface Ports {
  readonly pipe: number
  readonly delegate: number
  readonly mailbox: number
  readonly monitoring: number
}

function environment(peerSecret: Buffer, record: AgentRecord, ports: Ports, folder: string): string {
  const place = '127.0.0.1:0'
  return Object.entries({
    AEA_P2P_ID: peerSecret.toString('hex'),
    AEA_P2P_URI: place,
    AEA_P2P_URI_PUBLIC: place,
    AEA_P2P_DELEGATE_URI: `127.0.0.1:${ports.delegate}`,
    AEA_P2P_MAILBOX_URI: `127.0.0.1:${ports.mailbox}`,
    AEA_P2P_URI_MONITORING: `127.0.0.1:${ports.monitoring}`,
    AEA_AGENT_ADDR: record.address,
    AEA_TO_NODE: ports.pipe,
    NODE_TO_AEA: ports.pipe,
    AEA_P2P_POR_ADDRESS: record.address,
    AEA_P2P_POR_PUBKEY: record.publicKey,
    AEA_P2P_POR_PEER_PUBKEY: record.peerPublicKey,
    AEA_P2P_POR_SIGNATURE: record.signature,
    AEA_P2P_POR_SERVICE_ID: record.serviceId,
    AEA_P2P_POR_LEDGER_ID: record.ledgerId,
    AEA_P2P_CFG_STORAGE_PATH: join(folder, 'records'),
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
