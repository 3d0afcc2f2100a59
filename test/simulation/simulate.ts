import { simulateWorld } from './world.ts'

/**
 * `node --import tsx test/simulation/simulate.ts SEEDS [FIRST]`: that many worlds, told when one goes wrong. Ends at the
 * first that does, with exit code 1.
 */
const [count = '1000', first = '1'] = process.argv.slice(2)
let recordCount = 0
let repeatCount = 0
const begunMs = performance.now()
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) {
  const report = await simulateWorld(seed)
  recordCount += report.recordCount
  repeatCount += report.repeatCount
  if (report.faults.length === 0) continue
  console.log([`seed ${seed} goes wrong:`, ...report.faults, '', ...report.deeds].join('\n'))
  process.exitCode = 1
  break
}
const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1)
console.log(`${recordCount} records in ${seconds} s, ${repeatCount} of them handled more than once`)
