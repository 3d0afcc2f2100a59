import { openCheckpointStore } from '../checkpoint/open-checkpoint-store.ts'
import type { StreamDefinition } from '../config.ts'
import type { CheckpointTarget } from '../consumer/read-settings.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi, PutEntry } from '../kinesis/kinesis-api.ts'
import { Producer } from '../producer/producer.ts'
import { partitionKeyOf } from '../record/partition-key.ts'
import { recordCodec } from '../record/record-codec.ts'
import { Replay, type Replayed } from '../replay/replay.ts'
import { checkDays } from './archives.ts'
import type { ReplayFlags } from './commands/replay.ts'
import { FailedError, UsageError } from './exit-code.ts'
import { definitionFrom } from './flags.ts'
import { onInterrupt } from './interrupt.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { standardOutput } from './output.ts'
import { counted, Progress } from './progress.ts'
import { preferSmallHeap } from './small-heap.ts'
import { requiredStoreFrom } from './store-place.ts'
import { tell } from './tell.ts'

/** Plays the past again, on stdout or into a stream. */
export async function replayRecords(flags: ReplayFlags): Promise<void> {
  preferSmallHeap()
  if (flags.then === 'live' && flags.endDate !== undefined)
    throw new UsageError('--then live goes on to the present, and --end-date ends before it: choose one')
  checkDays(flags)
  const definition = definitionFrom(flags)
  const { name, region, endpoint, format } = definition
  const into = flags.toStream === undefined ? undefined : definitionFrom({ ...flags, stream: flags.toStream })
  if (into !== undefined && flags.then === 'live' && isSameStream(into, definition))
    throw new UsageError(
      `--to-stream ${flags.toStream} is the stream itself: with --then live each record would come back and be put again, for ever`,
    )
  const stopLog = logDiagnostics(flags.verbose)
  const stopping = new AbortController()
  const ignoreInterrupts = onInterrupt(() => stopping.abort())
  const apis = new Apis()
  const target = checkpointTarget(flags)
  const sink = into && new StreamSink(into, apis)
  const progress = process.stdout.isTTY ? undefined : new Progress('replayed')
  try {
    await using store = requiredStoreFrom({ ...flags, ...(region !== undefined && { region }) })
    await target?.store.init()
    const client = flags.clientName || process.env['TRITON_CLIENT'] || undefined
    await using replay = new Replay<unknown>(
      {
        api: apis.open({ ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }) }),
        stream: name,
        format,
      },
      store,
      {
        start: flags.startDate,
        thenLive: flags.then === 'live',
        ...(flags.endDate !== undefined && { end: flags.endDate }),
        ...(client !== undefined && { client }),
        ...(flags.rate && { rate: flags.rate }),
        ...(target && { checkpoint: target }),
        ...(flags.skipUndecodable && { undecodable: 'skip' as const }),
        ...(flags.untilCaughtUp && { live: { untilCaughtUp: true } }),
        signal: stopping.signal,
      },
    )
    const print = sink ?? new LineSink(definition, flags.format)
    let savedMs = 0
    for await (const batch of replay.batches()) {
      await print.take(batch)
      progress?.add(
        batch.length,
        batch.reduce((sum, { bytes }) => sum + bytes.length, 0),
      )
      if (target === undefined || performance.now() - savedMs < checkpointEveryMs) continue
      await replay.checkpoint()
      savedMs = performance.now()
    }
    if (target !== undefined) await replay.checkpoint()
    await print.end()
    if (replay.leftOutCount > 0)
      tell(`triton: left out ${counted(replay.leftOutCount, 'record')} that are no msgpack map`)
  } finally {
    progress?.stop()
    ignoreInterrupts()
    await sink?.close()
    await target?.store.close()
    apis.close()
    stopLog()
  }
}

function isSameStream(left: StreamDefinition, right: StreamDefinition): boolean {
  return left.name === right.name && left.region === right.region && left.endpoint === right.endpoint
}

interface Sink {
  /** Resolves when all of them have arrived. */
  take(batch: readonly Replayed<unknown>[]): Promise<void>
  end(): Promise<void>
}

class LineSink implements Sink {
  readonly #toLine: (bytes: Uint8Array) => string
  #undecodableCount = 0

  constructor({ format }: StreamDefinition, form: 'json' | 'lossless') {
    const codec = recordCodec(format)
    this.#toLine = form === 'json' ? codec.toPlainJson : codec.toLosslessJson
  }

  async take(batch: readonly Replayed<unknown>[]): Promise<void> {
    let text = ''
    for (const { bytes, error } of batch) {
      if (error) this.#undecodableCount += 1
      else text += `${this.#toLine(bytes)}\n`
    }
    await standardOutput().write(text)
  }

  async end(): Promise<void> {
    await standardOutput().settle()
    if (this.#undecodableCount > 0)
      tell(`triton: ${counted(this.#undecodableCount, 'record')} did not decode, and have no line`)
  }
}

/** Puts each record as it was put once, with its own key; what old archives don't say is computed as for a new record. */
class StreamSink implements Sink {
  readonly #definition: StreamDefinition
  readonly #producer: Producer
  #count = 0

  constructor(definition: StreamDefinition, apis: Apis) {
    const { region, endpoint, name } = definition
    this.#definition = definition
    const api = apis.open({ ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }) })
    this.#producer = new Producer(api, name)
  }

  async take(batch: readonly Replayed<unknown>[]): Promise<void> {
    const outcomes = await this.#producer.putMany(batch.map((record) => this.#entryOf(record)))
    const failed = outcomes.find((outcome) => !outcome.ok)
    if (failed !== undefined && !failed.ok) {
      tell(`triton: a record could not be put into ${this.#definition.name}: ${failed.error.message}`)
      throw new FailedError()
    }
    this.#count += outcomes.length
  }

  async end(): Promise<void> {
    tell(`triton: put ${counted(this.#count, 'record')} into ${this.#definition.name}`)
  }

  close(): Promise<void> {
    return this.#producer.close()
  }

  #entryOf({ bytes, partitionKey, data }: Replayed<unknown>): PutEntry {
    const { partitionKey: field, partitionKeyText } = this.#definition
    return { data: bytes, partitionKey: partitionKey ?? partitionKeyOf(data, field, partitionKeyText) }
  }
}

/** Connections, one for each place. */
class Apis {
  readonly #open = new Map<string, KinesisApi>()

  open(place: { region?: string; endpoint?: string }): KinesisApi {
    const key = JSON.stringify(place)
    const api = this.#open.get(key) ?? createAwsKinesisApi(place)
    this.#open.set(key, api)
    return api
  }

  close(): void {
    for (const api of this.#open.values()) api.close()
  }
}

function checkpointTarget({ checkpointClient, checkpointDb }: ReplayFlags): CheckpointTarget | undefined {
  if (checkpointClient === undefined) return undefined
  const db = checkpointDb || process.env['TRITON_DB']
  if (!db) throw new UsageError('--checkpoint-client needs a database: --checkpoint-db or TRITON_DB')
  return { store: openCheckpointStore(db), client: checkpointClient }
}

const checkpointEveryMs = 1_000
