import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { S3Store } from '../../src/archive/s3-store.ts'
import { systemClock } from '../../src/clock.ts'
import { startTestS3 } from '../support/s3.ts'

test('who reads slowly gets all of an object, although its connection is gone meanwhile', async () => {
  await using s3 = await startTestS3()
  // More than the buffers of sockets hold.
  const bytes = randomBytes(24 * 1024 * 1024)
  await s3.put('20261126/a-store-1.tri', bytes)
  let skewMs = 0
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skewMs }
  await using store = new S3Store(s3.bucket, '', { endpoint: s3.endpoint, clock })
  const hash = createHash('sha256')
  let pauseCount = 0
  let readBytes = 0
  for await (const piece of store.read('20261126/a-store-1.tri')) {
    hash.update(piece)
    readBytes += piece.length
    if (readBytes < 4 * 1024 * 1024 * (pauseCount + 1) || pauseCount === 3) continue
    // Ten minutes, far beyond the time for which a request is tried again.
    pauseCount += 1
    skewMs += 600_000
    s3.dropConnections()
  }
  assert.equal(readBytes, bytes.length)
  assert.equal(hash.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
  const ranges = s3.requests.filter(({ method }) => method === 'GET')
  assert.ok(ranges.length >= 2, 'it was asked for again')
})

test('a part that is damaged on its way is refused by its checksum, and sent again', async () => {
  await using s3 = await startTestS3()
  const bytes = randomBytes(12 * 1024 * 1024)
  await using store = new S3Store(s3.bucket, '', { endpoint: s3.endpoint })
  const sent: string[] = []
  s3.fault = ({ method, query }) => {
    const part = query.get('partNumber')
    if (method !== 'PUT' || part === null) return undefined
    sent.push(part)
    return sent.length === 1 ? 'damaged' : undefined
  }
  const upload = await store.begin('20261126/a-store-1.tri')
  for (let at = 0; at < bytes.length; at += 1_000_000) await upload.write([bytes.subarray(at, at + 1_000_000)])
  await upload.complete()
  assert.deepEqual(sent, ['1', '1', '2'])
  const pieces: Uint8Array[] = []
  for await (const piece of store.read('20261126/a-store-1.tri')) pieces.push(piece)
  assert.ok(bytes.equals(Buffer.concat(pieces)))
})
