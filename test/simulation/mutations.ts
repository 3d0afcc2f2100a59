import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Mutation, mutations } from './broken-rules.ts'

/**
 * `node --import tsx test/simulation/mutations.ts [SEEDS] [WHICH]`: breaks one rule at a time, in a copy of the sources, and sees
 * the simulation notice it. Ends with exit code 1 when it does not, within so many seeds.
 */
const root = resolve(import.meta.dirname, '../..')
const [seeds = '1000', which] = process.argv.slice(2)
for (const mutation of which === undefined ? mutations : mutations.slice(Number(which)).slice(0, 1)) {
  const found = tryOut(mutation)
  console.log(`${mutation.rule}: ${found ?? `not noticed within ${seeds} seeds`}`)
  if (found === undefined) process.exitCode = 1
}

/** The first seed that goes wrong, and how; undefined when none does. */
function tryOut({ file, from, to }: Mutation): string | undefined {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const copy = mkdtempSync(join(root, '.cache/mutation-'))
  try {
    for (const part of ['src', 'test/simulation', 'test/support', 'package.json']) {
      cpSync(join(root, part), join(copy, part), { recursive: true })
    }
    const text = readFileSync(join(copy, file), 'utf8')
    if (!text.includes(from)) throw new Error(`${file} no longer has: ${from}`)
    writeFileSync(join(copy, file), text.replace(from, to))
    const simulate = ['--import', 'tsx', join(copy, 'test/simulation/simulate.ts'), seeds]
    execFileSync(process.execPath, simulate, { cwd: copy, encoding: 'utf8', stdio: 'pipe' })
    return undefined
  } catch (error) {
    const { stdout } = error as { stdout?: string }
    if (stdout === undefined) throw error
    return stdout.split('\n').slice(0, 2).join(' ')
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}
