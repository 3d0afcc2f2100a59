import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { decodeMessage, refusalOfKey } from '../../src/daemon/message-frames.ts'
import { goldenFrames } from '../daemon/golden-frames.ts'
import { oddHeader } from '../daemon/odd-headers.ts'
import { runs, seed } from '../support/soak.ts'
import { realName, TritondPlace } from '../support/tritond.ts'
import { endpointOf, figureOf, startTritondProgram } from '../support/tritond-program.ts'

const messageCount = runs(1_000_000)
const batchCount = 1_000
const mebibyte = 1024 * 1024

test('whatever is sent to a daemon, it lives, grows no memory, and writes what was meant and nothing else', async () => {
  const other = 'other_v1'
  await using place = await TritondPlace.open({
    streams: [realName, other].map((name) => ({ name, shardCount: 1 })),
  })
  const goldens = [...goldenFrames('py'), ...goldenFrames('go')]
  const names = [...new Set(goldens.map(({ expected }) => expected.streamName))].filter((name) =>
    /^[\p{L}\d_-]+$/u.test(name),
  )
  // Every second name is of the other stream, so that a record can go astray.
  const realNameOf = new Map(names.map((name, at) => [name, at % 2 === 0 ? realName : other]))
  place.writeConfig(Object.fromEntries(realNameOf))
  const program = startTritondProgram(place, ['--metrics', '0'])
  const push = place.push(await endpointOf(program))
  assert.equal(await figureOf(program, 'tritond_config_reads_total{outcome="read"}'), 1, program.stderr)

  const message = fc.tuple(
    oddHeader,
    fc.uint8Array({ maxLength: 40 }),
    fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat({ max: 5 }) }),
  )
  /** What has to arrive: the stream and the key of each number. */
  const meant = new Map<number, string>()
  let number = 0
  let steadyBytes = 0
  while (number < messageCount) {
    for (const [header, tail, bodyCount] of fc.sample(message, { numRuns: batchCount, seed: seed() + number })) {
      const body = Buffer.alloc(4 + tail.length)
      body.writeUInt32LE(number)
      body.set(tail, 4)
      const frames = [header, ...Array.from({ length: bodyCount }, () => body)]
      await push.send(frames)
      const read = decodeMessage(frames)
      if (read.refusal === undefined && refusalOfKey(read.partitionKey) === undefined) {
        const stream = realNameOf.get(read.streamName)
        if (stream !== undefined) meant.set(number, `${stream} ${read.partitionKey}`)
      }
      number++
    }
    // Code and caches are there after some ten thousand.
    if (number === 10 * batchCount) steadyBytes = await figureOf(program, 'process_resident_memory_bytes')
  }

  while ((await figureOf(program, 'tritond_records_accepted_total')) < meant.size) await pause(20)
  const endBytes = await figureOf(program, 'process_resident_memory_bytes')
  program.child.kill('SIGTERM')
  const { exitCode, stderr } = await program.ended()
  assert.equal(exitCode, 0, stderr.slice(-2_000))
  assert.ok(meant.size > messageCount / 20, `${meant.size} of ${messageCount} were records`)
  let wrong = 0
  for (const stream of [realName, other]) {
    for (const { bytes, partitionKey } of await place.allRecords(stream)) {
      const found = Buffer.from(bytes).readUInt32LE(0)
      if (meant.get(found) !== `${stream} ${partitionKey}`) wrong++
      meant.delete(found)
    }
  }
  assert.deepEqual({ wrong, missing: meant.size }, { wrong: 0, missing: 0 })
  assert.ok(
    endBytes < steadyBytes + 100 * mebibyte,
    `${Math.round(endBytes / mebibyte)} MiB at the end, ${Math.round(steadyBytes / mebibyte)} MiB before`,
  )
})
