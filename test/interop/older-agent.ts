// Our agent over JSON lines with settings that the command line does not offer: older versions, slow handshakes.
// Arguments: the database, routers joined by commas, the settings as JSON.
import { Agent, type AgentConfig } from '@parley/agent'
import { serveJsonLines } from '../../packages/parley/src/jsonl/session.ts'

const [store = '', servers = '', config = '{}'] = process.argv.slice(2)
const agent = await Agent.open({
  store,
  servers: servers.split(','),
  config: JSON.parse(config) as Partial<AgentConfig>,
})
await serveJsonLines(agent, {
  input: process.stdin,
  output: process.stdout,
  error: process.stderr,
  stop: new AbortController().signal,
})
