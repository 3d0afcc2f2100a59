import { type Clock, sleep } from '../clock.ts'
import type { Config, StreamDefinition } from '../config.ts'
import { report } from '../diagnostics.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi, PutEntry } from '../kinesis/kinesis-api.ts'
import { highestMaxRecordBytes } from '../kinesis/limits.ts'
import { Producer, type ProducerOptions } from '../producer/producer.ts'
import { beyond, decideIntake, type Intake, shareOf } from './decide-intake.ts'
import { type Message, refusalOfKey } from './message-frames.ts'
import type { RecordKeeper } from './record-keeper.ts'
import { bytesOf, type RecordQueue } from './record-queue.ts'
import type { SkipCounter } from './skip-counter.ts'
import { StreamSender } from './stream-sender.ts'

export interface StreamLanesOptions {
  /** What all queues together may hold, in bytes. */
  limitBytes: number
  recordTtlMs: number
  openQueue: (streamName: string) => RecordQueue
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
}

/** A queue and a sender for each stream of the configuration, within one limit. */
export class StreamLanes implements RecordKeeper {
  readonly #options: StreamLanesOptions
  readonly #lanes = new Map<string, Lane>()
  /** Of streams that the configuration no longer names: they send what they have. */
  readonly #leaving = new Set<Lane>()
  readonly #ownApis = new Map<string, KinesisApi>()
  /** What all queues hold. */
  #heldBytes = 0
  #room: (() => void) | undefined

  constructor(options: StreamLanesOptions) {
    this.#options = options
  }

  async configure(config: Config): Promise<void> {
    for (const [streamName, lane] of this.#lanes) {
      const definition = config[streamName]
      if (definition === undefined) this.#dismiss(streamName, lane)
      else this.#redefine(lane, definition)
    }
    for (const [streamName, definition] of Object.entries(config)) {
      if (!this.#lanes.has(streamName)) this.#lanes.set(streamName, this.#openLane(definition))
    }
  }

  get waitingCount(): number {
    return this.#everyLane().reduce((sum, { queue }) => sum + queue.recordCount, 0)
  }

  take(message: Message): Promise<void> | undefined {
    const { streamName, partitionKey, body } = message
    const { skips } = this.#options
    const lane = this.#lanes.get(streamName)
    if (lane === undefined) {
      skips.add('unknown-stream', describeUnknown(streamName, this.#lanes.size))
      return undefined
    }
    const keyRefusal = refusalOfKey(partitionKey)
    if (keyRefusal !== undefined) {
      skips.add(keyRefusal, `a partition key of ${partitionKey.length} characters`, streamName)
      return undefined
    }
    if (body.length + Buffer.byteLength(partitionKey) > highestMaxRecordBytes) {
      skips.add('record-too-large', `a record of ${body.length} bytes; Kinesis takes 10 MiB at most`, streamName)
      return undefined
    }
    return this.#admit(lane, { data: body, partitionKey })
  }

  async finish(signal: AbortSignal): Promise<number> {
    const lanes = this.#everyLane()
    for (const { queue } of lanes) queue.close()
    const stop = () => {
      for (const { sender } of lanes) sender.stop()
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    await Promise.all(lanes.map(({ sender }) => sender.done))
    signal.removeEventListener('abort', stop)
    const lostCount = this.waitingCount
    await Promise.all(lanes.map(({ producer }) => producer.close()))
    for (const api of this.#ownApis.values()) api.close()
    return lostCount
  }

  #admit(lane: Lane, entry: PutEntry): Promise<void> | undefined {
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

  #decide(lane: Lane, bytes: number): Intake {
    const { limitBytes, clock } = this.#options
    const totalBytes = this.#heldBytes
    // No share can be used up before half of all is: nearly always there is nothing to look at.
    if (totalBytes + bytes <= limitBytes / 2) return 'take'
    const streamCount = this.#lanes.size
    const share = shareOf(limitBytes, streamCount)
    const pooledBytes = this.#everyLane().reduce((sum, { queue }) => sum + beyond(share, queue.bytes), 0)
    const { bytes: streamBytes, oldestMs } = lane.queue
    const streamAgeMs = oldestMs === undefined ? 0 : clock.monotonic() - oldestMs
    return decideIntake({ bytes, streamBytes, streamAgeMs, totalBytes, pooledBytes, streamCount, limitBytes })
  }

  async #waitForRoom(lane: Lane, entry: PutEntry): Promise<void> {
    const { clock } = this.#options
    const startMs = clock.monotonic()
    report({ type: 'intake-paused', stream: lane.definition.streamName, heldBytes: this.#heldBytes })
    let decision: Intake
    do {
      // Settled records make room; time alone can make a stream a stuck one.
      const room = new AbortController()
      this.#room = () => room.abort()
      await sleep(clock, lookAgainMs, room.signal)
      decision = this.#decide(lane, bytesOf(entry))
    } while (decision === 'wait')
    this.#room = undefined
    report({ type: 'intake-resumed', pausedMs: clock.monotonic() - startMs })
    if (decision === 'take') this.#add(lane, entry)
    else this.#drop(lane)
  }

  #add({ queue }: Lane, entry: PutEntry): void {
    const before = queue.bytes
    queue.add(entry)
    this.#heldBytes += queue.bytes - before
  }

  readonly #onSettled = (): void => {
    this.#heldBytes = this.#everyLane().reduce((sum, { queue }) => sum + queue.bytes, 0)
    this.#room?.()
  }

  #drop(lane: Lane): void {
    const { streamName } = lane.definition
    this.#options.skips.add('share-full', 'the stream is stuck, and its share of the room is used up', streamName)
  }

  #everyLane(): Lane[] {
    return [...this.#lanes.values(), ...this.#leaving]
  }

  #openLane(definition: StreamDefinition): Lane {
    const { openQueue, recordTtlMs, clock } = this.#options
    const { streamName } = definition
    const queue = openQueue(streamName)
    const producer = this.#producerOf(definition)
    const sender = new StreamSender(queue, producer, {
      streamName,
      windowChunks,
      recordTtlMs,
      clock,
      onSettled: this.#onSettled,
    })
    return { definition, queue, producer, sender }
  }

  /** Sends what is there, by the definition it came under. */
  #dismiss(streamName: string, lane: Lane): void {
    this.#lanes.delete(streamName)
    this.#leaving.add(lane)
    lane.queue.close()
    void lane.sender.done.then(() => {
      this.#leaving.delete(lane)
      return lane.producer.close()
    })
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
    let api = this.#ownApis.get(place)
    if (api === undefined) {
      api = createAwsKinesisApi({
        ...(region !== undefined && { region }),
        ...(endpoint !== undefined && { endpoint }),
      })
      this.#ownApis.set(place, api)
    }
    return api
  }
}

function describeUnknown(streamName: string, streamCount: number): string {
  const shown = JSON.stringify(streamName.length > 80 ? `${streamName.slice(0, 80)}...` : streamName)
  return `no stream ${shown} among the ${streamCount} of triton.yaml`
}

/** Enough for the producer's requests under way to have successors ready. */
const windowChunks = 16
const lookAgainMs = 250
