import type { Push } from 'zeromq'
import { sleep } from '../clock.ts'
import { report } from '../diagnostics.ts'
import type { DropReport } from './drop-report.ts'
import { headerEncoder } from './message-frames.ts'
import { MessageRing } from './message-ring.ts'
import { type NonblockingSettings, zmqEndpoint } from './nonblocking-options.ts'

/**
 * Owns the socket to tritond and the ring before it.
 *
 *     loading -> sending <-> parked -> closed
 *
 * Loading: ZeroMQ is not there yet. Sending: the socket takes what the ring has. Parked: it took no more (tritond is
 * away, or slower than we are); one `send` waits for it, and its record stays in the ring until that is done.
 *
 * The socket gives nothing to a connection that is not there (`immediate`), so that what waits for a daemon waits in the
 * ring, where it is counted. What the socket and TCP have taken is out of sight: lost, and not counted, when the daemon dies.
 */
export class MessageSender {
  readonly #streamName: string
  readonly #settings: NonblockingSettings
  readonly #drops: DropReport
  readonly #ring: MessageRing
  readonly #headerOf: (partitionKey: string) => Buffer
  readonly #loaded: Promise<void>
  readonly #onEmpty = new Set<() => void>()
  #socket: Push | undefined
  #isScheduled = false
  #isParked = false
  #isClosed = false
  #sentCount = 0

  constructor(streamName: string, settings: NonblockingSettings, drops: DropReport) {
    this.#streamName = streamName
    this.#settings = settings
    this.#drops = drops
    this.#ring = new MessageRing(settings.highWaterMark, settings.queueBytes)
    this.#headerOf = headerEncoder(streamName)
    this.#loaded = this.#open()
  }

  /** Records that wait in the ring. */
  get waitingCount(): number {
    return this.#ring.length
  }

  /** Records that the socket has taken. */
  get sentCount(): number {
    return this.#sentCount
  }

  /** False when the ring is full. Nobody writes to `body` any more. */
  put(partitionKey: string, body: Uint8Array): boolean {
    if (!this.#ring.push(partitionKey, body)) return false
    if (!this.#isScheduled) this.#schedule()
    // Who puts without a pause gets no other turn to send in; a few at a time, so that no single put takes long.
    else if (this.#ring.length >= crowdedCount && this.#ring.length % sendsInPut === 0) this.#send(sendsInPut)
    return true
  }

  /** Sends what waits, for `lingerMs` at most; what remains counts as dropped. To be called once. */
  async close(): Promise<void> {
    const { clock, lingerMs } = this.#settings
    const startedAt = clock.monotonic()
    await this.#loaded
    if (this.#ring.length > 0 && this.#socket !== undefined) {
      const emptied = new AbortController()
      this.#onEmpty.add(() => emptied.abort())
      if (!this.#isScheduled) this.#schedule()
      await sleep(clock, lingerMs, emptied.signal)
    }
    this.#isClosed = true
    if (this.#socket !== undefined) {
      // What ZeroMQ has taken it sends on its own, also while the process ends.
      this.#socket.linger = Math.max(0, Math.round(lingerMs - (clock.monotonic() - startedAt)))
      this.#socket.close()
    }
    const { length } = this.#ring
    if (length > 0) this.#drops.add('not-sent', `tritond took no more within ${lingerMs} ms of close`, length)
  }

  async #open(): Promise<void> {
    const { host, port } = this.#settings
    try {
      const { Push } = await import('zeromq')
      const socket = new Push({
        immediate: true,
        ipv6: host.includes(':'),
        reconnectInterval: reconnectMs,
        sendBufferSize: socketBufferBytes,
        sendHighWaterMark: socketHighWaterMark,
        sendTimeout: 0,
      })
      socket.connect(zmqEndpoint(host, port))
      this.#socket = socket
    } catch (error) {
      report({
        type: 'client-failed',
        stream: this.#streamName,
        reason: error instanceof Error ? error.message : String(error),
      })
    }
  }

  #schedule(): void {
    this.#isScheduled = true
    setImmediate(this.#onTurn)
  }

  readonly #onTurn = () => {
    if (this.#socket === undefined) {
      void this.#loaded.then(this.#sendInTurn)
      return
    }
    this.#sendInTurn()
  }

  readonly #sendInTurn = () => {
    this.#isScheduled = false
    this.#send(sendsInTurn)
    if (this.#ring.length > 0 && !this.#isParked && this.#socket !== undefined && !this.#isClosed) this.#schedule()
  }

  #send(limit: number): void {
    const socket = this.#socket
    if (socket === undefined || this.#isParked || this.#isClosed) return
    const ring = this.#ring
    for (let left = Math.min(limit, ring.length); left > 0; left--) {
      if (!socket.writable) {
        void this.#park(socket)
        return
      }
      // With a timeout of 0 it is done when the call returns, and what is writable takes a message.
      socket.send([this.#headerOf(ring.partitionKey), ring.body]).catch(this.#onUnsent)
      ring.shift()
      this.#sentCount++
    }
    if (ring.length === 0) for (const tell of this.#onEmpty) tell()
  }

  readonly #onUnsent = (error: unknown) => {
    this.#sentCount--
    this.#drops.add('not-sent', `ZeroMQ would not take it: ${(error as Error).message}`)
  }

  /** One send that waits until the socket takes messages again. */
  async #park(socket: Push): Promise<void> {
    this.#isParked = true
    socket.sendTimeout = -1
    try {
      await socket.send([this.#headerOf(this.#ring.partitionKey), this.#ring.body])
    } catch {
      // Closed meanwhile: the record is still in the ring, and `close` counts it.
      return
    }
    this.#ring.shift()
    this.#sentCount++
    this.#isParked = false
    if (this.#isClosed) return
    socket.sendTimeout = 0
    if (this.#ring.length === 0) for (const tell of this.#onEmpty) tell()
    else if (!this.#isScheduled) this.#schedule()
  }
}

/** From here on puts send, too. */
const crowdedCount = 64
const sendsInPut = 4
/** Then others get their turn: a quarter of a millisecond. */
const sendsInTurn = 256
const reconnectMs = 100
/** What ZeroMQ holds for a connection, lost with it; enough to keep its thread busy between two turns. */
const socketHighWaterMark = 1000
/** What TCP holds on our side, lost as well. */
const socketBufferBytes = 256 * 1024
