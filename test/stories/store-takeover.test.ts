import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { dayOf } from '../../src/archive/archive-key.ts'
import { openStore } from '../../src/archive/open-store.ts'
import { streamFromStore } from '../../src/archive/stream-from-store.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { CliPlace } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { type S3Request, startTestS3 } from '../support/s3.ts'

const stream = 'orders'

/** Where the first store stands still: what S3 gets at that moment it carries out, or it hangs up. */
const moments: { what: string; fits: (request: S3Request) => boolean; fault?: 'hang-up' }[] = [
  { what: 'an upload is opened', fits: ({ method, query }) => method === 'POST' && query.has('uploads') },
  { what: 'a part is sent', fits: ({ method, query }) => method === 'PUT' && query.has('uploadId') },
  {
    ...{ what: 'the completion is asked for', fault: 'hang-up' },
    fits: ({ method, query }) => method === 'POST' && query.has('uploadId'),
  },
]

describe('a store that stood still while another took over', { concurrency: moments.length }, () => {
  let postgres: TestPostgres
  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres.close())

  for (const { what, fits, fault } of moments)
    test(`gives up, and every record is stored once (it stops when ${what})`, async () => {
      await using engine = await startTestEngine({ streams: [{ name: stream, shardCount: 2 }] })
      await using s3 = await startTestS3()
      using place = new CliPlace(`${stream}: { name: ${stream}, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
      Object.assign(place.env, { AWS_ENDPOINT_URL_S3: s3.endpoint, TRITON_DB: await postgres.createSchema() })
      const url = `s3://${s3.bucket}/kept`
      const words = ['store', '-s', stream, '--store', url, '--rotate-bytes', '1', '--lease-ms', '4000', '-v']
      const api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
      let count = 0
      const put = async () => {
        const entries = Array.from({ length: 40 }, (_, i) => ({
          data: encodeMsgpack({ n: count + i }),
          partitionKey: `key-${i % 20}`,
        }))
        await api.putRecords(stream, entries)
        count += entries.length
      }
      try {
        await put()
        let seen = 0
        await using first = place.start(words)
        const hasStopped = new Promise<void>((resolve) => {
          s3.fault = (request) => {
            // Of its second object: the first is stored.
            if (!fits(request) || ++seen !== 2) return undefined
            first.child.kill('SIGSTOP')
            resolve()
            return fault
          }
        })
        await Promise.race([hasStopped, first.until(() => false)])
        await using second = place.start(words)
        await put()
        await second.until(({ stderr }) => /"type":"object-stored"/.test(stderr))
        assert.match(second.stderr, /"type":"store-taken-over"/)
        first.child.kill('SIGCONT')
        const { exitCode, stderr } = await first.ended()
        assert.equal(exitCode, 1, stderr)
        assert.match(stderr, /^triton: .*(the lease of store|its upload was given up)/m)
        await put()
        second.child.kill('SIGTERM')
        assert.equal((await second.ended()).exitCode, 0, second.stderr)
        const last = await place.run([...words, '--until-caught-up'])
        assert.equal(last.exitCode, 0, last.stderr)
      } finally {
        api.close()
      }
      await using store = openStore(url, { endpoint: s3.endpoint })
      const numbers: number[] = []
      const [start = ''] = await store.listDays()
      for await (const { n } of streamFromStore<{ n: number }>(
        store,
        { name: stream, format: 'msgpack' },
        start,
        dayOf(Date.now()),
      ))
        numbers.push(n)
      assert.deepEqual(
        numbers.sort((left, right) => left - right),
        Array.from({ length: count }, (_, n) => n),
      )
      assert.deepEqual(s3.openUploads(), [])
    })

  test('with the lease in PostgreSQL a second store is refused while the first one lives', async () => {
    await using engine = await startTestEngine({ streams: [{ name: stream, shardCount: 1 }] })
    using place = new CliPlace(`${stream}: { name: ${stream}, partition_key: id, endpoint: '${engine.endpoint}' }\n`)
    place.env['TRITON_DB'] = await postgres.createSchema()
    const words = ['store', '-s', stream, '--store', `file://${place.directory}`, '-v']
    await using first = place.start(words)
    await first.until(({ stderr }) => /storing orders as store/.test(stderr))
    const second = await place.run(words)
    assert.equal(second.exitCode, 1)
    assert.match(
      second.stderr,
      /client store is already storing orders, in the process .*: stop that one, or take another/,
    )
    const other = await place.run([...words, '--client-name', 'backup', '--until-caught-up'])
    assert.equal(other.exitCode, 0, other.stderr)
    first.child.kill('SIGTERM')
    assert.equal((await first.ended()).exitCode, 0, first.stderr)
  })
})
