import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SyncRule } from '../../src/journal/group-sync.ts'
import { Journal } from '../../src/journal/journal.ts'
import type { Place } from '../../src/journal/journal-index.ts'
import { RecentBytes } from '../../src/journal/recent-bytes.ts'
import { seededRandom } from '../../src/random.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { runs, seed } from '../support/soak.ts'
import { SimulatedDisk } from './simulated-disk.ts'

/**
 * The journal beside a model of one page: a list of the texts that were acknowledged, and of those that may or may not
 * have survived. Whatever happens in whatever order, the journal reads as the model says.
 */
interface Entry {
  text: string
  place: Place
}

class World {
  disk: SimulatedDisk
  journal: Journal
  readonly rule: SyncRule
  readonly clock = new ManualClock()
  kept: Entry[] = []
  #count = 0

  constructor(disk: SimulatedDisk, journal: Journal, rule: SyncRule) {
    this.disk = disk
    this.journal = journal
    this.rule = rule
  }

  static async begin(random: number, rule: SyncRule): Promise<World> {
    const disk = new SimulatedDisk(seededRandom(random))
    return new World(disk, await openOn(disk, rule, new ManualClock()), rule)
  }

  nextText(bytes: number): string {
    this.#count += 1
    return `${this.#count} `.padEnd(bytes, 'x')
  }

  async append(sizes: readonly number[]): Promise<void> {
    const texts = sizes.map((bytes) => this.nextText(bytes))
    const outcomes = await Promise.allSettled(texts.map((text) => append(this.journal, text)))
    for (const [each, outcome] of outcomes.entries())
      if (outcome.status === 'fulfilled') this.kept.push({ text: texts[each] ?? '', place: outcome.value })
  }

  async reopen(): Promise<void> {
    this.journal = await openOn(this.disk, this.rule, this.clock)
  }

  async check(): Promise<void> {
    assert.deepEqual(await textsOf(this.journal), this.kept.map(textOf))
  }
}

async function openOn(disk: SimulatedDisk, sync: SyncRule, clock: ManualClock): Promise<Journal> {
  const random = seededRandom(disk.paths.length)
  const recent = new RecentBytes(4_000)
  return Journal.open({ dir: '/journal', disk, sync, clock, random, recent, segmentBytes: 600 })
}

function append(journal: Journal, text: string): Promise<Place> {
  return journal.append(Buffer.from(text.slice(0, text.length / 2)), [Buffer.from(text.slice(text.length / 2))])
}

async function entriesOf(journal: Journal, from?: Place): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const { place, head, parts } of journal.read(from))
    entries.push({ text: `${head}${parts.join('')}`, place })
  return entries
}

async function textsOf(journal: Journal, from?: Place): Promise<string[]> {
  return (await entriesOf(journal, from)).map(textOf)
}

const textOf = (entry: Entry) => entry.text

type Step = (world: World) => Promise<void>

const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 2_000 })), { maxLength: 6 })

const steps: fc.Arbitrary<Step>[] = [
  sizes.map((some) => (world) => world.append(some)),
  fc.nat().map((choice) => async (world) => {
    const entry = world.kept[choice % Math.max(1, world.kept.length)]
    const expected = entry === undefined ? world.kept : world.kept.slice(world.kept.indexOf(entry))
    assert.deepEqual(await textsOf(world.journal, entry?.place), expected.map(textOf))
  }),
  fc.nat().map((choice) => async (world) => {
    const before = world.kept[choice % Math.max(1, world.kept.length)]?.place.segment ?? 0
    await world.journal.trim(before)
    world.kept = world.kept.filter((entry) => entry.place.segment >= before)
  }),
  fc.constant(async (world) => world.journal.roll()),
  fc.constant((world) => world.clock.advance(100)),
  fc.constant(async (world) => {
    await world.journal.close()
    await world.reopen()
  }),
  // Killed: what was on its way may have arrived or not, and a prefix of it at most.
  sizes.map((some) => async (world) => {
    const texts = some.map((bytes) => world.nextText(bytes))
    const underWay = texts.map((text) => append(world.journal, text))
    const survivor = world.disk.afterKill()
    await Promise.all(underWay)
    await world.journal.close()
    world.disk = survivor
    await world.reopen()
    const found = await entriesOf(world.journal)
    const arrived = found.slice(world.kept.length)
    assert.deepEqual(arrived.map(textOf), texts.slice(0, arrived.length))
    world.kept.push(...arrived)
  }),
  // The power goes: the rule decides what must be there. What is there are whole frames, in order.
  fc.constant(async (world) => {
    const survivor = world.disk.afterPowerLoss()
    await world.journal.close()
    world.disk = survivor
    await world.reopen()
    const found = await textsOf(world.journal)
    const survivors = world.kept.filter((entry) => found.includes(entry.text))
    assert.deepEqual(found, survivors.map(textOf))
    if (world.rule === 'always') assert.equal(found.length, world.kept.length)
    world.kept = survivors
  }),
  // A full disk for a while.
  fc.tuple(fc.integer({ min: 0, max: 1_500 }), sizes).map(([roomBytes, some]) => async (world) => {
    world.disk.capacityBytes = world.disk.usedBytes + roomBytes
    await world.append(some)
    await world.check()
    world.disk.capacityBytes = Number.POSITIVE_INFINITY
  }),
]

for (const rule of ['always', 'interval'] satisfies SyncRule[]) {
  test(`${rule}: whatever happens in whatever order, the journal reads as the model says`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...steps), { maxLength: 40, size: 'max' }), fc.nat(), async (acts, chance) => {
        const world = await World.begin(chance, rule)
        for (const act of acts) {
          await act(world)
          await world.check()
        }
        await world.journal.close()
        assert.equal(world.disk.openCount, 0, 'every file was closed')
      }),
      { numRuns: runs(10_000), seed: seed() },
    )
  })
}
