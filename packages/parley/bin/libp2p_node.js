#!/usr/bin/env node
// `libp2p_node ENV_FILE` is `parley acn ENV_FILE`: for those who start a node of the Agent Communication Network by the
// name of the Go program. Signals and exit codes pass through, as the launcher `parley.js` sees to. A copy of this file
// works too, under any name, where `parley` is in the path: the text is both a module and a script of Node's older
// format, since nothing tells Node which one a copy is.
async function launcher() {
  const [{ closeSync, existsSync, openSync, realpathSync }, { delimiter, dirname, join }, { pathToFileURL }] =
    await Promise.all([import('node:fs'), import('node:path'), import('node:url')])
  // A node reads no input, but Node would open it and thereby make it non-blocking for everyone who has it: also for the
  // program that starts a node and shares its own. The descriptor that is free first gets what is opened next.
  if (process.platform !== 'win32') {
    closeSync(0)
    openSync('/dev/null', 'r')
  }
  const folders = [dirname(realpathSync(process.argv[1]))]
  for (const folder of (process.env.PATH || '').split(delimiter)) {
    const program = join(folder, 'parley')
    if (existsSync(program)) folders.push(dirname(realpathSync(program)))
  }
  const found = folders.map((folder) => join(folder, 'parley.js')).find(existsSync)
  if (found === undefined) throw new Error('parley is not in the path: see `parley acn install-node --help`')
  return pathToFileURL(found).href
}

process.argv.splice(2, 0, 'acn')
launcher()
  .then((url) => import(url))
  .catch((error) => {
    // Those who start a node look for this in its output.
    process.stdout.write(`LIBP2P_NODE_PANIC_ERROR : ${error.message}\n`)
    process.exitCode = 1
  })
