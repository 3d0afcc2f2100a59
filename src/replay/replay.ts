import type { ArchivedRecord } from '../archive/archive-iterator.ts'
import { byTime, dayOf } from '../archive/archive-key.ts'
import type { ArchiveStore } from '../archive/archive-store.ts'
import { readFooter } from '../archive/object-footer.ts'
import { type ChosenArchive, type Day, findArchives } from '../archive/read-archives.ts'
import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import { type Clock, sleep, systemClock } from '../clock.ts'
import { iterate } from '../consumer/iterate.ts'
import type { CheckpointTarget, IterateOptions } from '../consumer/read-settings.ts'
import type { StreamIterator } from '../consumer/stream-iterator.ts'
import type { Decode, RecordFacts } from '../consumer/stream-record.ts'
import { ConfigError, type FormatError, NotFoundError, TritonCheckpointError } from '../errors.ts'
import type { KinesisApi } from '../kinesis/kinesis-api.ts'
import type { Position } from '../kinesis/position.ts'
import { compareSequenceNumbers } from '../kinesis/sequence-number.ts'
import { type DecodedRecord, type RecordFormat, recordCodec } from '../record/record-codec.ts'
import type { RecordPlace } from '../record/tri-positions.ts'
import { pastRecords } from './past-records.ts'
import { ReplayPace, type ReplayRate } from './replay-pace.ts'

export interface ReplayOptions {
  /** First day, `YYYYMMDD` or a Date in it (UTC). */
  start: Day
  /** Last day, included. @default the start day; with `thenLive` the newest, and nothing else */
  end?: Day
  /** Whose archives, where there are those of several clients. */
  client?: string
  /** How fast the past comes; what is live comes as it does. @default as fast as it can be read */
  rate?: ReplayRate
  /**
   * What becomes of archived records that are no msgpack map and lie in side objects: they come as they would come from
   * the stream, with an `error` and their bytes, where they once stood; or they are left out, and counted. @default 'deliver'
   */
  undecodable?: 'deliver' | 'skip'
  /** Goes on with the stream, behind the last archived record of each shard. @default false */
  thenLive?: boolean
  /** Where `checkpoint()` saves, and behind which a later replay of this client goes on. @default none */
  checkpoint?: CheckpointTarget | (() => CheckpointTarget | Promise<CheckpointTarget>)
  /** How the live part is read. */
  live?: Omit<IterateOptions, 'checkpoint' | 'signal' | 'clock'>
  /** Ends it quietly. */
  signal?: AbortSignal
  /** @default systemClock */
  clock?: Clock
}

/**
 * A record of the past or, later, of the present. In archives of the older programs nobody wrote down where a record came
 * from: there, shard, numbers, key and arrival are absent.
 */
export interface ReplayedRecord<T> extends Partial<Omit<RecordFacts, 'bytes'>> {
  data: T
  bytes: Uint8Array
  /** The archive it came from; absent of what is live. */
  archive?: { key: string; recordNumber: number }
}

/** What does not decode is handed out as by any other reader, be it of the past or live. */
export type UndecodedReplay = Partial<Omit<RecordFacts, 'bytes'>> & {
  data: undefined
  error: FormatError
  bytes: Uint8Array
  archive?: { key: string; recordNumber: number }
}

export type Replayed<T> = (ReplayedRecord<T> & { error?: undefined }) | UndecodedReplay

export interface ReplaySource {
  api: KinesisApi
  /** The real stream name. */
  stream: string
  format: RecordFormat
}

/**
 * The archived past of a stream, in the order written, and then, if that was asked for, what came to it since: no record
 * is missing between the two, and none comes twice.
 *
 *     past    archives are read; when none is left, it is looked for new ones
 *     live    from where the last archive's footer says that every shard goes on
 *     over    ended by itself, by `close`, by leaving the loop, or by its signal
 */
export class Replay<T> implements AsyncIterable<Replayed<T>>, AsyncDisposable {
  readonly #source: ReplaySource
  readonly #store: ArchiveStore
  readonly #options: ReplayOptions
  readonly #clock: Clock
  readonly #pace: ReplayPace
  readonly #closing = new AbortController()
  readonly #signal: AbortSignal
  /** By shard, the last record of the past that was handed out and is not saved, and those that are. */
  readonly #handedOut = new Map<string, string>()
  #leftOutCount = 0
  #saved: ReadonlyMap<string, Checkpoint> = new Map()
  #placeless: string | undefined
  #live: StreamIterator<T> | undefined
  #target: Promise<CheckpointTarget> | undefined

  constructor(source: ReplaySource, store: ArchiveStore, options: ReplayOptions) {
    if (options.thenLive && options.end !== undefined)
      throw new ConfigError('a replay that goes on live has no last day: leave out the end')
    this.#source = source
    this.#store = store
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#pace = new ReplayPace(options.rate)
    this.#signal =
      options.signal === undefined ? this.#closing.signal : AbortSignal.any([options.signal, this.#closing.signal])
  }

  /** Records that are no msgpack map and were left out, since that was asked for. */
  get leftOutCount(): number {
    return this.#leftOutCount
  }

  /** One at a time, at the rate asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Replayed<T>, undefined> {
    for await (const group of this.#groups(true)) {
      for (const record of group) {
        this.#note(record)
        yield record
      }
    }
  }

  /** In groups, never empty, which count as handed out as a whole. At a rate, a group is what is due. */
  async *batches(): AsyncGenerator<Replayed<T>[], undefined> {
    for await (const group of this.#groups(false)) {
      for (const record of group) this.#note(record)
      yield group
    }
  }

  /** `isSingle`: of what is live, one record at a time. Of the past, who takes a group notes what of it is handed out. */
  async *#groups(isSingle: boolean): AsyncGenerator<Replayed<T>[], undefined> {
    try {
      this.#saved = await this.#loadCheckpoint()
      let last: ChosenArchive | undefined
      for (;;) {
        const archives = await this.#nextArchives(last)
        if (archives.length === 0 || this.#signal.aborted) break
        yield* this.#past(archives)
        last = archives.at(-1)
        if (!this.#options.thenLive) break
      }
      if (this.#signal.aborted || !this.#options.thenLive || last === undefined) return
      yield* this.#present(await this.#positionsBehind(last), isSingle)
    } catch (error) {
      // An end that was asked for is no failure.
      if (!this.#signal.aborted) throw error
    } finally {
      await this.close()
    }
  }

  /**
   * Saves how far the replay has got, per shard: the last record handed out. A later replay with the same checkpoint
   * client goes on behind it. Rejects with a TritonCheckpointError.
   */
  async checkpoint(): Promise<void> {
    const target = await this.#openTarget()
    if (target === undefined)
      throw new TritonCheckpointError(
        `a checkpoint of the replay of "${this.#source.stream}" needs a checkpoint store and a client name: give the option checkpoint`,
      )
    if (this.#placeless !== undefined) throw new TritonCheckpointError(noPlaces(this.#placeless, 'a checkpoint'))
    const checkpoints = new Map<string, Checkpoint>()
    for (const [shardId, sequenceNumber] of this.#handedOut)
      checkpoints.set(shardId, { sequenceNumber, isFinished: false })
    this.#handedOut.clear()
    try {
      if (checkpoints.size > 0) await target.store.save(target.client, this.#source.stream, checkpoints)
    } catch (error) {
      for (const [shardId, { sequenceNumber }] of checkpoints)
        if (!this.#handedOut.has(shardId)) this.#handedOut.set(shardId, sequenceNumber)
      throw error
    }
    await this.#live?.checkpoint()
  }

  /** Ends it at once. May be called twice. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#live?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What comes behind the archive read last; with nothing read yet, all that was asked for. */
  async #nextArchives(last: ChosenArchive | undefined): Promise<ChosenArchive[]> {
    const { start, end, client, thenLive } = this.#options
    const from = last?.day ?? start
    const until = thenLive ? await this.#newestDay(from) : (end ?? start)
    try {
      const found = await findArchives(this.#store, this.#source.stream, from, until, {
        signal: this.#signal,
        ...(client !== undefined && { client }),
      })
      return last === undefined ? found : found.filter((archive) => byTime(archive, last) > 0)
    } catch (error) {
      if (last !== undefined && error instanceof NotFoundError) return []
      throw error
    }
  }

  async #newestDay(from: Day): Promise<string> {
    const first = typeof from === 'string' ? from : dayOf(from.getTime())
    return [first, ...(await this.#store.listDays(this.#signal))].sort().at(-1) as string
  }

  async *#past(archives: readonly ChosenArchive[]): AsyncGenerator<Replayed<T>[]> {
    if (this.#options.thenLive) await this.#footerOf(archives.at(-1) as ChosenArchive)
    const records = pastRecords(this.#store, archives, this.#source.format, {
      signal: this.#signal,
      ...(this.#options.undecodable === 'skip' && {
        onLeftOut: (count: number) => {
          this.#leftOutCount += count
        },
      }),
    })
    for await (const batch of records) {
      const due: Replayed<T>[] = []
      for (const archived of batch) {
        if (this.#isDone(archived)) continue
        const waitMs = this.#pace.waitMs(this.#clock.monotonic(), archived.place?.arrivedAtMs)
        if (waitMs > 0) {
          if (due.length > 0) yield due.splice(0)
          await sleep(this.#clock, waitMs, this.#signal)
          if (this.#signal.aborted) return
        }
        due.push(replayed(archived))
      }
      if (due.length > 0) yield due
      if (this.#signal.aborted) return
    }
  }

  /** Handed out by a replay before, which this one goes on with. */
  #isDone({ place, key }: ArchivedRecord<DecodedRecord>): boolean {
    if (place === undefined) {
      const need = this.#options.thenLive ? 'going on live' : this.#pace.needsArrivals ? 'the original pace' : undefined
      if (need !== undefined || this.#saved.size > 0) throw new ConfigError(noPlaces(key, need ?? 'a checkpoint'))
      this.#placeless = key
      return false
    }
    const saved = this.#saved.get(place.shardId)
    return saved !== undefined && compareSequenceNumbers(place.sequenceNumber, saved.sequenceNumber) <= 0
  }

  /** The next checkpoint takes it along. What is live, its own reader notes. */
  #note({ archive, shardId, sequenceNumber }: Replayed<T>): void {
    if (archive !== undefined && shardId !== undefined && sequenceNumber !== undefined)
      this.#handedOut.set(shardId, sequenceNumber)
  }

  async *#present(positions: Map<string, Position | 'finished'>, isSingle: boolean): AsyncGenerator<Replayed<T>[]> {
    const { api, stream, format } = this.#source
    this.#live = iterate<T>(
      { api, stream, decode: recordCodec(format).decode as Decode<T> },
      { from: 'positions', positions, fallback: 'oldest' },
      {
        ...this.#options.live,
        ...{ clock: this.#clock, signal: this.#signal },
        ...(this.#options.checkpoint && { checkpoint: this.#options.checkpoint }),
      },
    )
    if (!isSingle) yield* this.#live.batches()
    else for await (const record of this.#live) yield [record]
  }

  /** Where each shard goes on behind the archive: its footer has all of them. Where a replay before got further, there. */
  async #positionsBehind(last: ChosenArchive): Promise<Map<string, Position | 'finished'>> {
    const { shards } = await this.#footerOf(last)
    const positions = new Map<string, Position | 'finished'>()
    for (const { shardId, last: sequenceNumber, isFinished } of shards) {
      if (isFinished || sequenceNumber === undefined) positions.set(shardId, 'finished')
      else positions.set(shardId, { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber })
    }
    for (const [shardId, { sequenceNumber, isFinished }] of this.#saved) {
      const known = positions.get(shardId)
      if (known === 'finished') continue
      if (
        known !== undefined &&
        'sequenceNumber' in known &&
        compareSequenceNumbers(sequenceNumber, known.sequenceNumber) <= 0
      )
        continue
      positions.set(shardId, isFinished ? 'finished' : { type: 'AFTER_SEQUENCE_NUMBER', sequenceNumber })
    }
    return positions
  }

  async #footerOf(archive: ChosenArchive) {
    const footer = await readFooter(this.#store, archive, this.#signal)
    if (footer === undefined) throw new ConfigError(noPlaces(archive.key, 'going on live'))
    return footer
  }

  async #loadCheckpoint(): Promise<ReadonlyMap<string, Checkpoint>> {
    const target = await this.#openTarget()
    return target === undefined ? new Map() : target.store.load(target.client, this.#source.stream)
  }

  async #openTarget(): Promise<CheckpointTarget | undefined> {
    const { checkpoint } = this.#options
    if (typeof checkpoint !== 'function') return checkpoint
    this.#target ??= Promise.resolve(checkpoint())
    return this.#target
  }
}

function replayed<T>({ data: outcome, bytes, key, recordNumber, place }: ArchivedRecord<DecodedRecord>): Replayed<T> {
  const archive = { key, recordNumber }
  const facts: Partial<Omit<RecordFacts, 'bytes'>> = place === undefined ? {} : factsOf(place)
  if (outcome.error) return { ...facts, data: undefined, error: outcome.error, bytes, archive }
  return { ...facts, data: outcome.data as T, bytes, archive }
}

function factsOf({ arrivedAtMs, ...rest }: RecordPlace): Partial<Omit<RecordFacts, 'bytes'>> {
  return { ...rest, arrivedAt: new Date(arrivedAtMs) }
}

function noPlaces(key: string, need: string): string {
  return `${key} does not say where its records came from, since an older program wrote it: ${need} needs archives of "triton store" of this version`
}
