/**
 * What a record costs: ns to encode, decode and print one of about 200 bytes, beside msgpackr and JSON in the same run,
 * each the best of several rounds in turn.
 *
 *     node --import tsx bench/record.ts
 */
import { Packr, Unpackr } from 'msgpackr'
import { randomInteger, seededRandom } from '../src/random.ts'
import { losslessJsonOf, msgpackOfLosslessJson } from '../src/record/lossless-json.ts'
import { partitionKeyOf } from '../src/record/partition-key.ts'
import { plainJsonOf } from '../src/record/plain-json.ts'
import { recordCodec } from '../src/record/record-codec.ts'
import { type BenchRow, writeBenchReport } from './support/bench-report.ts'

const recordCount = 1000
const rounds = 15
const passesPerRound = 20
const random = seededRandom(1)
const pick = <T>(from: readonly T[]): T => from[randomInteger(random, from.length)] as T
const word = () =>
  pick(['lorem', 'ipsum', 'dolor', 'sit', 'amet', 'consectetur', 'adipiscing', 'elit', 'sed', 'eiusmod'])

const shapes: Record<string, () => object> = {
  'flat, 8 fields': () => ({
    id: `user-${randomInteger(random, 1e6)}`,
    origin: pick(['SFO', 'JFK', 'LAX', 'ORD']),
    destination: pick(['SEA', 'BOS', 'ATL', 'DEN']),
    delay: randomInteger(random, 300) - 20,
    distance: randomInteger(random, 4000),
    ts: 1.7e9 + random.next() * 1e6,
    ok: random.next() < 0.5,
    note: Array.from({ length: 16 }, word).join(' '),
  }),
  nested: () => ({
    id: `order-${randomInteger(random, 1e6)}`,
    customer: { name: `${word()} ${word()}`, age: randomInteger(random, 90), tags: [word(), word()] },
    items: [
      { sku: `X-${randomInteger(random, 1000)}`, count: 1, price: 9.99 },
      { sku: `Y-${randomInteger(random, 1000)}`, count: 2, price: 19.5 },
    ],
    ts: 1.7e9 + random.next() * 1e6,
  }),
  'not ASCII': () => ({
    id: `clé-${randomInteger(random, 1e6)}`,
    city: pick(['東京都千代田区', 'São Paulo', 'Zürich']),
    text: `Grüße — ${Array.from({ length: 8 }, word).join(' ')} ☃`,
    ts: randomInteger(random, 2 ** 32),
  }),
}

type Act = (index: number) => unknown

interface Contest {
  what: string
  ours: Act
  baselines: Record<string, Act>
  /** The library that ours replaces and is not to be slower than, but for what a busy machine adds. */
  rival?: string
}

const codec = recordCodec('msgpack')
const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false })
/** Holds the last result, so that no call can be optimized away. */
let kept: unknown

const rows: BenchRow[] = []
for (const [shape, make] of Object.entries(shapes)) {
  const records = Array.from({ length: recordCount }, make)
  const encoded = records.map((record) => Buffer.from(codec.encode(record)))
  const recordBytes = Math.round(encoded.reduce((sum, bytes) => sum + bytes.length, 0) / recordCount)
  for (const contest of contests(records, encoded)) {
    const best = bestTimes({ ours: contest.ours, ...contest.baselines })
    for (const baseline of Object.keys(contest.baselines))
      rows.push({
        what: `${contest.what}: ${shape}, ${recordBytes} B`,
        value: best.get('ours') ?? Number.NaN,
        unit: 'ns',
        baseline: { what: baseline, value: best.get(baseline) ?? Number.NaN },
        ...(baseline === contest.rival && { target: { atMost: 1.1, of: 'ratio' } }),
      })
  }
}
writeBenchReport('record', rows)
if (kept === undefined) console.error('nothing was measured')

function contests(records: readonly object[], encoded: readonly Buffer[]): Contest[] {
  const json = records.map((record) => Buffer.from(JSON.stringify(record)))
  const lossless = encoded.map(losslessJsonOf)
  const at = <T>(from: readonly T[], index: number): T => from[index] as T
  const printed: Act = (i) => JSON.stringify(unpackr.unpack(at(encoded, i)))
  return [
    {
      what: 'encode',
      ours: (i) => codec.encode(at(records, i)),
      baselines: {
        msgpackr: (i) => packr.pack(at(records, i)),
        JSON: (i) => Buffer.from(JSON.stringify(at(records, i))),
      },
      rival: 'msgpackr',
    },
    {
      what: 'decode',
      ours: (i) => codec.decode(at(encoded, i)),
      baselines: {
        msgpackr: (i) => unpackr.unpack(at(encoded, i)),
        JSON: (i) => JSON.parse(at(json, i).toString()) as unknown,
      },
      rival: 'msgpackr',
    },
    { what: 'to lossless JSON', ours: (i) => losslessJsonOf(at(encoded, i)), baselines: { 'msgpackr, JSON': printed } },
    { what: 'to plain JSON', ours: (i) => plainJsonOf(at(encoded, i)), baselines: { 'msgpackr, JSON': printed } },
    {
      what: 'from lossless JSON',
      ours: (i) => msgpackOfLosslessJson(at(lossless, i)),
      baselines: { 'JSON, msgpackr': (i) => packr.pack(JSON.parse(at(lossless, i))) },
    },
    {
      what: 'partition key',
      ours: (i) => partitionKeyOf(at(records, i), 'id'),
      baselines: { 'String(record.id)': (i) => String(Reflect.get(at(records, i), 'id')) },
    },
  ]
}

/** Nanoseconds a call; the contestants take turns, so that a busy machine is busy for all of them. */
function bestTimes(contestants: Record<string, Act>): Map<string, number> {
  const best = new Map<string, number>()
  for (let round = 0; round < rounds; round++)
    for (const [name, act] of Object.entries(contestants)) {
      const startedAt = process.hrtime.bigint()
      for (let pass = 0; pass < passesPerRound; pass++) for (let i = 0; i < recordCount; i++) kept = act(i)
      const ns = Number(process.hrtime.bigint() - startedAt) / (passesPerRound * recordCount)
      best.set(name, Math.round(Math.min(ns, best.get(name) ?? Number.POSITIVE_INFINITY)))
    }
  return best
}
