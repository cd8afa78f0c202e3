// The router that is measured, in a process of its own: `node router.ts FOLDER`; prints its address when it listens.
import { SmpRouter } from '@parley/smp/router'

const router = await SmpRouter.start({ dataDir: process.argv[2] ?? '', host: '127.0.0.1', port: 0 })
process.stdout.write(`${router.address}\n`)
process.on('SIGTERM', () => {
  router.close().then(() => process.exit(0))
})
