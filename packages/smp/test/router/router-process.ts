/** A router as a process of its own, to be killed: `node router-process.ts FOLDER PORT`, prints its address. */
import { SmpRouter } from '../../src/router/index.ts'

const [folder, port] = process.argv.slice(2)
const router = await SmpRouter.start({ dataDir: folder as string, host: '127.0.0.1', port: Number(port) })
process.stdout.write(`${router.address}\n`)
