import type { Router } from 'zeromq'
import { StorageError } from '../errors.ts'
import {
  type DurableAnswer,
  type DurablePut,
  type DurableRefusal,
  decodeDurablePut,
  encodeDurableAnswers,
  maxDurableMessageBytes,
} from './durable-protocol.ts'
import { describeBindFailure } from './message-socket.ts'
import { zmqEndpoint } from './nonblocking-options.ts'
import type { DurableKeeper } from './record-keeper.ts'

/**
 * The socket of `putDurable`: takes batches, and answers each when all of its records are kept or refused. Answers that
 * become clear in one turn, as by one sync, travel together.
 *
 *     open --close--> closing: takes nothing new, answers what it has -> closed
 */
export class DurableSocket {
  readonly endpoint: string
  readonly #socket: Router
  /** Undefined where nothing is kept: every put is refused. */
  readonly #keeper: DurableKeeper | undefined
  /** Hears of a message that nobody can be answered to. */
  readonly #refuse: (detail: string) => void
  readonly #done: Promise<void>
  readonly #answers = new Map<string, { client: Buffer; answers: DurableAnswer[] }>()
  #unansweredCount = 0
  #onAnswered: (() => void) | undefined
  #sending: Promise<void> | undefined
  #isClosing = false

  private constructor(socket: Router, keeper: DurableKeeper | undefined, refuse: (detail: string) => void) {
    this.#socket = socket
    this.#keeper = keeper
    this.#refuse = refuse
    this.endpoint = socket.lastEndpoint ?? ''
    this.#done = this.#read()
  }

  /** Listens, or rejects with a StorageError that says why it can't. Port 0 takes a free one. */
  static async open(
    host: string,
    port: number,
    keeper: DurableKeeper | undefined,
    refuse: (detail: string) => void,
  ): Promise<DurableSocket> {
    const { Router } = await import('zeromq')
    const socket = new Router({
      ipv6: host.includes(':'),
      maxMessageSize: maxDurableMessageBytes,
      receiveHighWaterMark: mostQueued,
      linger: lingerMs,
      sendTimeout: 0,
    })
    try {
      await socket.bind(zmqEndpoint(host, port === 0 ? '*' : port))
    } catch (cause) {
      socket.close()
      throw new StorageError(describeBindFailure(host, port, cause, '--durable-port'), { cause })
    }
    return new DurableSocket(socket, keeper, refuse)
  }

  /** No put is read any more. What was read is answered as it becomes clear, until `close`. */
  stopReading(): void {
    this.#isClosing = true
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#sending
    this.#socket.close()
    await this.#done
  }

  async #read(): Promise<void> {
    for (;;) {
      let frames: Buffer[]
      try {
        frames = await this.#socket.receive()
      } catch (error) {
        if (this.#socket.closed) return
        throw error
      }
      // Clients send again what was not answered, to the next daemon or after their patience.
      if (this.#isClosing) continue
      const [client, frame] = frames
      if (client === undefined || frame === undefined || frames.length !== 2)
        this.#refuse(`${frames.length - 1} frames at the durable port, where a message has one`)
      else this.#take(client, decodeDurablePut(frame))
      while (this.#unansweredCount >= maxUnanswered) {
        await new Promise<void>((resolve) => {
          this.#onAnswered = resolve
        })
      }
    }
  }

  #take(client: Buffer, put: ReturnType<typeof decodeDurablePut>): void {
    const { batchNumber } = put
    if (put.problem !== undefined) {
      if (batchNumber === undefined) this.#refuse(`a message to the durable port: ${put.problem}`)
      else this.#answer(client, { batchNumber, refusals: [{ index: 'all', reason: put.reason, text: put.problem }] })
    } else if (this.#keeper === undefined) {
      const text = 'this tritond keeps records in memory only: start it with --spool'
      this.#answer(client, { batchNumber: put.batchNumber, refusals: [{ index: 'all', reason: 'no-spool', text }] })
    } else {
      this.#keep(client, put, this.#keeper)
    }
  }

  #keep(client: Buffer, { batchNumber, records }: DurablePut, keeper: DurableKeeper): void {
    const refusals: DurableRefusal[] = []
    let openCount = records.length + 1
    const close = () => {
      if (--openCount > 0) return
      this.#unansweredCount--
      this.#answer(client, { batchNumber, refusals })
      this.#onAnswered?.()
    }
    this.#unansweredCount++
    for (const [index, { streamName, partitionKey, body }] of records.entries()) {
      const refusal = keeper.takeDurable({ streamName, partitionKey, body }, (reason) => {
        if (reason !== undefined) refusals.push({ index, reason: 'spool-failed', text: reason })
        close()
      })
      if (refusal === undefined) continue
      refusals.push({ index, reason: refusal.reason, text: refusal.text })
      close()
    }
    close()
  }

  #answer(client: Buffer, answer: DurableAnswer): void {
    const key = client.toString('latin1')
    const waiting = this.#answers.get(key)
    if (waiting === undefined) this.#answers.set(key, { client, answers: [answer] })
    else waiting.answers.push(answer)
    this.#sending ??= this.#send()
  }

  async #send(): Promise<void> {
    await new Promise(setImmediate)
    for (const [key, { client, answers }] of this.#answers) {
      this.#answers.delete(key)
      try {
        await this.#socket.send([client, encodeDurableAnswers(answers)])
      } catch {
        // It has gone, or reads no answers: it sends again what it has none for.
      }
    }
    this.#sending = this.#answers.size > 0 ? this.#send() : undefined
  }
}

/** Batches, of at most 1 MiB each as clients make them, that are not kept yet; no more is read meanwhile. */
const maxUnanswered = 64
/** Batches of each client that wait in its connection; ours have four under way. */
const mostQueued = 8
const lingerMs = 500
