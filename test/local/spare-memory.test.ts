import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestEngine } from '../support/engine.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, cborWire, dataIn, encodeInput, jsonWire, signed } from './wire-client.ts'

const mib = 1024 * 1024

/** Of many sizes, so that every remainder of base64 is met; each shard's by its own letter. */
const recordsOf = (shard: number) =>
  Array.from({ length: 500 }, (_, index) => ({
    PartitionKey: `k${index}`,
    Data: Buffer.alloc(1_500 + index, String.fromCharCode(97 + shard)),
    ExplicitHashKey: ((BigInt(shard) << 126n) + 1n).toString(),
  }))

overEachWire('7.3 pages that are read at once', (test) => {
  test('hold each its own records, also when their readers are slow or vanish', async (t) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-'))
    t.after(() => rmSync(dataDir, { recursive: true, force: true }))
    await using engine = await startTestEngine({ dataDir, streams: [{ name: 's', shardCount: 4 }] })
    for (let time = 0; time < 3; time++)
      for (let shard = 0; shard < 4; shard++)
        await ask(engine.endpoint, 'PutRecords', { StreamName: 's', Records: recordsOf(shard) }, cborWire)
    const big = Array(8).fill({ PartitionKey: 'k', Data: Buffer.alloc(mib - 1, 'z'), ExplicitHashKey: '0' })
    await ask(engine.endpoint, 'PutRecords', { StreamName: 's', Records: big }, cborWire)
    const iterators = await Promise.all(
      [0, 1, 2, 3].map((ShardId) =>
        ask(engine.endpoint, 'GetShardIterator', {
          StreamName: 's',
          ShardId: String(ShardId),
          ShardIteratorType: 'TRIM_HORIZON',
        }),
      ),
    )
    const iteratorOf = (shard: number) => iterators[shard]?.ShardIterator ?? ''

    const slow = await askSlowly(engine.port, iteratorOf(0))
    t.after(() => slow.vanish())
    const vanishing = await askSlowly(engine.port, iteratorOf(0))
    t.after(() => vanishing.vanish())
    for (let round = 0; round < 3; round++) {
      const shards = [1, 2, 3, 1, 2, 3]
      const pages = await Promise.all(
        shards.map((shard) => ask(engine.endpoint, 'GetRecords', { ShardIterator: iteratorOf(shard) })),
      )
      for (const [at, { Records }] of pages.entries()) {
        assert.equal(Records.length, 1_500)
        const expected = recordsOf(shards[at] as number)
        for (const [index, { Data, PartitionKey }] of Records.entries()) {
          const record = expected[index % 500]
          assert.equal(PartitionKey, record?.PartitionKey)
          assert.ok(record?.Data.equals(dataIn(Data)), `record ${index} of shard ${shards[at]}`)
        }
      }
      vanishing.vanish()
    }
    const { Records } = await slow.read()
    assert.deepEqual(
      Records.map(({ Data }) => `${dataIn(Data).length} ${dataIn(Data).toString('latin1', 0, 3)}`),
      [...Array(3).fill(recordsOf(0)).flat(), ...big.slice(0, 7)].map(
        ({ Data }) => `${Data.length} ${Data.toString('latin1', 0, 3)}`,
      ),
    )
  })
})

/** Asks for a page over HTTP/1.1 and reads nothing of the answer until told to. */
async function askSlowly(port: number, ShardIterator: string) {
  const body = encodeInput({ ShardIterator }, jsonWire)
  const headers = {
    ...signed,
    host: 'localhost',
    'x-amz-target': 'Kinesis_20131202.GetRecords',
    'content-type': 'application/x-amz-json-1.1',
    'content-length': body.length,
    connection: 'close',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.pause()
  socket.write(`POST / HTTP/1.1\r\n${head.join('')}\r\n`)
  socket.write(body)
  await new Promise((resolve) => socket.once('readable', resolve))
  return {
    vanish: () => socket.destroy(),
    async read() {
      const chunks: Buffer[] = []
      for await (const chunk of socket) chunks.push(chunk as Buffer)
      const answer = Buffer.concat(chunks)
      return JSON.parse(answer.toString('utf8', answer.indexOf('\r\n\r\n') + 4)) as { Records: { Data: string }[] }
    },
  }
}
