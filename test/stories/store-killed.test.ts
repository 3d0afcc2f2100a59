import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { dayOf } from '../../src/archive/archive-key.ts'
import { openStore } from '../../src/archive/open-store.ts'
import { streamFromStore } from '../../src/archive/stream-from-store.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { CliPlace, type RunningCli } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'
import { startTestS3, type TestS3 } from '../support/s3.ts'
import { runs, seed } from '../support/soak.ts'

const stream = 'orders'

/** Puts numbered records all the time, until it is stopped. */
class Writer {
  count = 0
  readonly #api: KinesisApi
  #isStopped = false
  #running: Promise<void>

  constructor(api: KinesisApi) {
    this.#api = api
    this.#running = this.#run()
  }

  stop(): Promise<void> {
    this.#isStopped = true
    return this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const entries = Array.from({ length: 20 }, (_, index) => ({
        data: encodeMsgpack({ n: this.count + index }),
        partitionKey: `key-${index}`,
      }))
      await this.#api.putRecords(stream, entries)
      this.count += entries.length
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
}

const words = ['store', '-s', stream, '--rotate-bytes', '1', '--lease-ms', '60000', '-v']

for (const kind of ['a directory', 'S3'] as const) {
  test(`a store that is killed at any moment keeps every record once, in order (${kind})`, async () => {
    const random = seededRandom(seed())
    await using engine = await startTestEngine({ streams: [{ name: stream, shardCount: 3 }] })
    await using s3 = await startTestS3()
    using place = new CliPlace(`${stream}: { name: ${stream}, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
    Object.assign(place.env, {
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      TRITON_DB: `sqlite://${join(place.directory, 'checkpoints.db')}`,
    })
    const url = kind === 'S3' ? `s3://${s3.bucket}/kept` : pathToFileURL(place.directory).href
    const args = [...words, '--store', url]
    const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
    const writer = new Writer(api)
    try {
      for (let kill = runs(50, 3); kill > 0; kill--) {
        const running = place.start(args)
        if (kind === 'S3') await killAtRequest(running, s3, 1 + randomInteger(random, 16))
        else await killAtObject(running, randomInteger(random, 4), randomInteger(random, 40))
      }
      await writer.stop()
      const last = await place.run([...args, '--until-caught-up'])
      assert.equal(last.exitCode, 0, last.stderr)
    } finally {
      await writer.stop()
      api.close()
    }
    await using store = openStore(url, { endpoint: s3.endpoint })
    const numbers: number[] = []
    const lastOf = new Map<string, bigint>()
    const [first, end] = [(await store.listDays())[0] ?? '', dayOf(Date.now())]
    const records = streamFromStore<{ n: number }>(store, { name: stream, format: 'msgpack' }, first, end)
    for await (const { data, place: from } of records.records()) {
      numbers.push(data.n)
      const number = BigInt(from?.sequenceNumber ?? 0)
      assert.ok(number > (lastOf.get(from?.shardId ?? '') ?? 0n), 'in the order of the shard')
      lastOf.set(from?.shardId ?? '', number)
    }
    assert.equal(numbers.length, writer.count)
    assert.deepEqual(
      numbers.sort((left, right) => left - right),
      Array.from({ length: writer.count }, (_, n) => n),
    )
    assert.deepEqual(s3.openUploads(), [])
    assert.equal(await store.abortUploads(() => true), 0)
  })
}

/** When the store makes its n-th request, before that is carried out or while it is. */
async function killAtRequest(running: RunningCli, s3: TestS3, count: number): Promise<void> {
  let left = count
  s3.fault = () => {
    left -= 1
    if (left > 0) return undefined
    if (left === 0) running.child.kill('SIGKILL')
    // Half of the time the request still gets through.
    return count % 2 === 0 ? undefined : 'hang-up'
  }
  await running.ended()
  s3.fault = () => undefined
  assert.equal(running.child.signalCode, 'SIGKILL', running.stderr)
}

/** So many milliseconds after it stored so many objects. */
async function killAtObject(running: RunningCli, count: number, ms: number): Promise<void> {
  await running.until(
    ({ stderr }) => (stderr.match(/"type":"(object-stored|shard-started)"/g)?.length ?? 0) > count + 2,
  )
  await new Promise((resolve) => setTimeout(resolve, ms))
  running.child.kill('SIGKILL')
  await running.ended()
  assert.equal(running.child.signalCode, 'SIGKILL', running.stderr)
}
