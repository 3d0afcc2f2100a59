import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory, and those above it that are missing; fine when it exists already.
 *
 * Step by step, unlike `mkdir` with `recursive`: that one never ends where a system says that a file to be made does not
 * exist (anything under /proc), and says the same of a disk that is read-only.
 */
export function makeDirectory(path: string, mode = 0o777): void {
  const missing: string[] = []
  for (let at = resolve(path); !isThere(at); at = dirname(at)) missing.unshift(at)
  for (const directory of missing) {
    try {
      mkdirSync(directory, { mode })
    } catch (error) {
      // Another process was quicker; or what is in the way is a file, which the next step finds out.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  // Fails, in the system's words, when what is there is no directory.
  if (!statSync(path).isDirectory()) mkdirSync(path)
}

function isThere(path: string): boolean {
  return path === dirname(path) || existsSync(path)
}
