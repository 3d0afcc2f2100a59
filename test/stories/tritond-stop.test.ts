import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { loadConfig } from '../../src/config.ts'
import { getNonblockingStream } from '../../src/daemon/nonblocking-stream.ts'
import { randomInteger, seededRandom } from '../../src/random.ts'
import { runs, seed } from '../support/soak.ts'
import { streamName, TritondPlace } from '../support/tritond.ts'
import { endpointOf, figureOf, startTritondProgram, toldBy } from '../support/tritond-program.ts'

const accepted = `tritond_records_accepted_total{stream="${streamName}"}`

test('a daemon in memory mode that is asked to end while records come has sent all that it received', async () => {
  const random = seededRandom(seed())
  for (let round = runs(100, 2); round > 0; round--) {
    await using place = await TritondPlace.open()
    const program = startTritondProgram(place, ['-v', '--metrics', '0'])
    const port = Number((await endpointOf(program)).split(':').at(-1))
    await using client = getNonblockingStream(streamName, loadConfig(place.config), { port, lingerMs: 0 })
    const stopAt = 1 + randomInteger(random, 3_000)
    let isEnding = false
    const writing = (async () => {
      for (let number = 0; !isEnding; number++) {
        client.put({ id: `k${number % 7}`, number })
        if (number % 20 === 0) await nextTurn()
      }
    })()
    while ((await figureOf(program, accepted)) < stopAt) await nextTurn()
    program.child.kill('SIGTERM')
    const { exitCode, stderr } = await program.ended()
    isEnding = true
    await writing
    assert.equal(exitCode, 0, stderr)
    const [end] = toldBy(program, 'daemon-stopped')
    assert.ok(Number(end?.['acceptedCount']) >= stopAt)
    assert.equal((await place.allRecords()).length, end?.['acceptedCount'])
  }
})

test('a daemon in memory mode whose writers are quiet loses nothing of what they ever put', async () => {
  await using place = await TritondPlace.open()
  const program = startTritondProgram(place, ['--flush-ms', '60000', '--metrics', '0'])
  const port = Number((await endpointOf(program)).split(':').at(-1))
  const recordCount = 3_210
  const client = getNonblockingStream(streamName, loadConfig(place.config), { port, lingerMs: 60_000 })
  for (let number = 0; number < recordCount; number++) assert.ok(client.put({ id: 'k', number }))
  await client.close()
  while ((await figureOf(program, accepted)) < recordCount) await nextTurn()
  program.child.kill('SIGTERM')
  assert.equal((await program.ended()).exitCode, 0)
  assert.equal((await place.allRecords()).length, recordCount)
})
