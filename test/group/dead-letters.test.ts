import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { ArchiveStore } from '../../src/archive/archive-store.ts'
import { openStore } from '../../src/archive/open-store.ts'
import { NotFoundError } from '../../src/errors.ts'
import { DeadLetterStore } from '../../src/group/dead-letter-store.ts'
import { deadLettersTo } from '../../src/group/dead-letters-to-stream.ts'
import type { DeadLetter } from '../../src/group/failure-policy.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { startTestS3 } from '../support/s3.ts'

const letter: DeadLetter = {
  ...{ client: 'billing & co.', stream: 'orders', shardId: 'shardId-000000000003', sequenceNumber: '4951' },
  ...{ partitionKey: 'ключ', arrivedAt: new Date(1_790_000_000_123), bytes: encodeMsgpack({ id: 7 }) },
  ...{ reason: 'Error: no', attempts: 6, failedAt: new Date(1_790_000_001_000) },
}

function freshDirectory(t: { after: (act: () => void) => void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'triton-dead-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

test('a dead letter in a directory comes back as it was, once however often it was sent', async (t) => {
  await using store = openStore(pathToFileURL(freshDirectory(t)).href)
  await keepsLetters(store)
})

test('so does one in S3', async () => {
  await using s3 = await startTestS3()
  await using store = openStore(`s3://${s3.bucket}/dead`, { endpoint: s3.endpoint })
  await keepsLetters(store)
})

test('a letter that S3 does not take is not sent, and is there once when it was sent again', async () => {
  await using s3 = await startTestS3()
  await using store = openStore(`s3://${s3.bucket}`, { endpoint: s3.endpoint })
  const letters = new DeadLetterStore(store)
  s3.fault = ({ method, key }) =>
    method !== 'GET' && key.endsWith('.json') ? { status: 403, code: 'AccessDenied' } : undefined
  await assert.rejects(letters.send(letter), /AccessDenied|denied|refused/i)
  assert.deepEqual(await letters.list(), [], 'a letter without its reason is none')
  s3.fault = () => undefined
  await letters.send(letter)
  const [name = ''] = await letters.list('orders')
  assert.equal((await letters.read(name)).reason, 'Error: no')
  assert.equal((await letters.list()).length, 1)
})

async function keepsLetters(store: ArchiveStore): Promise<void> {
  const letters = new DeadLetterStore(store)
  await letters.send(letter)
  await letters.send(letter)
  await letters.send({ ...letter, subSequenceNumber: 2 })
  const names = await letters.list('orders', 'billing & co.')
  assert.equal(names.length, 2)
  assert.deepEqual(await letters.list('orders', 'other'), [])
  const { bytes, ...about } = await letters.read(names[0] ?? '')
  assert.deepEqual({ ...about, bytes: Buffer.from(bytes) }, { ...letter, bytes: Buffer.from(letter.bytes) })
  await letters.remove(names[0] ?? '')
  await assert.rejects(letters.read(names[0] ?? ''), NotFoundError)
  assert.deepEqual(await letters.list(), [names[1]])
}

test('bytes that are no msgpack map are kept, too, byte by byte', async (t) => {
  const directory = freshDirectory(t)
  await using store = openStore(pathToFileURL(directory).href)
  const bytes = Buffer.from([0xff, 0x00, 0xc1])
  await new DeadLetterStore(store).send({ ...letter, bytes, isUndecodable: true })
  await new DeadLetterStore(store, { isRaw: true }).send({
    ...letter,
    sequenceNumber: '4952',
    bytes: Buffer.from('hi'),
  })
  const letters = new DeadLetterStore(store)
  const read = await Promise.all(
    (await letters.list()).map(async (name) => Buffer.from((await letters.read(name)).bytes)),
  )
  assert.deepEqual(read, [bytes, Buffer.from('hi')])
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.(tri|json)$/.test(file),
  )
  assert.equal(files.length, 4, 'nothing half is left')
})

test('a stream takes a letter as a record under its own key', async () => {
  const put: unknown[] = []
  const place = deadLettersTo({
    definition: { streamName: 'dead' },
    put: async (record, keys) => put.push([record, keys]),
  })
  await place.send(letter)
  assert.equal(place.description, 'the stream dead')
  const { arrivedAt, failedAt, ...rest } = letter
  const record = { ...rest, arrivedAt: arrivedAt.toISOString(), failedAt: failedAt.toISOString() }
  assert.deepEqual(put, [[record, { partitionKey: 'ключ' }]])
})
