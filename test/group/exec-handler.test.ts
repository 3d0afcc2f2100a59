import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { StreamRecord } from '../../src/consumer/stream-record.ts'
import { observe } from '../../src/diagnostics.ts'
import { ExecHandler } from '../../src/group/exec-handler.ts'
import type { HandlerContext } from '../../src/group/handler-context.ts'

const shardId = 'shardId-000000000000'

function batchOf(...texts: string[]): StreamRecord<string>[] {
  return texts.map((text, index) => ({
    ...{ shardId, sequenceNumber: String(index), partitionKey: 'k', arrivedAt: new Date(0) },
    ...{ data: JSON.stringify(text), bytes: Buffer.from(text) },
  }))
}

function contextOf(signal = new AbortController().signal): HandlerContext<string> {
  return { shardId, millisBehindLatest: 0, attempt: 1, signal, checkpoint: async () => {} }
}

/** What is told of a program that fails without a batch. */
function idleFailure(): Promise<string> {
  return new Promise((resolve) => {
    const stop = observe((news) => {
      if (news.type !== 'program-failed') return
      stop()
      resolve(news.reason)
    })
  })
}

const open = (command: string) => new ExecHandler({ command, input: 'json', patienceMs: 60_000 })

test('a program that answers what nobody asked is ended, also when it reads nothing and never ends by itself', async () => {
  const told = idleFailure()
  await using exec = open('yes "I am busy"')
  await exec.handle(batchOf('a'), contextOf()) // its first line comes after the batch, as an answer
  assert.match(await told, /it printed "I am busy" without having been given a batch/)
})

test('a program that ends between two batches is told, and fails none: the next batch has a new one', async () => {
  const told = idleFailure()
  await using exec = open('read line; echo ok; exit 5')
  await exec.handle(batchOf('a'), contextOf())
  assert.match(await told, /exit code 5/)
  await exec.handle(batchOf('b'), contextOf())
})

test('a line without an end is cut off before it fills the memory', async () => {
  await using exec = open('tr "\\\\0" x < /dev/zero')
  await assert.rejects(exec.handle(batchOf('a'), contextOf()), /a line of more than 1048576 characters/)
})

test('a program that reads nothing holds its batch until the shard is called off, and is gone then', async () => {
  await using exec = open('exec sleep 1000')
  const life = new AbortController()
  const handling = exec.handle(batchOf('x'.repeat(1024 * 1024)), contextOf(life.signal))
  life.abort()
  await assert.rejects(handling, /it was ended by SIGKILL/)
})

test('a program that dies in a batch fails that one; the next batch has a new one', async () => {
  await using exec = open(
    'read line; echo "out of luck" >&2; case "$line" in *bad*) exit 3;; esac; echo ok; cat >/dev/null',
  )
  await assert.rejects(exec.handle(batchOf('bad'), contextOf()), /exit code 3; its last words: out of luck/)
  await exec.handle(batchOf('good'), contextOf())
})

test('answers that look like none are one: only an object with an error says that a batch failed', async () => {
  for (const answer of ['', '{', '{"error"', 'null', '{"ok":1}', '{"error":null}']) {
    await using exec = open(`while read line; do echo '${answer}'; done`)
    await exec.handle(batchOf('a'), contextOf())
  }
  await using exec = open(`while read line; do echo '{"error":{"why":1}}'; done`)
  await assert.rejects(exec.handle(batchOf('a'), contextOf()), /\{"why":1\}/)
})

test('a program that ends while a child of its own holds its pipes fails its batch all the same', async () => {
  await using exec = open('sleep 1000 & echo "I leave a child" >&2; exit 4')
  await assert.rejects(exec.handle(batchOf('a'), contextOf()), /exit code 4; its last words: I leave a child/)
})

test('there is one program for each shard, or one for all, which gets one batch at a time', async () => {
  const other = 'shardId-000000000001'
  const command = 'while read line; do echo "{\\"error\\":\\"$$ $TRITON_SHARD\\"}"; done'
  for (const children of ['shard', 'one'] as const) {
    await using exec = new ExecHandler({
      ...{ command, input: 'json', children },
      environment: { PATH: '/usr/bin:/bin' },
    })
    const heard: string[] = []
    const ask = (id: string) =>
      exec.handle(batchOf('a'), { ...contextOf(), shardId: id }).catch((error) => heard.push(error.message))
    for (const _ of [1, 2]) await Promise.all([shardId, other].map(ask))
    const answers = new Set(heard)
    assert.equal(heard.length, 4)
    assert.equal(answers.size, children === 'one' ? 1 : 2, [...answers].join())
    assert.equal(
      heard.some((answer) => answer.endsWith(other)),
      children === 'shard',
    )
  }
})

const python = spawnSync('python3', ['--version']).status === 0 ? false : 'this machine has no python3'

test('the programs of docs/worker-exec.md answer their batches', { skip: python }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'triton-exec-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const text = readFileSync(join(import.meta.dirname, '../../docs/worker-exec.md'), 'utf8')
  const programs = [...text.matchAll(/```python\n(.*?)```/gs)].map(([, program = '']) => program)
  assert.equal(programs.length, 2)
  for (const [index, input] of (['json', 'raw'] as const).entries()) {
    const file = join(directory, `handle-${input}.py`)
    writeFileSync(file, programs[index] ?? '')
    await using exec = new ExecHandler({ command: `exec python3 ${file}`, input })
    for (const _ of [1, 2]) await exec.handle(batchOf('one', 'two'), contextOf())
  }
})
