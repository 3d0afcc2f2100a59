import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'

const root = resolve(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'triton-demo-'))
after(() => rmSync(directory, { recursive: true }))

test("the demo takes anybody's JSON lines, however few, and proves that all were read in order", async () => {
  const input = join(directory, 'events.jsonl')
  const lines = Array.from({ length: 7 }, (_, at) => JSON.stringify({ user: `user-${at % 3}`, at }))
  writeFileSync(input, `${lines.join('\n')}\n`)
  const { stdout } = await demo('--input', input)
  assert.match(stdout, /7 records of .*events\.jsonl go into stream .*, keyed by 'user'/)
  for (const happened of ['shard 1 was split', 'the reader was killed', 'the engine was killed'])
    assert.ok(stdout.includes(happened), happened)
  assert.match(stdout, /every record read +yes, all 7\n/)
  assert.match(stdout, /order kept per key +yes, for each of 3 keys\n/)
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

function demo(...args: string[]) {
  const program = ['--import', 'tsx', join(root, 'demo/demo.ts'), '--directory', join(directory, 'demo')]
  return promisify(execFile)(process.execPath, [...program, ...args], {
    cwd: root,
    timeout: 60_000,
  })
}
