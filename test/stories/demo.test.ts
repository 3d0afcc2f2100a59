import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { initCheckpointTable } from '../../src/index.ts'
import { startTestEngine } from '../support/engine.ts'

const root = resolve(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'triton-demo-'))
after(() => rmSync(directory, { recursive: true }))

test("the demo takes anybody's JSON lines, however few, and proves that all were read in order", async () => {
  const input = join(directory, 'events.jsonl')
  const lines = Array.from({ length: 7 }, (_, at) => JSON.stringify({ user: `user-${at % 3}`, at }))
  writeFileSync(input, `${lines.join('\n')}\n`)
  const { stdout } = await demo('--input', input)
  assert.match(stdout, /7 records of .*events\.jsonl go into stream .*, keyed by 'user'/)
  for (const happened of ['shard 1 was split', 'the reader was killed', 'the engine was killed', 'tritond was killed'])
    assert.ok(stdout.includes(happened), happened)
  assert.match(stdout, /every record read +yes, all 7\n/)
  assert.match(stdout, /every record arrived +yes, all 7\n/)
  assert.match(stdout, /every record stored +yes, all 7\n/)
  assert.match(stdout, /every record replayed +yes, all 7\n/)
  assert.match(stdout, /order kept per key +yes, for each of 3 keys\n/)
})

test('three workers of the demo share a stream, through a kill and a split, and lose nothing', async () => {
  const program = ['--import', 'tsx', join(root, 'demo/workers.ts')]
  const { stdout } = await promisify(execFile)(process.execPath, program, { cwd: root, timeout: 280_000 })
  for (const happened of ['worker 2 was killed', 'shard 0 was split', 'gave their shards back'])
    assert.ok(stdout.includes(happened), happened)
  assert.match(stdout, /every record handled +yes, all 20,000\n/)
  assert.match(stdout, /order kept per key +yes\n/)
})

test('a file that the demo cannot use is told with its line, and nothing is started', async () => {
  const input = join(directory, 'broken.jsonl')
  writeFileSync(input, '{"a":1}\nnope\n')
  await assert.rejects(demo('--input', input), { code: 1, stdout: /broken\.jsonl:2: .* should be one JSON object/ })
  await assert.rejects(demo('--input', join(directory, 'absent.jsonl')), {
    code: 1,
    stdout: /INPUT should name a file/,
  })
})

test('a reader that is told to end before it has begun ends', async () => {
  await using engine = await startTestEngine({ streams: [{ name: 'flights', shardCount: 1 }] })
  const config = join(directory, 'triton.yaml')
  writeFileSync(config, `flights:\n  name: flights\n  partition_key: user\n  endpoint: ${engine.endpoint}\n`)
  const db = `sqlite://${join(directory, 'checkpoints.db')}`
  await initCheckpointTable(db)
  const reader = spawn(
    process.execPath,
    ['--import', 'tsx', join(root, 'demo/reader.ts'), 'flights', join(directory, 'read.jsonl'), 'user'],
    {
      env: { ...process.env, TRITON_CONFIG: config, TRITON_DB: db, TRITON_CLIENT_NAME: 'demo' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    },
  )
  const exited = once(reader, 'exit')
  await using _ = { [Symbol.asyncDispose]: async () => void reader.kill('SIGKILL') }
  reader.disconnect()
  assert.deepEqual(await exited, [0, null])
})

function demo(...args: string[]) {
  const program = ['--import', 'tsx', join(root, 'demo/demo.ts'), '--directory', join(directory, 'demo')]
  return promisify(execFile)(process.execPath, [...program, ...args], {
    cwd: root,
    timeout: 280_000,
  })
}
