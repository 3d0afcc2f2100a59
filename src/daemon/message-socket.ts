import { lookup } from 'node:dns/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Clock, Timer } from '../clock.ts'
import { StorageError } from '../errors.ts'
import { zmqEndpoint } from './nonblocking-options.ts'
import { ZmtpPeer, type ZmtpProblem } from './zmtp-peer.ts'

export interface MessageSocketOptions {
  host: string
  /** 0 takes a free one. */
  port: number
  /**
   * Takes a message: its first two frames, which are views that are overwritten by nobody but hold more memory than their
   * own, and how many it had. A promise says that there is no room: the next message is read when it resolves.
   */
  take: (frames: Buffer[], frameCount: number) => Promise<void> | undefined
  /** Hears of a connection that was cut. */
  refuse: (problem: ZmtpProblem) => void
  /** What messages that are not complete may hold, of all connections together; one of the largest always may. */
  unfinishedBytes: number
  clock: Clock
}

interface Connection {
  socket: Socket
  peer: ZmtpPeer
  handshake: Timer
  /** Of its message that is not complete yet, as far as it is counted. */
  unfinishedBytes: number
}

/**
 * The socket that clients push records to: the PULL end of ZeroMQ's protocol, on Node's own sockets. libzmq hands over each
 * message by itself, from a thread of its own and in memory of its own; here one read brings some hundred of them.
 *
 *     reading -> waiting: whoever takes the messages has no room; no connection is read -> reading
 *     reading, waiting -> draining: takes what has arrived, and no more -> closed
 *     any --cut--> closed: takes nothing more
 */
export class MessageSocket {
  readonly endpoint: string
  readonly #server: Server
  readonly #options: MessageSocketOptions
  readonly #connections = new Set<Connection>()
  /** While there is no room: resolves when there is. */
  #waiting: Promise<void> | undefined
  /** Came, or could not be read to its end, while there was no room. */
  readonly #unread = new Set<Connection>()
  #hasHeard = false
  /** Of all connections. */
  #unfinishedBytes = 0
  #takenCount = 0
  #closed: Promise<void> | undefined
  #isCut = false

  private constructor(server: Server, endpoint: string, options: MessageSocketOptions) {
    this.#server = server
    this.endpoint = endpoint
    this.#options = options
    server.on('connection', (socket) => this.#welcome(socket))
  }

  /** Listens, or throws a StorageError that says why it can't. */
  static async open(options: MessageSocketOptions): Promise<MessageSocket> {
    const { host, port } = options
    const server = createServer({ keepAlive: true, noDelay: true })
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen({ host, port }, resolve)
      })
    } catch (cause) {
      throw new StorageError(describeBindFailure(host, port, cause), { cause })
    }
    const address = server.address()
    if (address === null || typeof address === 'string') throw new StorageError(`${host}:${port} is no TCP address`)
    // A connection that could not be accepted is its client's to try again.
    server.on('error', () => undefined)
    return new MessageSocket(server, zmqEndpoint(address.address, address.port), options)
  }

  /** Reads what has arrived already, and resolves when all of it was taken. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#drain()
    return this.#closed
  }

  /** Ends it at once. A client sends again what it had sent. */
  cut(): void {
    this.#isCut = true
    void this.close()
    for (const { socket } of this.#connections) socket.destroy()
  }

  async #drain(): Promise<void> {
    this.#server.close()
    const takenBefore = this.#takenCount
    do {
      await this.#waiting
      this.#hasHeard = false
      // The first turn may be half over: all of the second is ours, and brings what has arrived.
      await turn()
      await turn()
      // Clients that never pause can't keep a daemon from ending.
    } while (this.#isDraining && this.#takenCount - takenBefore < drainLimitMessages)
    for (const { socket } of this.#connections) socket.destroy()
  }

  get #isDraining(): boolean {
    return !this.#isCut && (this.#hasHeard || this.#waiting !== undefined)
  }

  #welcome(socket: Socket): void {
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes })
    const handshake = this.#options.clock.setTimer(() => socket.destroy(), handshakeMs)
    const connection = { socket, peer, handshake, unfinishedBytes: 0 }
    this.#connections.add(connection)
    socket.on('data', (chunk: Buffer) => {
      this.#hasHeard = true
      peer.push(chunk)
      if (this.#waiting === undefined) this.#read(connection)
      else this.#unread.add(connection)
      this.#count(connection, peer.unfinishedBytes)
    })
    // What it means for records is that none come any more.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      handshake.cancel()
      this.#count(connection, 0)
      this.#connections.delete(connection)
    })
    if (this.#waiting !== undefined) socket.pause()
    this.#reply(connection)
  }

  #read(connection: Connection): void {
    const { socket, peer, handshake } = connection
    for (let frames = peer.next(); frames !== undefined; frames = peer.next()) {
      this.#takenCount++
      const room = this.#options.take(frames, peer.frameCount)
      if (room === undefined) continue
      this.#unread.add(connection)
      this.#waiting = this.#waitFor(room)
      return
    }
    if (peer.isOpen) handshake.cancel()
    this.#reply(connection)
    if (peer.problem === undefined) return
    this.#options.refuse(peer.problem)
    socket.destroy()
  }

  async #waitFor(room: Promise<void>): Promise<void> {
    for (const { socket } of this.#connections) socket.pause()
    await room
    this.#waiting = undefined
    if (this.#isCut) return
    for (const connection of this.#unread) {
      this.#unread.delete(connection)
      this.#read(connection)
      this.#count(connection, connection.socket.destroyed ? 0 : connection.peer.unfinishedBytes)
      // There is none again, and what remains is read after that.
      if (this.#waiting !== undefined) return this.#waiting
    }
    for (const { socket } of this.#connections) socket.resume()
  }

  /**
   * Messages that are never completed can't fill the memory, however many connections begin one: who holds most of it is
   * cut off. A client sends again what it had sent.
   */
  #count(connection: Connection, unfinishedBytes: number): void {
    this.#unfinishedBytes += unfinishedBytes - connection.unfinishedBytes
    connection.unfinishedBytes = unfinishedBytes
    while (this.#unfinishedBytes > Math.max(this.#options.unfinishedBytes, largestMessageBytes)) {
      const largest = [...this.#connections].reduce((a, b) => (b.unfinishedBytes > a.unfinishedBytes ? b : a))
      const mebibytes = Math.round(this.#unfinishedBytes / 2 ** 20)
      this.#options.refuse({
        reason: 'too-much-unfinished',
        detail: `${mebibytes} MiB of messages that are not complete, of which this connection held the most`,
      })
      this.#unfinishedBytes -= largest.unfinishedBytes
      largest.unfinishedBytes = 0
      largest.socket.destroy()
    }
  }

  /** Who asks on and on and reads no answers gets none. */
  #reply({ socket, peer }: Connection): void {
    const reply = peer.takeReply()
    if (reply !== undefined && socket.writableLength < maxReplyBytes) socket.write(reply)
  }
}

/** An address to listen at: `*` is all of IPv4, and a network interface has one, as ZeroMQ has it; a name is looked up. */
export async function listenAddress(host: string): Promise<string> {
  if (host === '*') return '0.0.0.0'
  const ofInterface = networkInterfaces()[host]?.find(({ family }) => family === 'IPv4')
  if (ofInterface !== undefined) return ofInterface.address
  try {
    // Clients that know IPv4 only are there in the field.
    const found = await lookup(host, { all: true })
    return (found.find(({ family }) => family === 4) ?? found[0])?.address ?? host
  } catch {
    return host
  }
}

/** Why it can't listen there, and what to do. */
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
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `can't listen at ${place}: ${host} is no address of this machine; --host or TRITON_ZMQ_HOST chooses another`
    default:
      return `can't listen at ${place}: ${message}`
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The largest record of Kinesis is 10 MiB; whoever sends a larger frame is cut off. */
const maxFrameBytes = 16 * 1024 * 1024
/** As libzmq has it. */
const handshakeMs = 30_000
/** A frame, what was read behind it, and the header. */
const largestMessageBytes = maxFrameBytes + 1024 * 1024
const maxReplyBytes = 64 * 1024
const drainLimitMessages = 10_000
