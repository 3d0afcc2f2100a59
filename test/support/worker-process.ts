import { createWorker, getStream, observe, parseConfig } from '../../src/index.ts'

/**
 * A worker in a process of its own, to be stopped and killed. Prints a line of JSON for each record it handled
 * (`{"record":...}`) and for each piece of news (`{"news":...}`). Its one argument is JSON.
 */
export interface WorkerProcessSettings {
  endpoint: string
  stream: string
  client: string
  leases: string
  failoverMs?: number
  handOffMs?: number
  /** How long handling a batch takes, in milliseconds. */
  handlerMs?: number
  workerId?: string
  /** How long the first batch blocks the event loop, in milliseconds. */
  blockMs?: number
  startFrom?: 'oldest' | 'latest'
  idlePollMs?: number
}

const settings = JSON.parse(process.argv[2] ?? '{}') as WorkerProcessSettings
const { endpoint, stream: name, handlerMs = 0, blockMs = 0, ...options } = settings
let isBlocking = blockMs > 0

const definition = { name, partition_key: 'key', region: 'us-east-1', endpoint, format: 'text' }
const stream = getStream<string>(name, parseConfig(JSON.stringify({ [name]: definition }), 'a test'))
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

observe((news) => {
  if (/^(worker|lease|shard|handler|record|get)-/.test(news.type)) say({ news, atMs: Date.now() })
})

const worker = createWorker<string>({
  ...options,
  stream,
  handler: async (records) => {
    if (isBlocking) {
      isBlocking = false
      say({ news: { type: 'handler-blocks' }, atMs: Date.now() })
      for (const untilMs = Date.now() + blockMs; Date.now() < untilMs; );
    }
    if (handlerMs > 0) await new Promise((resolve) => setTimeout(resolve, handlerMs))
    for (const { data, shardId } of records) say({ record: data, shardId, atMs: Date.now() })
  },
})

process.once('SIGTERM', async () => {
  await worker.close()
  await stream.close()
  say({ closed: true, atMs: Date.now() })
})
