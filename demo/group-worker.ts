import { createWorker, getStream, loadConfig, observe } from 'triton-kinesis'

/** One worker of the demo's group, in a process of its own: says what it holds and which records it handled. */
const [streamName = ''] = process.argv.slice(2)
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

observe((news) => {
  if (news.type === 'lease-taken') say({ taken: news.name })
  if (news.type === 'lease-released' || news.type === 'lease-lost') say({ gone: news.name })
})
await using stream = getStream<{ n: number }>(streamName, loadConfig())
await using _ = createWorker({
  stream,
  failoverMs: 3_000,
  handler: (records, { shardId, millisBehindLatest }) => {
    say({ shardId, behindMs: millisBehindLatest, ns: records.map(({ data }) => data?.n ?? -1) })
  },
})
await new Promise<void>((resolve) => {
  process.once('SIGTERM', () => resolve())
  // Whoever watched has gone.
  process.stdout.once('error', () => resolve())
  process.once('disconnect', () => resolve())
})
if (process.connected) process.disconnect() // an open channel would keep the process
