import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { start } from 'node:repl'
import * as triton from 'triton-kinesis'
import { startLocalEngine } from 'triton-kinesis/local'

/** A REPL in which the library, a config and a running local engine are ready. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
const directory = join(import.meta.dirname, '../.cache/shell')
mkdirSync(directory, { recursive: true })
const configFile = join(directory, 'triton.yaml')

const engine = await startLocalEngine({ streams: [{ name: 'test_stream', shardCount: 2 }] })
writeFileSync(configFile, `test_stream:\n  name: test_stream\n  partition_key: msg\n  endpoint: ${engine.endpoint}\n`)
process.env['TRITON_CONFIG'] = configFile
process.env['TRITON_DB'] ??= 'memory:'
process.env['TRITON_CLIENT_NAME'] ??= 'shell'

const config = triton.loadConfig()
const stream = triton.getStream('test_stream', config)

console.log(`A local engine runs at ${engine.endpoint}, with the stream 'test_stream' of two shards.
Ready: triton (the library), engine, config, stream, take(iterator, count). Try

  await stream.put({ msg: 'hi' })
  await take(stream.buildIteratorForAll(), 1)
`)

const repl = start({ prompt: 'triton> ' })
Object.assign(repl.context, { triton, engine, config, stream, take })
repl.on('exit', async () => {
  await stream.close()
  await engine.close()
})

/** The next `count` records. */
async function take<T>(records: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  if (count > 0)
    for await (const record of records) {
      taken.push(record)
      if (taken.length >= count) break
    }
  return taken
}
