import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { runs } from '../support/soak.ts'
import { streamName, TritondPlace } from '../support/tritond.ts'
import { endpointOf, figureOf, startTritondProgram, toldBy } from '../support/tritond-program.ts'

/** A minute in the long run. */
const outageMs = runs(60_000, 1_500)
const accepted = `tritond_records_accepted_total{stream="${streamName}"}`
const sent = `tritond_records_sent_total{stream="${streamName}"}`

test('while Kinesis is away records wait in the spool, and all of them arrive when it is back', async () => {
  await using outage = await Outage.open()
  const { place } = outage
  const program = startTritondProgram(place, ['--spool', join(place.directory, 'spool'), '--metrics', '0'])
  const writer = new Writer(place, await endpointOf(program))
  await writer.put(500)
  await outage.begin()
  await writer.putDuring(outageMs)
  assert.ok((await figureOf(program, `tritond_waiting_records{stream="${streamName}"}`)) > 0)
  await outage.end()
  await writer.put(500)
  while ((await figureOf(program, sent)) < writer.count) await pause(20)
  program.child.kill('SIGTERM')
  assert.equal((await program.ended()).exitCode, 0)
  const arrived = new Set((await place.allRecords()).map(({ bytes }) => String(bytes)))
  assert.deepEqual(writer.missingIn(arrived), [])
})

test('in memory mode exactly the counted number is missing when Kinesis was away for longer than records have', async () => {
  await using outage = await Outage.open()
  const { place } = outage
  const program = startTritondProgram(place, ['-v', '--record-ttl', '1', '--metrics', '0'])
  const writer = new Writer(place, await endpointOf(program))
  await writer.put(500)
  // What is under way when an engine goes may be in the stream all the same: nothing is.
  while ((await figureOf(program, sent)) < writer.count) await pause(20)
  await outage.begin()
  await writer.putDuring(outageMs)
  while ((await figureOf(program, accepted)) < writer.count) await pause(20)
  const countOf = (losses: ReturnType<typeof toldBy>) =>
    losses.reduce((sum, loss) => sum + Number(loss['recordCount']), 0)
  const lost = () => countOf(toldBy(program, 'records-lost'))
  await program.until(() => lost() > 0)
  await outage.end()
  await writer.put(500)
  while ((await figureOf(program, sent)) + lost() < writer.count) await pause(20)
  program.child.kill('SIGTERM')
  assert.equal((await program.ended()).exitCode, 0)
  const arrived = new Set((await place.allRecords()).map(({ bytes }) => String(bytes)))
  // A machine so slow that an answer comes after the record's time can't know about those records, and says so.
  const doubtful = countOf(
    toldBy(program, 'records-lost').filter(({ mayHaveBeenWritten }) => mayHaveBeenWritten === true),
  )
  const missing = writer.missingIn(arrived).length
  assert.ok(
    missing <= lost() && missing >= lost() - doubtful,
    `${missing} missing, ${lost()} told, ${doubtful} in doubt`,
  )
  assert.ok(lost() > 0)
  assert.deepEqual([...new Set(toldBy(program, 'records-lost').map(({ reason }) => reason))], ['given-up'])
})

/** An engine on disk that goes, and comes back at its address with all that it had. */
class Outage implements AsyncDisposable {
  readonly place: TritondPlace
  readonly #dataDir: string
  #engine: LocalEngine | undefined

  private constructor(place: TritondPlace, dataDir: string) {
    this.place = place
    this.#dataDir = dataDir
  }

  static async open(): Promise<Outage> {
    const dataDir = mkdtempSync(join(tmpdir(), 'tritond-outage-'))
    return new Outage(await TritondPlace.open({ dataDir }), dataDir)
  }

  async begin(): Promise<void> {
    await (this.#engine ?? this.place.engine).close()
  }

  async end(): Promise<void> {
    const { port } = this.place.engine
    this.#engine = await startTestEngine({ port, dataDir: this.#dataDir })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.close()
    await this.place[Symbol.asyncDispose]()
    rmSync(this.#dataDir, { recursive: true })
  }
}

/** Puts numbers, and knows which. */
class Writer {
  count = 0
  readonly #push

  constructor(place: TritondPlace, endpoint: string) {
    this.#push = place.push(endpoint)
  }

  async put(count: number): Promise<void> {
    for (let end = this.count + count; this.count < end; this.count++)
      await this.#push.send([encodeHeader(streamName, `k${this.count % 5}`), String(this.count)])
  }

  /** Some hundred a second. */
  async putDuring(ms: number): Promise<void> {
    const endMs = performance.now() + ms
    while (performance.now() < endMs) {
      await this.put(5)
      await pause(10)
    }
  }

  missingIn(arrived: ReadonlySet<string>): string[] {
    return Array.from({ length: this.count }, (_, number) => String(number)).filter((text) => !arrived.has(text))
  }
}
