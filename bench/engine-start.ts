import { once } from 'node:events'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import { startLocalEngine } from '../src/local/index.ts'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'

/**
 * What a test suite waits for that starts an engine of its own for each test: from nothing to a stream that is ACTIVE, and
 * until all is given back; beside kinesalite in memory. The first one also pays for what is loaded when first used.
 */
const roundCount = 30
const atOnce = 50

const kinesalite = createRequire(import.meta.url)('kinesalite') as (options: object) => Server

const engines = await times(roundCount, async () => {
  const engine = await startLocalEngine({ dataDir: 'memory', streams: [{ name: 's', shardCount: 4 }] })
  return () => engine.close()
})
const baseline = await times(roundCount, async () => {
  const server = kinesalite({ createStreamMs: 0 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return () => new Promise<void>((resolve) => server.close(() => resolve()))
})

const startedMs = performance.now()
const many = await Promise.all(Array.from({ length: atOnce }, () => startLocalEngine({ dataDir: 'memory' })))
const manyMs = performance.now() - startedMs
await Promise.all(many.map((engine) => engine.close()))
// A closed handle is given back in the loop's next round.
await new Promise((resolve) => setImmediate(resolve))
const leftOpen = process.getActiveResourcesInfo().filter((resource) => !/TTY|Pipe/.test(resource))
if (leftOpen.length > 0) throw new Error(`left open: ${leftOpen.join(', ')}`)

const beside = (value: number) => ({ what: 'kinesalite, without a stream', value })
const rows: BenchRow[] = [
  {
    what: 'start in memory with a stream, median',
    value: median(engines.starts),
    unit: 'ms',
    target: { atMost: 50, of: 'value' },
    baseline: beside(median(baseline.starts)),
  },
  {
    what: 'start in memory with a stream, slowest',
    value: Math.max(...engines.starts),
    unit: 'ms',
    target: { atMost: 50, of: 'value' },
    baseline: beside(Math.max(...baseline.starts)),
  },
  { what: 'close, median', value: median(engines.closes), unit: 'ms', baseline: beside(median(baseline.closes)) },
  { what: `start of ${atOnce} at once, all together`, value: manyMs, unit: 'ms' },
]
writeBenchReport('engine-start', rows)

async function times(count: number, start: () => Promise<() => Promise<void>>) {
  const starts: number[] = []
  const closes: number[] = []
  for (let round = 0; round < count; round++) {
    const beforeMs = performance.now()
    const close = await start()
    const upMs = performance.now()
    await close()
    starts.push(upMs - beforeMs)
    closes.push(performance.now() - upMs)
  }
  return { starts, closes }
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] as number
}
