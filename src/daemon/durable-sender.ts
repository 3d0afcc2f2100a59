import type { Dealer } from 'zeromq'
import { sleep, type Timer } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ClosedError, FormatError } from '../errors.ts'
import { Fifo } from '../producer/fifo.ts'
import {
  type DurableAnswer,
  type DurableRefusal,
  decodeDurableAnswers,
  encodeDurablePut,
  maxDurableBatchBytes,
  maxDurableBatchRecords,
} from './durable-protocol.ts'
import { DurablePutError } from './durable-put-error.ts'
import { type NonblockingSettings, zmqEndpoint } from './nonblocking-options.ts'

interface Waiting {
  readonly streamName: string
  readonly partitionKey: string
  readonly body: Uint8Array
  readonly deadline: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  isSettled: boolean
}

interface Batch {
  readonly number: number
  readonly records: readonly Waiting[]
  readonly frame: Buffer
  /** queued: to be sent; sent: an answer is awaited; lost: the connection that took it broke. */
  state: 'queued' | 'sent' | 'lost'
  sentAt: number | undefined
}

/**
 * Owns the socket for records that need an answer, from the first one on.
 *
 *     put -> waiting -> batch queued -> sent -> answered
 *                          ^- again when -+  the connection broke, or no answer came for long
 *
 * A few batches are under way at a time; what comes meanwhile makes the next ones larger. A record is settled exactly
 * once: by its answer, by its deadline, or by `close`.
 */
export class DurableSender {
  readonly #streamName: string
  readonly #settings: NonblockingSettings
  readonly #waiting = new Fifo<Waiting>()
  readonly #underWay = new Map<number, Batch>()
  readonly #toSend: Batch[] = []
  readonly #opened: Promise<void>
  #socket: Dealer | undefined
  #failure: Error | undefined
  #waitingBytes = 0
  #lastNumber = 0
  #isScheduled = false
  #isSending = false
  #isConnected = false
  #timer: Timer | undefined
  #onSettled: (() => void) | undefined
  #closed: Promise<void> | undefined

  constructor(streamName: string, settings: NonblockingSettings) {
    this.#streamName = streamName
    this.#settings = settings
    this.#opened = this.#open()
  }

  /** Resolves when tritond has the record in its spool; rejects with a DurablePutError, or a ClosedError. */
  put(partitionKey: string, body: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const { highWaterMark, queueBytes, clock, durableTimeoutMs } = this.#settings
      if (this.#closed) throw this.#closedError(false)
      const isFull =
        this.#waiting.length >= highWaterMark ||
        (this.#waitingBytes + body.length > queueBytes && this.#waiting.length > 0)
      if (isFull) throw this.#failed('queue-full', `${this.#waiting.length} records wait for it already`, false)
      const deadline = clock.monotonic() + durableTimeoutMs
      const { length: bodyBytes } = body
      this.#waiting.push({
        streamName: this.#streamName,
        partitionKey,
        body,
        deadline,
        resolve,
        reject,
        isSettled: false,
      })
      this.#waitingBytes += bodyBytes
      this.#timer ??= clock.setTimer(this.#onTick, tickMs)
      this.#schedule()
    })
  }

  /** Waits for answers, for `lingerMs` at most; what has none then is rejected. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const { clock, lingerMs } = this.#settings
    await this.#opened
    if (this.#outstanding) {
      const settled = new AbortController()
      this.#onSettled = () => settled.abort()
      await sleep(clock, lingerMs, settled.signal)
    }
    this.#timer?.cancel()
    this.#timer = undefined
    for (const batch of this.#underWay.values())
      this.#reject(batch.records, this.#closedError(batch.sentAt !== undefined))
    this.#underWay.clear()
    for (let record = this.#take(); record; record = this.#take()) this.#reject([record], this.#closedError(false))
    if (this.#socket !== undefined) {
      this.#socket.linger = 0
      this.#socket.close()
    }
  }

  get #outstanding(): boolean {
    return this.#waiting.length > 0 || this.#underWay.size > 0
  }

  async #open(): Promise<void> {
    const { host, durablePort } = this.#settings
    try {
      if (durablePort > 65_535) throw new Error(`there is no port ${durablePort}; give a durablePort`)
      const { Dealer } = await import('zeromq')
      const socket = new Dealer({
        immediate: true,
        ipv6: host.includes(':'),
        reconnectInterval: reconnectMs,
        sendHighWaterMark: maxUnderWay,
      })
      this.#socket = socket
      void this.#watchConnection(socket)
      void this.#readAnswers(socket)
      socket.connect(zmqEndpoint(host, durablePort))
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      report({ type: 'client-failed', stream: this.#streamName, reason: this.#failure.message })
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => void this.#opened.then(this.#fillBatches))
  }

  readonly #fillBatches = () => {
    this.#isScheduled = false
    if (this.#failure !== undefined) {
      const { message } = this.#failure
      for (let record = this.#take(); record; record = this.#take())
        this.#reject([record], this.#failed('unsendable', message, false, this.#failure))
    }
    while (this.#waiting.length > 0 && this.#underWay.size < maxUnderWay) {
      const records = this.#takeBatch()
      if (records.length === 0) break
      this.#lastNumber = (this.#lastNumber + 1) >>> 0
      const frame = encodeDurablePut(this.#lastNumber, records)
      const batch: Batch = { number: this.#lastNumber, records, frame, state: 'queued', sentAt: undefined }
      this.#underWay.set(batch.number, batch)
      this.#toSend.push(batch)
    }
    void this.#sendBatches()
    this.#tellWhenSettled()
  }

  #takeBatch(): Waiting[] {
    const records: Waiting[] = []
    let bytes = 0
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      const isFull = records.length >= maxDurableBatchRecords || bytes + next.body.length > maxDurableBatchBytes
      if (isFull && records.length > 0) break
      this.#take()
      if (next.isSettled) continue
      records.push(next)
      bytes += next.body.length
    }
    return records
  }

  #take(): Waiting | undefined {
    const record = this.#waiting.shift()
    if (record !== undefined) this.#waitingBytes -= record.body.length
    return record
  }

  /**
   * ZeroMQ takes one send at a time, and none without a connection: what it was given may go out at any later time,
   * when its records were told long ago that they failed.
   */
  async #sendBatches(): Promise<void> {
    const socket = this.#socket
    if (this.#isSending || socket === undefined) return
    this.#isSending = true
    while (this.#isConnected) {
      const batch = this.#toSend.shift()
      if (batch === undefined) break
      if (this.#underWay.get(batch.number) !== batch) continue
      batch.state = 'sent'
      batch.sentAt = this.#settings.clock.monotonic()
      try {
        await socket.send(batch.frame)
      } catch {
        // The socket was closed, and `close` settles every record.
        break
      }
    }
    this.#isSending = false
  }

  async #readAnswers(socket: Dealer): Promise<void> {
    for await (const [frame] of socket) {
      try {
        for (const answer of decodeDurableAnswers(frame as Buffer)) this.#settle(answer)
      } catch (error) {
        if (!(error instanceof FormatError)) throw error
        report({ type: 'client-failed', stream: this.#streamName, reason: error.message })
      }
    }
  }

  async #watchConnection(socket: Dealer): Promise<void> {
    for await (const { type } of socket.events) {
      if (type === 'disconnect') {
        this.#isConnected = false
        for (const batch of this.#underWay.values()) if (batch.state === 'sent') batch.state = 'lost'
      } else if (type === 'handshake') {
        this.#isConnected = true
        this.#sendAgain((batch) => batch.state === 'lost')
        void this.#sendBatches()
      }
    }
  }

  #sendAgain(isMeant: (batch: Batch) => boolean): void {
    const batches = [...this.#underWay.values()].filter(isMeant)
    if (batches.length === 0) return
    for (const batch of batches) batch.state = 'queued'
    // Before what was never sent: records of one key keep their order as far as that can be.
    this.#toSend.unshift(...batches)
    const recordCount = batches.reduce((sum, { records }) => sum + records.length, 0)
    report({ type: 'durable-resent', stream: this.#streamName, recordCount })
  }

  #settle({ batchNumber, refusals }: DurableAnswer): void {
    const batch = this.#underWay.get(batchNumber)
    // The answer to a batch that was sent twice, or one that came too late.
    if (batch === undefined) return
    this.#underWay.delete(batchNumber)
    for (const refusal of refusals) {
      const refused = refusal.index === 'all' ? batch.records : batch.records.slice(refusal.index, refusal.index + 1)
      this.#reject(refused, this.#refused(refusal))
    }
    for (const record of batch.records) {
      if (record.isSettled) continue
      record.isSettled = true
      record.resolve()
    }
    if (this.#waiting.length > 0) this.#schedule()
    this.#tellWhenSettled()
  }

  readonly #onTick = () => {
    const now = this.#settings.clock.monotonic()
    for (const batch of this.#underWay.values()) {
      const expired = batch.records.filter((record) => !record.isSettled && record.deadline <= now)
      if (expired.length === 0) break
      this.#reject(expired, this.#late(batch.sentAt !== undefined))
      if (batch.records.every((record) => record.isSettled)) this.#underWay.delete(batch.number)
    }
    for (let next = this.#waiting.peek(); next && next.deadline <= now; next = this.#waiting.peek())
      this.#reject([this.#take() as Waiting], this.#late(false))
    this.#sendAgain((batch) => batch.state === 'sent' && (batch.sentAt ?? now) + resendMs <= now)
    void this.#sendBatches()
    this.#timer = this.#outstanding ? this.#settings.clock.setTimer(this.#onTick, tickMs) : undefined
    if (this.#waiting.length > 0) this.#schedule()
    this.#tellWhenSettled()
  }

  #tellWhenSettled(): void {
    if (!this.#outstanding) this.#onSettled?.()
  }

  #reject(records: readonly Waiting[], error: Error): void {
    for (const record of records) {
      if (record.isSettled) continue
      record.isSettled = true
      record.reject(error)
    }
  }

  #refused({ reason, text }: DurableRefusal): DurablePutError {
    return this.#failed(reason, text, reason === 'spool-failed')
  }

  #late(wasSent: boolean): DurablePutError {
    const { durableTimeoutMs } = this.#settings
    const what = wasSent ? 'it did not answer' : 'it could not be reached'
    return this.#failed('no-answer', `${what} within ${durableTimeoutMs} ms`, wasSent)
  }

  #failed(reason: DurablePutError['reason'], what: string, mayHaveBeenKept: boolean, cause?: Error): DurablePutError {
    const { host, durablePort } = this.#settings
    const message = `tritond at ${host}:${durablePort} did not keep a record of stream "${this.#streamName}" (${reason}): ${what}`
    return new DurablePutError(message, reason, mayHaveBeenKept, cause && { cause })
  }

  #closedError(wasSent: boolean): ClosedError {
    return new ClosedError(
      `the non-blocking stream "${this.#streamName}" was closed before tritond answered` +
        (wasSent ? '; the record may be in its spool' : ''),
    )
  }
}

/** More gain nothing: the daemon syncs what came meanwhile as one. */
const maxUnderWay = 4
const tickMs = 100
/** A daemon that has a connection and says nothing for so long has lost the batch or the answer. */
const resendMs = 10_000
const reconnectMs = 100
