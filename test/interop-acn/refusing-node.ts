// A node that talks with nobody but its agent, which it tells of every error: put where a Python connection expects its
// node. Its handler is the one of python-statuses.test.ts.
import { readFile } from 'node:fs/promises'
import { NodePipe } from '@parley/acn/pipe'
import { parseEnvFile, readNodeSettings } from '@parley/acn/protocol'
import { RefusingNode, TELLING_ALL } from './refusing.ts'

const [envFile = ''] = process.argv.slice(2)
const { pipe, record } = readNodeSettings(Object.fromEntries(parseEnvFile(await readFile(envFile, 'utf8'))))
if (!pipe || !record) throw new Error('there is no agent')
const multiaddr = '/dns4/127.0.0.1/tcp/1/p2p/16Uiu2HAm2yxmLQTZTrxjo5c4k5ka8AVMcpeD5zMMeasE6xDw1YQw'
process.stdout.write(`MULTIADDRS_LIST_START\n${multiaddr}\nMULTIADDRS_LIST_END\n`)
const node = await NodePipe.connect({ port: pipe.port, record, handler: new RefusingNode(), toldErrors: TELLING_ALL })
process.once('SIGTERM', () => node.close())
