import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
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

const rows: BenchRow[] = []
const waiting = [...files].reverse()
const running = new Set<ChildProcess>()
let failed = 0
let unfinished = 0
// What came out until then is kept, too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
// The stories wait more than they work: two files at a time keep two cores busy.
await Promise.all(Array.from({ length: 2 }, runSome))
rows.sort((left, right) => left.what.localeCompare(right.what))
const facts = [
  { what: 'seed', value: Number(seed), unit: '' },
  { what: 'interrupted before they were over', value: unfinished, unit: 'files' },
]
writeBenchReport('soak', [...facts, ...rows])
process.exitCode = failed + unfinished === 0 ? 0 : 1

function interrupt(): void {
  unfinished = waiting.splice(0).length + running.size
  for (const child of running) child.kill()
}

async function runSome(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await run(file)
}

/** Prints what a file of tests says when it is over, so that two do not mix. */
async function run(file: string): Promise<void> {
  const startedMs = performance.now()
  const child = spawn(process.execPath, ['--import', 'tsx', '--test', '--test-reporter=spec', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TRITON_SOAK: '1', TRITON_SEED: seed },
  })
  running.add(child)
  const said: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  const [status] = (await once(child, 'close')) as [number | null]
  running.delete(child)
  if (unfinished > 0) return
  if (status !== 0) failed++
  const what = `${file.slice(testRoot.length + 1)} ${status === 0 ? 'passed' : 'FAILED'}`
  process.stdout.write(`\n== ${what}\n${Buffer.concat(said).toString()}`)
  rows.push({ what, value: (performance.now() - startedMs) / 1000, unit: 's' })
}
