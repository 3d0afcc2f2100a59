import {
  commandFlag,
  decodeCommand,
  decodeProperties,
  emptyIdentity,
  encodeCommand,
  encodeReady,
  greetingRest,
  longFlag,
  mechanismBytes,
  mechanismStart,
  moreFlag,
  revisions,
  signature,
  socketTypes,
  type ZmtpRole,
} from './zmtp-frames.ts'

/** Why a connection can't go on. */
export interface ZmtpProblem {
  reason: ConnectionRefusal
  /** The same for people, with what was found. */
  detail: string
}

export type ConnectionRefusal = (typeof connectionRefusals)[number]
/** All there are, for counters that start at zero. */
export const connectionRefusals = ['not-zeromq', 'frame-too-large', 'too-much-unfinished'] as const

export interface ZmtpPeerOptions {
  role: ZmtpRole
  maxFrameBytes: number
  /** The other end has read everything that stood before a PING of ours. */
  onPong?: () => void
}

/**
 * One end of a ZeroMQ connection, without its socket: what the other end says goes in, messages come out, and what has to
 * be said in answer.
 *
 *     signature -> revision -> (3.x) greeting -> ready -> open
 *                           -> (2.0) socket-type -> identity -> open
 *     any --problem--> the connection is to be cut
 *
 * Each state waits for what it is called after. Our greeting is said piece by piece, each when the other end's piece before
 * has come, as ZeroMQ does it: an end of version 2.0 takes the byte behind our revision for our socket type.
 */
export class ZmtpPeer {
  readonly #options: ZmtpPeerOptions
  #state: 'signature' | 'revision' | 'greeting' | 'ready' | 'socket-type' | 'identity' | 'open' = 'signature'
  #doesPing = false
  #problem: ZmtpProblem | undefined
  #replies: Buffer[] = [signature]
  /** What is being read, and where its next piece begins. */
  #chunk: Buffer = nothing
  #at = 0
  /** What came while the next piece is not complete, with room behind it, and how much that piece needs. */
  #partial: Buffer = nothing
  #partialBytes = 0
  #neededBytes = 1
  /** Of the message that is being read, the first two. */
  #frames: Buffer[] = []
  #frameCount = 0
  #lastFrameCount = 0

  constructor(options: ZmtpPeerOptions) {
    this.#options = options
  }

  /** Messages may be sent. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** The other end answers a PING, which came with version 3.1. */
  get doesPing(): boolean {
    return this.#doesPing
  }

  get problem(): ZmtpProblem | undefined {
    return this.#problem
  }

  /** Memory of the message that is not complete yet. */
  get unfinishedBytes(): number {
    return this.#frames.reduce((sum, frame) => sum + frame.length, this.#partial.length)
  }

  /** Frames of the message that `next` has just answered, which holds the first two at most. */
  get frameCount(): number {
    return this.#lastFrameCount
  }

  /** Takes what came. */
  push(bytes: Buffer): void {
    // Most often all of what came before was read.
    const chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), bytes]) : bytes
    if (this.#partialBytes > 0 || chunk.length < this.#neededBytes) {
      this.#keep(chunk)
      if (this.#partialBytes < this.#neededBytes) return
      this.#chunk = this.#partial.subarray(0, this.#partialBytes)
      this.#partial = nothing
      this.#partialBytes = 0
    } else this.#chunk = chunk
    this.#at = 0
  }

  /** The next message, its frames being views of what came; undefined when more has to come, or there is a problem. */
  next(): Buffer[] | undefined {
    // Nothing new can be read while a piece is incomplete, and what it needs stays known.
    if (this.#problem !== undefined || this.#partialBytes > 0) return undefined
    while (this.#isGreeting()) if (!this.#greet()) return undefined
    for (;;) {
      const chunk = this.#chunk
      const start = this.#at
      if (start + 2 > chunk.length) return this.#need(2)
      const flags = chunk[start] as number
      let bodyStart = start + 2
      let length = chunk[start + 1] as number
      if ((flags & longFlag) !== 0) {
        bodyStart = start + 9
        if (bodyStart > chunk.length) return this.#need(9)
        length = chunk.readUInt32BE(start + 1) * 2 ** 32 + chunk.readUInt32BE(start + 5)
        const { maxFrameBytes } = this.#options
        if (length > maxFrameBytes)
          return this.#fail('frame-too-large', `a frame of ${length} bytes, where ${maxFrameBytes} are the most`)
      }
      const end = bodyStart + length
      if (end > chunk.length) return this.#need(end - start)
      this.#at = end
      const frame = chunk.subarray(bodyStart, end)
      if ((flags & commandFlag) !== 0) this.#obey(frame)
      else if (this.#state === 'identity') this.#state = 'open'
      else if (this.#state === 'ready') this.#fail('not-zeromq', 'a message before the handshake was over')
      else if (this.#isWhole(frame, (flags & moreFlag) === 0)) return this.#takeFrames()
      if (this.#problem !== undefined) return undefined
    }
  }

  /** What has to be said now; undefined when nothing. */
  takeReply(): Buffer | undefined {
    if (this.#replies.length === 0) return undefined
    const reply = Buffer.concat(this.#replies)
    this.#replies = []
    return reply
  }

  #isGreeting(): boolean {
    return this.#state !== 'open' && this.#state !== 'ready' && this.#state !== 'identity'
  }

  /** Reads one piece of the greeting; false when it isn't there, or wrong. */
  #greet(): boolean {
    const { role } = this.#options
    switch (this.#state) {
      case 'signature': {
        // Whoever speaks another protocol often waits for an answer after fewer than ten bytes.
        const first = this.#take(1, false)
        if (first !== undefined && first[0] !== signature[0]) return this.#isNoZeromq()
        const piece = this.#take(signature.length)
        if (piece === undefined) return false
        if (((piece[9] as number) & 1) === 0) return this.#isNoZeromq()
        return this.#go('revision', Buffer.from([revisions[3]]))
      }
      case 'revision': {
        const revision = this.#take(1)?.[0]
        if (revision === undefined) return false
        if (revision === revisions[2]) return this.#go('socket-type', Buffer.from([socketTypes[role]]))
        if (revision >= revisions[3]) return this.#go('greeting', greetingRest)
        this.#fail('not-zeromq', `revision ${revision} of ZeroMQ's protocol, where 1 and 3 are known`)
        return false
      }
      case 'greeting': {
        const piece = this.#take(greetingRest.length)
        if (piece === undefined) return false
        this.#doesPing = (piece[0] as number) >= 1
        const mechanism = piece.toString('latin1', mechanismStart, mechanismStart + mechanismBytes).replace(/\0+$/, '')
        if (mechanism === 'NULL') return this.#go('ready', encodeReady(role))
        this.#fail('not-zeromq', `the security mechanism ${shown(mechanism)}, where there is none (NULL)`)
        return false
      }
      default: {
        const type = this.#take(1)?.[0]
        if (type === undefined) return false
        if (type === socketTypes[partnerOf[role]]) return this.#go('identity', emptyIdentity)
        this.#fail('not-zeromq', `a socket of type ${type}, where only ${partnerOf[role]} fits`)
        return false
      }
    }
  }

  #go(state: 'revision' | 'greeting' | 'ready' | 'socket-type' | 'identity', reply: Buffer): true {
    this.#state = state
    this.#replies.push(reply)
    return true
  }

  #isNoZeromq(): false {
    const start = shown(this.#chunk.toString('latin1', this.#at, this.#at + shownLength))
    this.#fail('not-zeromq', `a connection that does not speak ZeroMQ's protocol: it begins with ${start}`)
    return false
  }

  #obey(frame: Buffer): void {
    const command = decodeCommand(frame)
    if (command === undefined) {
      this.#fail('not-zeromq', `a command of ${frame.length} bytes that is cut`)
    } else if (command.name === 'READY' && this.#state === 'ready') {
      const partner = partnerOf[this.#options.role]
      const type = decodeProperties(command.said)?.get('socket-type')
      if (type === partner) this.#state = 'open'
      else this.#fail('not-zeromq', `a socket of type ${shown(type)}, where only ${partner} fits`)
    } else if (command.name === 'ERROR') {
      const reason = command.said.toString('latin1', 1, 1 + (command.said[0] ?? 0))
      this.#fail('not-zeromq', `the other end refused the connection: ${shown(reason)}`)
    } else if (this.#state === 'ready') {
      this.#fail('not-zeromq', `the command ${shown(command.name)} before the handshake was over`)
    } else if (command.name === 'PING') {
      this.#replies.push(encodeCommand('PONG', command.said.subarray(2, 2 + maxContextBytes)))
    } else if (command.name === 'PONG') {
      this.#options.onPong?.()
    }
    // Others are for other kinds of sockets.
  }

  #isWhole(frame: Buffer, isLast: boolean): boolean {
    // However many a message has, no more is held.
    if (this.#frameCount < 2) this.#frames.push(frame)
    this.#frameCount++
    return isLast
  }

  #takeFrames(): Buffer[] {
    const frames = this.#frames
    this.#lastFrameCount = this.#frameCount
    this.#frames = []
    this.#frameCount = 0
    return frames
  }

  /** So many bytes; undefined, and asked for, when they are not there. */
  #take(length: number, isTaken = true): Buffer | undefined {
    const end = this.#at + length
    if (end > this.#chunk.length) return this.#need(length)
    const piece = this.#chunk.subarray(this.#at, end)
    if (isTaken) this.#at = end
    return piece
  }

  #need(bytes: number): undefined {
    this.#neededBytes = bytes
    if (this.#at < this.#chunk.length) this.#keep(this.#chunk.subarray(this.#at))
    this.#chunk = nothing
    this.#at = 0
    // They may have to wait for long, and would hold all that was read with them.
    for (const [index, frame] of this.#frames.entries())
      if (frame.buffer.byteLength > frame.length) this.#frames[index] = ownCopy(frame)
    return undefined
  }

  /** In twice the memory of what came at most: neither of what was only announced, nor of a list of single bytes. */
  #keep(bytes: Buffer): void {
    const length = this.#partialBytes + bytes.length
    if (length > this.#partial.length) {
      const room = Math.min(2 * this.#partial.length, this.#neededBytes + readBytes)
      const grown = Buffer.allocUnsafeSlow(Math.max(length, room))
      this.#partial.copy(grown, 0, 0, this.#partialBytes)
      this.#partial = grown
    }
    bytes.copy(this.#partial, this.#partialBytes)
    this.#partialBytes = length
  }

  #fail(reason: ConnectionRefusal, detail: string): undefined {
    this.#problem = { reason, detail }
    return undefined
  }
}

function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

/** What others wrote, for people: a line of bounded length, whatever it was. */
function shown(text: string | undefined): string {
  if (text === undefined) return 'none'
  const json = JSON.stringify(text.slice(0, shownLength))
  // A byte such as 0 takes six characters.
  return json.length <= 100 ? json : JSON.stringify(text.slice(0, 16))
}

const partnerOf = { PULL: 'PUSH', PUSH: 'PULL' } as const
const nothing = Buffer.alloc(0)
const shownLength = 40
/** What Node reads at a time. */
const readBytes = 64 * 1024
const maxContextBytes = 16
