import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CliPlace } from '../support/cli.ts'

describe('triton local', () => {
  test('prints its endpoint, says what to set, keeps what it was given, and ends cleanly at SIGTERM', async () => {
    using place = new CliPlace('tour:\n  name: tour\n  partition_key: msg\n')
    const args = ['local', '--port', '0', '--data', `${place.directory}/data`, '--stream', 'tour:2', 'other']
    const start = async () => {
      const engine = place.start(args)
      await engine.until(({ stdout }) => stdout.endsWith('\n'))
      return { engine, env: { AWS_ENDPOINT_URL_KINESIS: engine.stdout.trim() } }
    }

    const first = await start()
    assert.match(first.engine.stdout, /^http:\/\/127\.0\.0\.1:\d+\n$/)
    assert.match(first.engine.stderr, /kept in .*data/)
    assert.match(
      first.engine.stderr,
      new RegExp(`export AWS_ENDPOINT_URL_KINESIS=${first.env.AWS_ENDPOINT_URL_KINESIS}\n`),
    )
    const put = await place.run(['put', '-s', 'tour'], { env: first.env, input: 'hi\n' })
    assert.deepEqual([put.exitCode, put.stderr], [0, ''])
    first.engine.child.kill('SIGKILL')
    await first.engine.ended()

    const second = await start()
    const [got, list] = await place.runMany(
      [
        ['get', '-s', 'tour', '--from', 'all', '--until-caught-up'],
        ['stream', 'list'],
      ],
      { env: second.env },
    )
    assert.match(got?.stdout ?? '', /^<Record shardId-\d{12} \d+>\n\{ msg: 'hi\\n', ts: [\d.]+ \}\n\n$/)
    assert.equal(list?.stdout, 'other\ntour\n')
    second.engine.child.kill('SIGTERM')
    assert.equal((await second.engine.ended()).exitCode, 0)
  })
})
