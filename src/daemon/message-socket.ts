import type { Pull } from 'zeromq'
import { StorageError } from '../errors.ts'

/** Takes a message. A promise says that there is no room: the next message is read when it resolves. */
export type TakeMessage = (frames: Buffer[]) => Promise<void> | undefined

/**
 * The socket that clients push records to.
 *
 *     reading -> waiting: whoever takes the messages has no room -> reading
 *     reading, waiting -> draining: takes what has arrived, and no more -> closed
 */
export class MessageSocket {
  readonly endpoint: string
  readonly #socket: Pull
  readonly #done: Promise<void>
  #isReceiving = false
  #isDraining = false

  private constructor(socket: Pull, take: TakeMessage) {
    this.#socket = socket
    this.endpoint = socket.lastEndpoint ?? ''
    this.#done = this.#read(take)
  }

  /** Listens, or throws a StorageError that says why it can't. Port 0 takes a free one. */
  static async open(host: string, port: number, take: TakeMessage): Promise<MessageSocket> {
    const { Pull } = await import('zeromq')
    const socket = new Pull({ receiveHighWaterMark: receiveQueueMessages, maxMessageSize: maxMessageBytes, linger: 0 })
    try {
      await socket.bind(`tcp://${host}:${port === 0 ? '*' : port}`)
    } catch (cause) {
      socket.close()
      throw new StorageError(describeBindFailure(host, port, cause), { cause })
    }
    return new MessageSocket(socket, take)
  }

  /** Reads what has arrived already, and resolves when all of it was taken. May be called twice. */
  async close(): Promise<void> {
    this.#isDraining = true
    // A read that waits shows that nothing is there; else the next one finds out.
    if (this.#isReceiving) this.#socket.close()
    else if (!this.#socket.closed) this.#socket.receiveTimeout = 0
    await this.#done
  }

  async #read(take: TakeMessage): Promise<void> {
    let drainedCount = 0
    while (!(this.#isDraining && ++drainedCount > drainLimitMessages)) {
      let frames: Buffer[]
      this.#isReceiving = true
      try {
        frames = await this.#socket.receive()
      } catch (error) {
        if (this.#isDraining) break
        throw error
      } finally {
        this.#isReceiving = false
      }
      const room = take(frames)
      if (room !== undefined) await room
    }
    this.#socket.close()
  }
}

/** Why ZeroMQ would not listen there, and what to do. */
export function describeBindFailure(
  host: string,
  port: number,
  cause: unknown,
  flag = '--port or TRITON_ZMQ_PORT',
): string {
  const { code, message } = cause as NodeJS.ErrnoException
  const place = `${host}:${port}`
  switch (code) {
    case 'EADDRINUSE':
      return `can't listen at ${place}: the port is in use. Does another tritond run here? ${flag} chooses another`
    case 'EACCES':
      return `can't listen at ${place}: this user may not use the port; take one above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENODEV':
    case 'EINVAL':
      return `can't listen at ${place}: ${host} is no address of this machine; --host or TRITON_ZMQ_HOST chooses another`
    default:
      return `can't listen at ${place}: ${message}`
  }
}

/** Messages that ZeroMQ holds for us per client; what is there is not counted by anybody. */
const receiveQueueMessages = 100
/** ZeroMQ cuts the connection of a client that sends a larger frame. The largest record of Kinesis is 10 MiB. */
const maxMessageBytes = 16 * 1024 * 1024
/** Clients that never pause can't keep a daemon from ending. */
const drainLimitMessages = 10_000
