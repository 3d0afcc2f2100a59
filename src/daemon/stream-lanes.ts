import { type Clock, sleep, type Timer } from '../clock.ts'
import type { Config, StreamDefinition } from '../config.ts'
import { report } from '../diagnostics.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi, PutEntry } from '../kinesis/kinesis-api.ts'
import { highestMaxRecordBytes } from '../kinesis/limits.ts'
import { Producer, type ProducerOptions, type PutFailed } from '../producer/producer.ts'
import { beyond, decideIntake, type Intake, shareOf } from './decide-intake.ts'
import { type Message, refusalOfKey } from './message-frames.ts'
import type { DurableKeeper, Refusal } from './record-keeper.ts'
import { bytesOf, type OnKept, type RecordQueue } from './record-queue.ts'
import type { SkipCounter, SkipReason } from './skip-counter.ts'
import type { StreamFacts } from './stream-facts.ts'
import { StreamSender } from './stream-sender.ts'

export interface StreamLanesOptions {
  /** What all queues together may hold, in bytes. */
  limitBytes: number
  recordTtlMs: number
  /** Chunks of one stream under way at a time. */
  windowChunks: number
  /** Of queues that outlive the daemon: how long what is under way may take at its end. @default queues end with it */
  finishMs?: number
  openQueue: (streamName: string, streamCount: number, onRoom: () => void) => Promise<RecordQueue>
  /** Takes what Kinesis will never take; without it, such records are counted as lost. */
  onRefused?: (streamName: string, failed: readonly PutFailed[]) => Promise<void>
  /** All queues were released. */
  onFinished?: () => void
  producer: ProducerOptions
  /** Kinesis for all streams, which its maker closes. */
  api?: KinesisApi
  skips: SkipCounter
  clock: Clock
}

interface Lane {
  definition: StreamDefinition
  queue: RecordQueue
  producer: Producer
  sender: StreamSender
  /** Since it was opened. */
  acceptedCount: number
}

type IntakeRefusal = Refusal & { skip: SkipReason; isKnown: boolean }

/** A queue and a sender for each stream of the configuration, within one limit. */
export class StreamLanes implements DurableKeeper {
  readonly #options: StreamLanesOptions
  readonly #lanes = new Map<string, Lane>()
  /** Of streams that the configuration no longer names: they end what they have. */
  readonly #leaving = new Map<Lane, Promise<void>>()
  readonly #ownApis = new Map<string, KinesisApi>()
  #configuring: Promise<void> = Promise.resolve()
  /** What all queues hold. */
  #heldBytes = 0
  #room: (() => void) | undefined
  #isFinishing = false
  #acceptedCount = 0
  /** Waited for room until the end, came after it, or were left in a queue. */
  #lostCount = 0

  constructor(options: StreamLanesOptions) {
    this.#options = options
  }

  configure(config: Config): Promise<void> {
    const configured = this.#configuring.then(() => this.#configure(config))
    this.#configuring = configured.catch(() => undefined)
    return configured
  }

  get waitingCount(): number {
    return this.#everyLane().reduce((sum, { queue }) => sum + queue.recordCount, 0)
  }

  /** Also of streams that the configuration no longer names. */
  get acceptedCount(): number {
    return this.#acceptedCount
  }

  streams(): StreamFacts[] {
    const nowMs = this.#options.clock.monotonic()
    return [...this.#lanes.values()].map(({ definition, queue, acceptedCount }) => ({
      streamName: definition.streamName,
      realName: definition.name,
      acceptedCount,
      recordCount: queue.recordCount,
      bytes: queue.bytes,
      oldestAgeMs: queue.oldestMs === undefined ? 0 : Math.max(0, nowMs - queue.oldestMs),
      isBlocked: queue.isBlocked,
    }))
  }

  take({ streamName, partitionKey, body }: Message): Promise<void> | undefined {
    if (this.#isFinishing) {
      this.#lostCount++
      return undefined
    }
    const lane = this.#lanes.get(streamName)
    const refusal = this.#refusalOf(lane, streamName, partitionKey, body)
    if (lane === undefined || refusal !== undefined) {
      if (refusal !== undefined)
        this.#options.skips.add(refusal.skip, refusal.text, refusal.isKnown ? streamName : undefined)
      return undefined
    }
    const entry = { data: body, partitionKey }
    switch (this.#decide(lane, bytesOf(entry))) {
      case 'take':
        this.#add(lane, entry)
        return undefined
      case 'drop':
        this.#drop(lane)
        return undefined
      case 'wait':
        return this.#waitForRoom(lane, entry)
    }
  }

  takeDurable({ streamName, partitionKey, body }: Omit<Message, 'isKeyRepaired'>, onKept: OnKept): Refusal | undefined {
    const lane = this.#lanes.get(streamName)
    const refusal = this.#refusalOf(lane, streamName, partitionKey, body)
    if (lane === undefined || refusal !== undefined) return refusal
    if (lane.queue.isBlocked)
      return { reason: 'spool-failed', text: `the spool of ${streamName} takes nothing just now` }
    const entry = { data: body, partitionKey }
    if (this.#decide(lane, bytesOf(entry)) !== 'take')
      return { reason: 'spool-full', text: `the spool has no room for ${streamName}` }
    this.#add(lane, entry, onKept)
    return undefined
  }

  async finish(signal: AbortSignal): Promise<number> {
    const { finishMs = Number.POSITIVE_INFINITY, clock, onFinished } = this.#options
    this.#isFinishing = true
    this.#room?.()
    let hangUp: Timer | undefined
    const stop = () => {
      for (const { sender } of this.#everyLane()) sender.stop()
      // A Kinesis that never answers is not waited for: its requests end with their connections.
      hangUp ??= clock.setTimer(() => this.#closeApis(), lastAnswersMs)
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    // It may wait for a stream that leaves, and ends with it.
    await this.#configuring
    const lanes = [...this.#lanes.values()]
    for (const { queue } of lanes) queue.close()
    const timer = Number.isFinite(finishMs) ? clock.setTimer(stop, finishMs) : undefined
    if (signal.aborted) stop()
    await Promise.all(lanes.map(({ sender }) => sender.done))
    for (const { queue } of lanes) await this.#release(queue)
    await Promise.all(this.#leaving.values())
    timer?.cancel()
    hangUp?.cancel()
    signal.removeEventListener('abort', stop)
    await Promise.all(lanes.map(({ producer }) => producer.close()))
    this.#closeApis()
    onFinished?.()
    return this.#lostCount
  }

  async #release(queue: RecordQueue): Promise<void> {
    const lostCount = await queue.release()
    this.#lostCount += lostCount
  }

  #closeApis(): void {
    for (const api of this.#ownApis.values()) api.close()
  }

  #refusalOf(
    lane: Lane | undefined,
    streamName: string,
    partitionKey: string,
    body: Uint8Array,
  ): IntakeRefusal | undefined {
    if (lane === undefined) {
      const text = describeUnknown(streamName, this.#lanes.size)
      return { skip: 'unknown-stream', reason: 'unknown-stream', text, isKnown: false }
    }
    const keyRefusal = refusalOfKey(partitionKey)
    if (keyRefusal !== undefined) {
      const text = `a partition key of ${partitionKey.length} characters`
      return { skip: keyRefusal, reason: 'partition-key-refused', text, isKnown: true }
    }
    if (body.length + Buffer.byteLength(partitionKey) > highestMaxRecordBytes) {
      const text = `a record of ${body.length} bytes; Kinesis takes 10 MiB at most`
      return { skip: 'record-too-large', reason: 'record-too-large', text, isKnown: true }
    }
    return undefined
  }

  #decide(lane: Lane, bytes: number): Intake {
    if (lane.queue.isBlocked) return 'wait'
    const { limitBytes, clock } = this.#options
    // No share can be used up before half of all is: nearly always there is nothing to look at.
    if (this.#heldBytes + bytes <= limitBytes / 2) return 'take'
    // What was counted as it came takes less, once it stands on the disk.
    const totalBytes = this.#everyLane().reduce((sum, { queue }) => sum + queue.bytes, 0)
    this.#heldBytes = totalBytes
    const streamCount = this.#lanes.size
    const share = shareOf(limitBytes, streamCount)
    const pooledBytes = this.#everyLane().reduce((sum, { queue }) => sum + beyond(share, queue.bytes), 0)
    const { bytes: streamBytes, oldestMs } = lane.queue
    const streamAgeMs = oldestMs === undefined ? 0 : clock.monotonic() - oldestMs
    return decideIntake({ bytes, streamBytes, streamAgeMs, totalBytes, pooledBytes, streamCount, limitBytes })
  }

  async #waitForRoom(lane: Lane, entry: PutEntry): Promise<void> {
    const { clock } = this.#options
    const { streamName } = lane.definition
    const startMs = clock.monotonic()
    report({ type: 'intake-paused', stream: streamName, heldBytes: this.#heldBytes })
    let decision: Intake
    do {
      // Settled records make room; time alone can make a stream a stuck one.
      const room = new AbortController()
      this.#room = () => room.abort()
      await sleep(clock, lookAgainMs, room.signal)
      if (this.#isFinishing) {
        this.#lostCount++
        return
      }
      decision = this.#lanes.get(streamName) === lane ? this.#decide(lane, bytesOf(entry)) : 'take'
    } while (decision === 'wait')
    this.#room = undefined
    report({ type: 'intake-resumed', pausedMs: clock.monotonic() - startMs })
    const present = this.#lanes.get(streamName)
    if (present === undefined) this.#options.skips.add('unknown-stream', describeUnknown(streamName, this.#lanes.size))
    else if (decision === 'take') this.#add(present, entry)
    else this.#drop(present)
  }

  #add(lane: Lane, entry: PutEntry, onKept?: OnKept): void {
    const { queue } = lane
    const before = queue.bytes
    queue.add(entry, onKept)
    lane.acceptedCount++
    this.#acceptedCount++
    this.#heldBytes += queue.bytes - before
  }

  readonly #onRoom = (): void => {
    this.#heldBytes = this.#everyLane().reduce((sum, { queue }) => sum + queue.bytes, 0)
    this.#room?.()
  }

  #drop(lane: Lane): void {
    const { streamName } = lane.definition
    this.#options.skips.add('share-full', 'the stream is stuck, and its share of the room is used up', streamName)
  }

  #everyLane(): Lane[] {
    return [...this.#lanes.values(), ...this.#leaving.keys()]
  }

  async #configure(config: Config): Promise<void> {
    const streamCount = Object.keys(config).length
    let failure: unknown
    for (const [streamName, lane] of this.#lanes) {
      const definition = config[streamName]
      if (definition === undefined) this.#dismiss(streamName, lane)
      else this.#redefine(lane, definition)
    }
    for (const [streamName, definition] of Object.entries(config)) {
      if (this.#lanes.has(streamName)) continue
      await this.#untilFree(streamName)
      if (this.#isFinishing) return
      try {
        this.#lanes.set(streamName, await this.#openLane(definition, streamCount))
      } catch (error) {
        // The others are not to wait for this one.
        failure ??= error
      }
    }
    this.#onRoom()
    if (failure !== undefined) throw failure
  }

  /** Two queues can't have one directory. In memory a stream that comes back need not wait for what it left behind. */
  async #untilFree(streamName: string): Promise<void> {
    if (this.#options.finishMs === undefined) return
    for (const [lane, left] of this.#leaving) if (lane.definition.streamName === streamName) await left
  }

  async #openLane(definition: StreamDefinition, streamCount: number): Promise<Lane> {
    const { openQueue, onRefused, recordTtlMs, windowChunks, clock } = this.#options
    const { streamName } = definition
    const queue = await openQueue(streamName, streamCount, this.#onRoom)
    const producer = this.#producerOf(definition)
    const sender = new StreamSender(queue, producer, {
      streamName,
      windowChunks,
      recordTtlMs,
      clock,
      ...(onRefused !== undefined && { onRefused: (failed) => onRefused(streamName, failed) }),
      onSettled: this.#onRoom,
    })
    return { definition, queue, producer, sender, acceptedCount: 0 }
  }

  /** Ends by the definition it came under: memory is sent, a spool waits until its stream is defined again. */
  #dismiss(streamName: string, lane: Lane): void {
    this.#lanes.delete(streamName)
    lane.queue.close()
    if (this.#options.finishMs !== undefined) lane.sender.stop()
    const left = lane.sender.done.then(async () => {
      await this.#release(lane.queue)
      await lane.producer.close()
      this.#leaving.delete(lane)
    })
    this.#leaving.set(lane, left)
  }

  #redefine(lane: Lane, definition: StreamDefinition): void {
    const { name, region, endpoint } = lane.definition
    lane.definition = definition
    if (name === definition.name && region === definition.region && endpoint === definition.endpoint) return
    const old = lane.producer
    lane.producer = this.#producerOf(definition)
    lane.sender.useProducer(lane.producer)
    void old.close()
  }

  #producerOf(definition: StreamDefinition): Producer {
    return new Producer(this.#apiOf(definition), definition.name, this.#options.producer)
  }

  /** Streams of one region share their connections. */
  #apiOf({ region, endpoint }: StreamDefinition): KinesisApi {
    if (this.#options.api !== undefined) return this.#options.api
    const place = `${region ?? ''} ${endpoint ?? ''}`
    const known = this.#ownApis.get(place)
    if (known !== undefined) return known
    const api = createAwsKinesisApi({
      ...(region !== undefined && { region }),
      ...(endpoint !== undefined && { endpoint }),
    })
    this.#ownApis.set(place, api)
    return api
  }
}

function describeUnknown(streamName: string, streamCount: number): string {
  const shown = JSON.stringify(streamName.length > 80 ? `${streamName.slice(0, 80)}...` : streamName)
  return `no stream ${shown} among the ${streamCount} of triton.yaml`
}

const lookAgainMs = 250
/** What is under way when a daemon is to end at once is waited for so long, in milliseconds. */
const lastAnswersMs = 1_000
