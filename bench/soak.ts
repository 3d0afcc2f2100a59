import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'

/** Runs every test file that holds a random suite at full length and keeps what came out. */
const testRoot = join(import.meta.dirname, '../test')
const files = readdirSync(testRoot, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => join(testRoot, file))
  .filter(isRandom)
  .sort()

/** Whether it holds a random suite, or runs a contract that does. */
function isRandom(file: string): boolean {
  const text = readFileSync(file, 'utf8')
  if (text.includes('support/soak.ts')) return true
  const contracts = [...text.matchAll(/Contract \} from '(\.[./\w-]+\.contract\.ts)'/g)].map(
    (match) => match[1] as string,
  )
  return contracts.some((contract) => isRandom(join(dirname(file), contract)))
}

const seed = process.env['TRITON_SEED'] ?? String(Date.now() % 0x7fff_ffff)
console.log(`${files.length} files with random suites, full length, TRITON_SEED=${seed}`)

const rows: BenchRow[] = [{ what: 'seed', value: Number(seed), unit: '' }]
let failed = 0
for (const file of files) {
  const startedMs = performance.now()
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', '--test', '--test-reporter=spec', file], {
    stdio: 'inherit',
    env: { ...process.env, TRITON_SOAK: '1', TRITON_SEED: seed },
  })
  if (status !== 0) failed++
  rows.push({
    what: `${file.slice(testRoot.length + 1)} ${status === 0 ? 'passed' : 'FAILED'}`,
    value: (performance.now() - startedMs) / 1000,
    unit: 's',
  })
}
writeBenchReport('soak', rows)
process.exitCode = failed === 0 ? 0 : 1
