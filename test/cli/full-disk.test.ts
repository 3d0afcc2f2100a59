import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CliPlace, programWords, RunningCli } from '../support/cli.ts'

/** Enough for the state of 500 shards, and not for that of the 1,500 that a resize leaves behind; in blocks of 512 B. */
const limitBlocks = 520

describe('an engine that is out of disk', () => {
  test('says so to a command that waits for a change, which is made when there is room', {
    skip: process.platform === 'win32' && 'needs ulimit',
  }, async () => {
    using place = new CliPlace('s:\n  name: s\n  partition_key: k\n')
    const dir = join(place.directory, 'data')
    const words = [...programWords, 'local', '--port', '0', '--data', dir, '--stream', 's:500', '--shard-limit', '5000']
    const start = async (limit: string) => {
      const shell = [
        '-c',
        `ulimit -f ${limit}; exec "$@"`,
        'sh',
        process.execPath,
        ...words,
        '--update-stream-ms',
        '50',
      ]
      const engine = new RunningCli(spawn('sh', shell, { cwd: join(import.meta.dirname, '../..'), env: place.env }))
      await engine.until(({ stdout }) => stdout.endsWith('\n'))
      return engine
    }
    const healthOf = async (endpoint: string) => {
      const answer = await fetch(`${endpoint}/_triton/health`)
      const { status, troubles } = (await answer.json()) as { status: string; troubles?: string[] }
      return { code: answer.status, status, troubles }
    }

    {
      await using full = await start(String(limitBlocks))
      const endpoint = full.stdout.trim()
      const resize = await place.run(['stream', 'resize', '-s', 's', '--shards', '1000', '--endpoint', endpoint])
      assert.equal(resize.exitCode, 1)
      assert.match(
        resize.stderr,
        /stream "s" is still UPDATING, because the engine at http:\S+ is in trouble: reshard stream s: cannot keep the state .*See that the directory can be written to and has room\. It goes on trying; `triton stream describe -s s` tells when it is done\n$/,
      )
      const { code, status, troubles } = await healthOf(endpoint)
      assert.deepEqual([code, status, troubles?.length], [503, 'troubled', 1])
    }
    await using roomy = await start('unlimited')
    const endpoint = roomy.stdout.trim()
    const describe = await place.run(['stream', 'describe', '-s', 's', '--endpoint', endpoint])
    assert.match(describe.stdout, /status +ACTIVE\nopenShards +1000\n/)
    assert.deepEqual(await healthOf(endpoint), { code: 200, status: 'ok', troubles: undefined })
  })
})
