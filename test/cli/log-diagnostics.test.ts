import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { logDiagnostics } from '../../src/cli/log-diagnostics.ts'
import { type Diagnostic, report } from '../../src/diagnostics.ts'

const news: Diagnostic[] = [
  { type: 'batch-put', stream: 's', recordCount: 5, batchBytes: 900, failedCount: 0, retryCount: 0, durationMs: 3.2 },
  { type: 'shard-started', stream: 's', shardId: 'shardId-000000000000', from: 'the oldest record' },
  { type: 'put-retry', stream: 's', recordCount: 1, errorCode: 'ECONNRESET', attempt: 1, delayMs: 80 },
  { type: 'put-retry', stream: 's', recordCount: 1, errorCode: 'ECONNRESET', attempt: 5, delayMs: 12_000 },
  { type: 'record-undecodable', stream: 's', shardId: 'shardId-000000000000', sequenceNumber: '7', reason: 'bad' },
  { type: 'engine-error', operation: 'PutRecords', reason: 'disk full' },
]

function logged(verbosity: number, isTTY: boolean): string[] {
  const lines: string[] = []
  const terminal = { isTTY, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream
  const stop = logDiagnostics(verbosity, terminal)
  for (const each of news) report(each)
  stop()
  report({ type: 'engine-error', operation: 'late', reason: 'nobody listens' })
  return lines
}

describe('the log', () => {
  test('holds warnings always, what happens with -v, and every request with -vv', () => {
    assert.deepEqual(
      [0, 1, 2].map((verbosity) => logged(verbosity, false).length),
      [3, 5, 6],
    )
  })

  test('is JSON with every field when nobody looks at it', () => {
    const [line] = logged(2, false)
    const { level, msg, time, ...fields } = JSON.parse(line ?? '{}')
    assert.deepEqual(fields, news[0])
    assert.equal(level, 'debug')
    assert.equal(msg, 'put 5 records (900 bytes) into s in 3 ms')
    assert.ok(Math.abs(time - Date.now()) < 60_000)
  })

  test('is a line for people on a terminal', () => {
    const lines = logged(0, true)
    assert.match(
      lines[0] ?? '',
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}1 records for s wait 12 s for attempt 6: ECONNRESET\n$/,
    )
    assert.match(lines[1] ?? '', / warn {2}s shardId-000000000000 7 does not decode: bad\n$/)
    assert.match(lines[2] ?? '', / error PutRecords failed inside the engine: disk full\n$/)
  })
})
