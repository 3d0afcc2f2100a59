import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { ArchiveStore } from '../../src/archive/archive-store.ts'
import { S3Store } from '../../src/archive/s3-store.ts'
import { UnavailableError } from '../../src/errors.ts'
import { testArchiveStore } from '../contracts/archive-store.contract.ts'
import { freePort } from '../support/free-port.ts'
import { installPackages } from './python-packages.ts'

/** The suite of stores over another S3: moto's, from PyPI, which knows multipart uploads by itself. */
const place = resolve(import.meta.dirname, '../../.cache/clients/moto')
const packages = ['moto[s3,server]==5.2.5']
const longestStartMs = 60_000

const missing = await installPackages(place, packages)
if (missing !== undefined) test('stores of archives over moto', { skip: missing }, () => undefined)
else {
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const server = spawn(join(place, 'bin/moto_server'), ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  const client = new S3Client({
    ...{ endpoint, region: 'us-east-1', forcePathStyle: true },
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  after(async () => {
    client.destroy()
    const ended = once(server, 'exit')
    server.kill()
    await ended
  })
  await answering(endpoint)
  let bucketCount = 0
  testArchiveStore('moto', async () => {
    const Bucket = `triton-moto-${++bucketCount}`
    await client.send(new CreateBucketCommand({ Bucket }))
    const stores: ArchiveStore[] = []
    const another = () => {
      const store = new S3Store(Bucket, 'kept', { endpoint, retryMs: 500 })
      stores.push(store)
      return store
    }
    return {
      store: another(),
      another,
      // It answers as if it had failed, where S3 says that there is no such upload.
      refusal: UnavailableError,
      async putForeign(key, Body) {
        await client.send(new PutObjectCommand({ Bucket, Key: `kept/${key}`, Body }))
      },
      async [Symbol.asyncDispose]() {
        for (const store of stores) await store.close()
      },
    }
  })
}

async function answering(endpoint: string): Promise<void> {
  const deadlineMs = performance.now() + longestStartMs
  for (;;) {
    const isThere = await fetch(endpoint).then(
      () => true,
      () => false,
    )
    if (isThere) return
    if (performance.now() > deadlineMs) throw new Error(`moto did not start within ${longestStartMs} ms`)
    await wait(50)
  }
}
