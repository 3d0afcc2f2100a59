import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

/** Runs every bench program of this directory, one after the other: two at once would measure each other. */
const here = import.meta.dirname
const own = new Set(['all.ts', 'soak.ts'])
const programs = readdirSync(here).filter((file) => file.endsWith('.ts') && !own.has(file))

let failed = 0
for (const program of programs.sort()) {
  console.log(`\n== bench/${program}`)
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', `${here}/${program}`], { stdio: 'inherit' })
  if (status !== 0) failed++
}
process.exitCode = failed === 0 ? 0 : 1
