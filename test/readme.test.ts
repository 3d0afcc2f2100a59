import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { startTritond, type Tritond } from '../src/daemon/tritond.ts'
import { createAwsKinesisApi } from '../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../src/kinesis/kinesis-api.ts'
import { type LocalEngine, startLocalEngine } from '../src/local/index.ts'
import { programWords } from './support/cli.ts'

const root = resolve(import.meta.dirname, '..')
const examples = join(root, 'examples')

describe('the README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  let engine: LocalEngine
  let api: KinesisApi
  let daemon: Tritond
  let directory: string

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'triton-readme-'))
    engine = await startLocalEngine({ streams: [{ name: 'orders_v2', shardCount: 2 }], createStreamMs: 0 })
    api = createAwsKinesisApi({ endpoint: engine.endpoint })
    daemon = await startDaemon()
  })
  after(async () => {
    await daemon.stop()
    api.close()
    await engine.close()
    rmSync(directory, { recursive: true })
  })

  // In the order in which a reader meets them: what one puts, the next reads.
  const shown = [...readme.matchAll(/<!-- (examples\/[\w-]+\.ts) -->\n```ts\n(.*?)```/gs)]

  test('shows every example', () => {
    const files = readdirSync(examples).filter((file) => file.endsWith('.ts'))
    assert.deepEqual(shown.map(([, path]) => path).sort(), files.map((file) => `examples/${file}`).sort())
    const blocks = readme.match(/```ts\n/g)?.length
    assert.equal(blocks, shown.length, 'a block of TypeScript that is no example')
  })

  for (const [, path = '', block = ''] of shown) {
    test(`shows ${path} as it is, and it runs`, async () => {
      assert.equal(block, readFileSync(join(root, path), 'utf8'))
      const archive = pathToFileURL(join(directory, 'archive')).href
      const environment = {
        PATH: process.env['PATH'],
        HOME: directory,
        AWS_ENDPOINT_URL_KINESIS: engine.endpoint,
        AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
        ORDERS_ARCHIVE: archive,
        TRITON_CONFIG: join(examples, 'triton.yaml'),
        TRITON_DB: `sqlite://${join(directory, 'checkpoints.db')}`,
        TRITON_CLIENT_NAME: 'readme',
        TRITON_ZMQ_PORT: /[0-9]+$/.exec(daemon.endpoint)?.[0],
      }
      if (path === 'examples/archive.ts') {
        mkdirSync(join(directory, 'archive'))
        const words = ['store', '-s', 'orders', '--store', archive, '--until-caught-up']
        await promisify(execFile)(process.execPath, [...programWords, ...words], { cwd: root, env: environment })
      }
      const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', 'tsx', join(root, path)], {
        cwd: root,
        timeout: 30_000,
        env: environment,
      })
      assert.equal(stderr, '')
      assert.notEqual(stdout, '')
    })
  }

  test('put five orders altogether, two of them by way of tritond', async () => {
    // What was pushed may still be on its way.
    while ((await storedCount()) < 5) await pause(20)
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    assert.equal(await storedCount(), 5)
  })

  async function storedCount(): Promise<number> {
    const counts = await Promise.all(
      (await api.listShards('orders_v2')).map(async ({ shardId }) => {
        const iterator = await api.getShardIterator('orders_v2', shardId, { type: 'TRIM_HORIZON' })
        return (await api.getRecords(iterator, 100)).records.length
      }),
    )
    return counts.reduce((sum, count) => sum + count, 0)
  }

  /** Clients look for the durable port behind the other one. */
  async function startDaemon(): Promise<Tritond> {
    for (;;) {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      server.close()
      await once(server, 'close')
      try {
        return await startTritond({
          port,
          config: join(examples, 'triton.yaml'),
          api,
          spoolDir: join(directory, 'spool'),
        })
      } catch (error) {
        // Somebody else has one of the two by now.
        if (!/port is in use/.test(String(error)) || port >= 65_535) throw error
      }
    }
  }
})
