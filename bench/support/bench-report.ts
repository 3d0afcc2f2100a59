import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'

/** One figure of a bench run. Ratios are what is kept in mind: they hold when the machine's speed drifts. */
export interface BenchRow {
  /** What was measured, as a person would say it. */
  what: string
  value: number
  unit: string
  /** What the value is compared with, measured in the same run. */
  baseline?: { what: string; value: number }
  /** What the value or, when there is a baseline, the ratio value / baseline is promised to be. */
  target?: { atMost?: number; atLeast?: number; of: 'value' | 'ratio' }
}

/** Prints the rows and keeps them, with what they depend on, in bench/results/<name>.json. */
export function writeBenchReport(name: string, rows: readonly BenchRow[]): void {
  const withRatios = rows.map((row) => ({
    ...row,
    value: rounded(row.value),
    ...(row.baseline && {
      baseline: { ...row.baseline, value: rounded(row.baseline.value) },
      ratio: rounded(row.value / row.baseline.value),
    }),
  }))
  for (const row of withRatios) console.log(lineOf(row))
  const report = {
    bench: name,
    date: new Date().toISOString(),
    commit:
      git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src') === '' ? '' : ' and changes'),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    rows: withRatios.map((row) => ({ ...row, ...(row.target && { isMet: isMet(row) }) })),
  }
  const directory = join(import.meta.dirname, '../results')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify(report, null, 2)}\n`)
}

function lineOf(row: BenchRow & { ratio?: number }): string {
  const beside = row.baseline ? `  (${row.baseline.what}: ${row.baseline.value} ${row.unit}; ratio ${row.ratio})` : ''
  const target = row.target
    ? `  target ${row.target.of} ${row.target.atMost === undefined ? `>= ${row.target.atLeast}` : `<= ${row.target.atMost}`}: ${isMet(row) ? 'met' : 'MISSED'}`
    : ''
  return `${row.what}: ${row.value} ${row.unit}${beside}${target}`
}

function isMet(row: BenchRow & { ratio?: number }): boolean {
  const measured = row.target?.of === 'ratio' ? (row.ratio ?? Number.NaN) : row.value
  return measured <= (row.target?.atMost ?? Number.POSITIVE_INFINITY) && measured >= (row.target?.atLeast ?? 0)
}

/** Three significant digits below 1,000, whole numbers above. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3))
}

function git(...words: string[]): string {
  try {
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}
