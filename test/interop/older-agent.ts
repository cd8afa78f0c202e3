// Our agent over JSON lines with settings that the command line does not offer: older versions, slow handshakes.
// Arguments: the folder, routers joined by commas, the settings as JSON.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, type AgentConfig } from '@parley/agent'
import { serveJsonLines } from '../../packages/parley/src/jsonl/session.ts'

const [data = '', servers = '', config = '{}'] = process.argv.slice(2)
mkdirSync(data, { recursive: true })
const agent = await Agent.open({
  store: join(data, 'agent.db'),
  servers: servers.split(','),
  config: JSON.parse(config) as Partial<AgentConfig>,
})
await serveJsonLines(agent, {
  input: process.stdin,
  output: process.stdout,
  error: process.stderr,
  stop: new AbortController().signal,
})
