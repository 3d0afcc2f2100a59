import { connect, type Socket } from 'node:net'
import { ZmtpPeer } from './zmtp-peer.ts'

export interface MessageConnectionOptions {
  host: string
  port: number
  /** Messages may be written. */
  onOpen: () => void
  /** The other end has read everything that was written before the PING. */
  onPong: () => void
  /** The system has taken a `write` that it did not take at once. */
  onWritten: () => void
  /** The connection is over, or never came about, with the reason when that is not only that nobody is there. */
  onLost: (refusal?: string) => void
}

/**
 * One connection to tritond: the PUSH end of ZeroMQ's protocol.
 *
 *     connecting -> greeting -> open -> lost
 *     any -> lost
 */
export class MessageConnection {
  readonly #options: MessageConnectionOptions
  readonly #socket: Socket
  readonly #peer: ZmtpPeer
  #isOpen = false

  constructor(options: MessageConnectionOptions) {
    this.#options = options
    this.#peer = new ZmtpPeer({ role: 'PUSH', maxFrameBytes, onPong: options.onPong })
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true, keepAlive: true })
    this.#socket.setTimeout(handshakeMs, () => this.#socket.destroy())
    this.#socket.on('connect', () => this.#reply())
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.#socket.on('error', () => undefined)
    this.#socket.on('close', () => {
      this.#isOpen = false
      options.onLost(this.#peer.problem?.detail)
    })
  }

  /** False as soon as the other end begins to close it: what is written then goes nowhere. */
  get isOpen(): boolean {
    return this.#isOpen && this.#socket.writable
  }

  /** A PING that is written will be answered. */
  get doesPing(): boolean {
    return this.#peer.doesPing
  }

  /** True when the system has taken all of it, and `bytes` may be used again; else `onWritten` hears of that. */
  write(bytes: Buffer): boolean {
    this.#socket.write(bytes)
    if (this.#socket.writableLength === 0) return true
    // Written behind it, so that its end is the end of both.
    this.#socket.write(nothing, (error) => {
      if (!error) this.#options.onWritten()
    })
    return false
  }

  /** Whether the process stays alive for this connection. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#socket.ref()
    else this.#socket.unref()
  }

  /** What was written is sent yet. */
  end(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#peer.push(chunk)
    // tritond says nothing but commands, which `next` looks at.
    while (this.#peer.next() !== undefined);
    this.#reply()
    if (this.#peer.problem !== undefined) this.#socket.destroy()
    else if (this.#peer.isOpen && !this.#isOpen) {
      this.#isOpen = true
      this.#socket.setTimeout(0)
      this.#options.onOpen()
    }
  }

  #reply(): void {
    const reply = this.#peer.takeReply()
    if (reply !== undefined) this.#socket.write(reply)
  }
}

const nothing = Buffer.alloc(0)
/** Of what comes back; commands are small. */
const maxFrameBytes = 64 * 1024
const handshakeMs = 5_000
