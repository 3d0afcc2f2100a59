import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../src/config.ts'
import { getNonblockingStream } from '../../src/daemon/nonblocking-stream.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { recordCodec } from '../../src/record/record-codec.ts'
import type { RunningCli } from '../support/cli.ts'
import { freePort } from '../support/free-port.ts'
import { runs, seed } from '../support/soak.ts'
import { realName, streamName, TritondPlace } from '../support/tritond.ts'
import { endpointOf, startTritondProgram } from '../support/tritond-program.ts'

test('records that putDurable has resolved for all arrive, whenever the daemon is killed', async () => {
  const random = seededRandom(seed())
  await using place = await TritondPlace.open()
  const port = await freePort()
  const durablePort = await freePort()
  const start = async () => {
    const ports = ['--port', String(port), '--durable-port', String(durablePort)]
    const daemon = startTritondProgram(place, [...ports, '--spool', join(place.directory, 'spool')])
    await endpointOf(daemon)
    return daemon
  }
  const client = getNonblockingStream(streamName, loadConfig(place.config), {
    port,
    durablePort,
    durableTimeoutMs: 60_000,
  })
  const kept = new Set<number>()
  const failures: unknown[] = []
  let last = 0
  let daemon: RunningCli = await start()
  for (let kill = runs(100, 4); kill > 0; kill--) {
    const killAt = kept.size + 1 + randomInteger(random, 400)
    const puts: Promise<void>[] = []
    for (let count = 0; count < 500; count++) {
      const number = last++
      puts.push(
        client.putDurable({ id: `k${number % 7}`, number }).then(
          () => {
            kept.add(number)
            if (kept.size === killAt) daemon.child.kill('SIGKILL')
          },
          (error) => {
            failures.push(error)
          },
        ),
      )
    }
    await daemon.ended()
    daemon = await start()
    await Promise.all(puts)
  }
  assert.deepEqual(failures, [])
  await client.close()
  daemon.child.kill('SIGTERM')
  const { exitCode, stderr } = await daemon.ended()
  assert.equal(exitCode, 0, `${daemon.child.signalCode} ${stderr}`)
  // A daemon in this process sends what that one left, and tells when nothing waits.
  const rest = await place.start({ spoolDir: join(place.directory, 'spool') })
  while (rest.waitingCount > 0) await new Promise(setImmediate)

  const { decode } = recordCodec('msgpack')
  const arrived = new Set<number>()
  let iterator: string | undefined = await place.api.getShardIterator(realName, 'shardId-000000000000', {
    type: 'TRIM_HORIZON',
  })
  while (iterator !== undefined) {
    const { records, nextShardIterator } = await place.api.getRecords(iterator, 10_000)
    if (records.length === 0) break
    for (const { bytes } of records) arrived.add((decode(bytes).data as { number: number }).number)
    iterator = nextShardIterator
  }
  assert.deepEqual(
    [...kept].filter((number) => !arrived.has(number)),
    [],
  )
  assert.equal(kept.size, last)
})
