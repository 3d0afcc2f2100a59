import { sleep, type Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import type { DropReport } from './drop-report.ts'
import { MessageConnection } from './message-connection.ts'
import { headerEncoder } from './message-frames.ts'
import { MessageRing } from './message-ring.ts'
import type { NonblockingSettings } from './nonblocking-options.ts'
import { pingCommand, prefixBytesOf, writePrefix } from './zmtp-frames.ts'

/**
 * Owns the connection to tritond and the ring before it.
 *
 *     idle --a record waits--> connecting -> open <-> parked: the system took no more --> open
 *     connecting, open, parked --lost--> resting: what was sent waits again -> connecting, when a record waits; else idle
 *     any --close--> closed
 *
 * Records are written many at a time. Behind them goes a PING, which tritond answers when it has read them: they stay in the
 * ring until then, so that a daemon that dies or restarts gets them again, and no more than a window of them is on the way.
 * Of a daemon that knows no PING (ZeroMQ before 4.2), records are gone when the system took them.
 */
export class MessageSender {
  readonly #streamName: string
  readonly #settings: NonblockingSettings
  readonly #drops: DropReport
  readonly #ring: MessageRing
  readonly #headerOf: (partitionKey: string) => Buffer
  readonly #onEmpty = new Set<() => void>()
  #connection: MessageConnection | undefined
  #rest: Timer | undefined
  #batch = Buffer.allocUnsafeSlow(batchBytes)
  #isScheduled = false
  #isParked = false
  /** Records before the PING that has no answer yet; 0 when there is none. */
  #askedCount = 0
  #isClosed = false
  #hasToldRefusal = false
  #sentCount = 0

  constructor(streamName: string, settings: NonblockingSettings, drops: DropReport) {
    this.#streamName = streamName
    this.#settings = settings
    this.#drops = drops
    this.#ring = new MessageRing(windowRecords, settings.highWaterMark, settings.queueBytes)
    this.#headerOf = headerEncoder(streamName)
    this.#connect()
  }

  /** Records that wait in the ring. */
  get waitingCount(): number {
    return this.#ring.waitingCount
  }

  /** Records that were written, and have not come back with a lost connection. */
  get sentCount(): number {
    return this.#sentCount
  }

  /** False when the ring is full. Nobody writes to `body` any more. */
  put(partitionKey: string, body: Uint8Array): boolean {
    const ring = this.#ring
    if (!ring.push(partitionKey, body)) return false
    if (!this.#isScheduled) this.#schedule()
    // Who puts without a pause gets no other turn to send in; a few at a time, so that no single put takes long.
    else if (ring.waitingCount >= crowdedCount && ring.waitingCount % sendsInPut === 0) this.#send(sendsInPut)
    return true
  }

  /** Sends what waits, for `lingerMs` at most; what remains counts as dropped. To be called once. */
  async close(): Promise<void> {
    const { clock, lingerMs } = this.#settings
    const ring = this.#ring
    if (!ring.isEmpty) {
      const emptied = new AbortController()
      this.#onEmpty.add(() => emptied.abort())
      if (!this.#isScheduled) this.#schedule()
      await sleep(clock, lingerMs, emptied.signal)
    }
    this.#isClosed = true
    this.#rest?.cancel()
    if (this.#isParked) {
      // Half a record would be left of a write that is not over.
      this.#takeBack()
      this.#connection?.destroy()
    } else this.#connection?.end()
    const { waitingCount } = ring
    if (waitingCount > 0)
      this.#drops.add('not-sent', `tritond took no more within ${lingerMs} ms of close`, waitingCount)
  }

  #connect(): void {
    const { host, port } = this.#settings
    this.#connection = new MessageConnection({
      host,
      port,
      onOpen: () => {
        this.#hasToldRefusal = false
        this.#sendInTurn()
      },
      onPong: () => {
        const count = this.#askedCount
        this.#askedCount = 0
        this.#settle(count)
        this.#sendInTurn()
      },
      onWritten: () => {
        this.#isParked = false
        if (!this.#connection?.doesPing) this.#settle(this.#ring.sentCount)
        this.#sendInTurn()
      },
      onLost: (refusal) => this.#lose(refusal),
    })
    this.#connection.hold(!this.#ring.isEmpty)
  }

  #lose(refusal: string | undefined): void {
    this.#connection = undefined
    if (this.#isClosed) return
    this.#takeBack()
    if (refusal !== undefined && !this.#hasToldRefusal) {
      this.#hasToldRefusal = true
      report({ type: 'client-failed', stream: this.#streamName, reason: refusal })
    }
    this.#rest = this.#settings.clock.setTimer(() => {
      this.#rest = undefined
      if (!this.#ring.isEmpty) this.#connect()
    }, reconnectMs)
  }

  /** What was written and has no answer waits again. */
  #takeBack(): void {
    this.#sentCount -= this.#ring.sentCount
    this.#ring.rewind()
    this.#askedCount = 0
    this.#isParked = false
  }

  #schedule(): void {
    this.#isScheduled = true
    setImmediate(this.#onTurn)
  }

  readonly #onTurn = () => {
    this.#isScheduled = false
    if (this.#isClosed) return
    this.#connection?.hold(true)
    if (this.#connection === undefined && this.#rest === undefined) this.#connect()
    this.#sendInTurn()
  }

  #sendInTurn(): void {
    this.#send(sendsInTurn)
    const ring = this.#ring
    if (this.#canWrite() && this.#hasWindow() && ring.waitingCount > 0 && !this.#isScheduled) this.#schedule()
  }

  #canWrite(): boolean {
    return this.#connection?.isOpen === true && !this.#isParked && !this.#isClosed
  }

  /** One record more may be on the way. */
  #hasWindow(): boolean {
    const { sentCount, sentBytes } = this.#ring
    return sentCount < windowRecords && sentBytes < windowBytes
  }

  #send(limit: number): void {
    const ring = this.#ring
    const connection = this.#connection
    if (connection === undefined) return
    for (let left = limit; this.#canWrite(); ) {
      let batch = this.#batch
      let end = 0
      while (left > 0 && ring.waitingCount > 0 && this.#hasWindow()) {
        const { body } = ring
        const header = this.#headerOf(ring.partitionKey)
        const length =
          prefixBytesOf(header.length) + header.length + prefixBytesOf(body.length) + body.length + pingCommand.length
        if (end + length > batch.length) {
          if (end > 0) break
          batch = Buffer.allocUnsafeSlow(length)
        }
        end = writePrefix(batch, end, header.length, false)
        batch.set(header, end)
        end = writePrefix(batch, end + header.length, body.length, true)
        batch.set(body, end)
        end += body.length
        ring.send()
        this.#sentCount++
        left--
      }
      // Also alone, when the window is full of what was written behind the PING before.
      if (connection.doesPing && this.#askedCount === 0 && ring.sentCount > 0) {
        batch.set(pingCommand, end)
        end += pingCommand.length
        this.#askedCount = ring.sentCount
      }
      if (end === 0) return
      this.#write(connection, batch.subarray(0, end))
    }
  }

  #write(connection: MessageConnection, bytes: Buffer): void {
    if (connection.write(bytes)) {
      if (!connection.doesPing) this.#settle(this.#ring.sentCount)
      return
    }
    this.#isParked = true
    // The old one is still being written.
    this.#batch = Buffer.allocUnsafeSlow(batchBytes)
  }

  #settle(count: number): void {
    this.#ring.settle(count)
    if (!this.#ring.isEmpty) return
    this.#connection?.hold(false)
    for (const tell of this.#onEmpty) tell()
  }
}

/** From here on puts send, too. */
const crowdedCount = 64
const sendsInPut = 16
/** Then others get their turn: a quarter of a millisecond. */
const sendsInTurn = 512
const reconnectMs = 100
/** What is on the way, and comes again when the connection is lost. */
const windowRecords = 1000
const windowBytes = 256 * 1024
const batchBytes = 64 * 1024
