import { Pull, Router } from 'zeromq'
import {
  type DurableAnswer,
  type DurablePut,
  decodeDurablePut,
  encodeDurableAnswers,
} from '../../src/daemon/durable-protocol.ts'

/** The daemon's end of the message port: keeps what arrives. */
export class CatchingPull implements Disposable {
  readonly port: number
  readonly messages: Buffer[][] = []
  readonly #socket: Pull
  readonly #waiting: { count: number; resolve: () => void }[] = []

  private constructor(socket: Pull) {
    this.#socket = socket
    this.port = portOf(socket)
    void this.#read()
  }

  static async listen(port?: number): Promise<CatchingPull> {
    const socket = new Pull({ linger: 0, receiveHighWaterMark: 100 })
    await bind(socket, port)
    return new CatchingPull(socket)
  }

  /** Resolves when so many have arrived altogether. */
  arrived(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve })
      this.#tell()
    })
  }

  async #read(): Promise<void> {
    for await (const frames of this.#socket) {
      this.messages.push(frames)
      this.#tell()
    }
  }

  #tell(): void {
    for (const { count, resolve } of this.#waiting) if (this.messages.length >= count) resolve()
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

/** What is to be answered to a batch; nothing when undefined. */
export type Answer = (put: DurablePut, batchIndex: number) => DurableAnswer['refusals'] | undefined

export interface RouterOptions {
  port?: number
  /** What an answer waits for. */
  before?: () => Promise<void>
}

/** The daemon's end of the durable port: keeps the batches, and answers as it is told. */
export class CatchingRouter implements Disposable {
  readonly port: number
  readonly puts: DurablePut[] = []
  readonly #socket: Router

  private constructor(socket: Router, answer: Answer, before: (() => Promise<void>) | undefined) {
    this.#socket = socket
    this.port = portOf(socket)
    void this.#serve(answer, before)
  }

  static async listen(answer: Answer, { port, before }: RouterOptions = {}): Promise<CatchingRouter> {
    const socket = new Router({ linger: 0 })
    await bind(socket, port)
    return new CatchingRouter(socket, answer, before)
  }

  get keys(): string[] {
    return this.puts.flatMap(({ records }) => records.map(({ partitionKey }) => partitionKey))
  }

  async #serve(answer: Answer, before: (() => Promise<void>) | undefined): Promise<void> {
    for await (const [client, frame] of this.#socket) {
      const put = decodeDurablePut(frame as Buffer)
      if (put.problem !== undefined) throw new Error(put.problem)
      this.puts.push(put)
      await before?.()
      const refusals = answer(put, this.puts.length - 1)
      if (refusals === undefined || this.#socket.closed) continue
      await this.#socket.send([client as Buffer, encodeDurableAnswers([{ batchNumber: put.batchNumber, refusals }])])
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}

function portOf(socket: Pull | Router): number {
  return Number(/[0-9]+$/.exec(socket.lastEndpoint ?? '')?.[0])
}

/** ZeroMQ frees the port of a closed socket in a thread of its own, a moment later. */
async function bind(socket: Pull | Router, port: number | undefined): Promise<void> {
  for (;;)
    try {
      return await socket.bind(`tcp://127.0.0.1:${port ?? '*'}`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
}
