#!/usr/bin/env node
// `libp2p_node ENV_FILE` is `parley acn ENV_FILE`: for those who start a node of the Agent Communication Network by the
// name of the Go program. Signals and exit codes pass through, as the launcher beside it sees to.
process.argv.splice(2, 0, 'acn')
import('./parley.js').catch((error) => {
  process.stderr.write(`libp2p_node: ${error.stack}\n`)
  process.exit(1)
})
