/** Appends to the stream log in the directory given until it is killed; prints `shard seqIx` for what was acknowledged. */
import { openJournalStreamLog } from '../../src/local/journal-stream-log.ts'
import { blockOf } from '../contracts/stream-log.contract.ts'

const [dir = ''] = process.argv.slice(2)
const log = await openJournalStreamLog({ dir, segmentBytes: 100_000 })

async function client(shardIndexes: number[]): Promise<void> {
  let next = (log.tails().get(shardIndexes[0] ?? 0)?.lastSeqIx ?? 0) + 1
  for (;;) {
    const count = 1 + (next % 9)
    await log.append(shardIndexes.map((shardIndex) => blockOf(shardIndex, next, count, 1_000 + next)))
    next += count
    const lines = shardIndexes.map((shardIndex) => `${shardIndex} ${next - 1}\n`)
    await new Promise((resolve) => process.stdout.write(lines.join(''), resolve))
  }
}

await Promise.all([client([0, 1]), client([2]), client([3, 4, 5])])
