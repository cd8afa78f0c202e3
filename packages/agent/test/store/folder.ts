import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that is removed at the end of a test. */
export class TestFolder implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'parley-store-'))

  path(name: string): string {
    return join(this.dir, name)
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true })
  }
}
