import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
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
    daemon = await startTritond({ port: 0, config: join(examples, 'triton.yaml'), api })
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

  test('put four orders altogether, one of them without waiting', async () => {
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    const counts = await Promise.all(
      (await api.listShards('orders_v2')).map(async ({ shardId }) => {
        const iterator = await api.getShardIterator('orders_v2', shardId, { type: 'TRIM_HORIZON' })
        return (await api.getRecords(iterator, 100)).records.length
      }),
    )
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      4,
    )
  })
})
