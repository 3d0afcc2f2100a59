import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { peakRssBytes } from './peak-rss.ts'

const root = join(import.meta.dirname, '../..')

/** Builds `triton` as it is installed, for `programMemory`. */
export function buildProgram(): void {
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: 'ignore' })
}

/** The most memory that `triton` with these words has had at once, in bytes, from its start to its end. */
export async function programMemory(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  const child = spawn(process.execPath, [join(root, 'bin/triton.js'), ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  })
  let rssBytes = 0
  const sampling = setInterval(() => {
    if (child.exitCode === null) rssBytes = Math.max(rssBytes, peakRssBytes(child.pid) || 0)
  }, 20)
  const ended = once(child, 'close')
  const said = await text(child.stderr)
  await ended
  clearInterval(sampling)
  if (child.exitCode !== 0) throw new Error(`triton ${words[0]} ended with ${child.exitCode}: ${said}`)
  return rssBytes
}
