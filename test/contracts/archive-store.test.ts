import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openStore } from '../../src/archive/open-store.ts'
import { startTestS3 } from '../support/s3.ts'
import { testArchiveStore } from './archive-store.contract.ts'

testArchiveStore('a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'triton-archive-'))
  const open = () => openStore(pathToFileURL(directory).href)
  return {
    store: open(),
    another: open,
    async putForeign(key, bytes) {
      await mkdir(dirname(join(directory, key)), { recursive: true })
      await writeFile(join(directory, key), bytes)
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  }
})

for (const prefix of ['', '/some/prefix']) {
  testArchiveStore(prefix === '' ? 'S3' : 'S3 under a prefix', async () => {
    const s3 = await startTestS3()
    const stores = [openStore(`s3://${s3.bucket}${prefix}`, { endpoint: s3.endpoint })]
    const another = () => {
      const store = openStore(`s3://${s3.bucket}${prefix}`, { endpoint: s3.endpoint })
      stores.push(store)
      return store
    }
    return {
      store: stores[0] as (typeof stores)[0],
      another,
      async putForeign(key) {
        s3.pretend(`${prefix.slice(1)}${prefix && '/'}${key}`)
      },
      async [Symbol.asyncDispose]() {
        for (const store of stores) await store.close()
        await s3.close()
      },
    }
  })
}
