import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, call } from '../local/wire-client.ts'
import { CliPlace } from '../support/cli.ts'

test('triton local --limits throttles as AWS does, with the rates that it is given', async () => {
  using place = new CliPlace('tour:\n  name: tour\n  partition_key: msg\n')
  const limits = JSON.stringify({ callsPerSecond: { DescribeLimits: 0 } })
  const engine = place.start(['local', '--port', '0', '--limits', limits])
  await engine.until(({ stdout }) => stdout.endsWith('\n'))
  const endpoint = engine.stdout.trim()
  assert.equal((await call(endpoint, 'DescribeLimits', {})).body.__type, 'LimitExceededException')
  await ask(endpoint, 'ListStreams', {})
  engine.child.kill('SIGTERM')
  await engine.ended()

  const [text, rate] = await place.runMany([
    ['local', '--port', '0', '--limits', 'gcp'],
    ['local', '--port', '0', '--limits', '{"rate":1}'],
  ])
  assert.match(text?.stderr ?? '', /It must be aws, none, or an object in JSON\./)
  assert.match(rate?.stderr ?? '', /limits have no rate 'rate'\. Known are putRecordsPerSecond, /)
  assert.deepEqual([text?.exitCode === 0, rate?.exitCode === 0], [false, false])
})
