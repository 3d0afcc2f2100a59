import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A path in a directory of this test file's own, which goes when the process does. Nothing is there yet. */
export function freshSqliteFile(): string {
  if (directory === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'triton-checkpoints-'))
    process.once('exit', () => rmSync(made, { recursive: true, force: true }))
    directory = made
  }
  return join(directory, `${fileCount++}.db`)
}

let directory: string | undefined
let fileCount = 0
