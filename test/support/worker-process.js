/**
 * A worker in a process of its own, to be stopped and killed. Prints a line of JSON for each record it handled
 * (`{"record":...}`) and for each piece of news (`{"news":...}`). Its arguments are the library's module and, as JSON,
 * `WorkerProcessSettings` (worker-program.ts).
 */
const [, , library, settings = '{}'] = process.argv
const { createWorker, getStream, observe, parseConfig } = await import(library)
const { endpoint, stream: name, handlerMs = 0, blockMs = 0, ...options } = JSON.parse(settings)
let isBlocking = blockMs > 0

const definition = { name, partition_key: 'key', region: 'us-east-1', endpoint, format: 'text' }
const stream = getStream(name, parseConfig(JSON.stringify({ [name]: definition }), 'a test'))
const say = (line) => void process.stdout.write(`${JSON.stringify(line)}\n`)

observe((news) => {
  if (/^(worker|lease|shard|handler|record|get)-/.test(news.type)) say({ news, atMs: Date.now() })
})

const worker = createWorker({
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
