import { createServer, type Server, type Socket } from 'node:net'
import { ZmtpPeer } from '../../src/daemon/zmtp-peer.ts'

export interface RawPullOptions {
  /** Says this to whoever connects, and nothing else. */
  banner?: string
  /** Of ZeroMQ's protocol: says so, and takes its clients for such ones. */
  isVersion2?: boolean
  /** Answers no PING. */
  isMute?: boolean
}

/** The daemon's end of the message port with habits that no daemon of ours has. */
export class RawPull implements Disposable {
  readonly messages: Buffer[][] = []
  readonly #server: Server
  readonly #options: RawPullOptions
  readonly #sockets = new Set<Socket>()
  #waiting: (() => void)[] = []
  connectionCount = 0

  private constructor(server: Server, options: RawPullOptions) {
    this.#server = server
    this.#options = options
    server.on('connection', (socket) => this.#welcome(socket))
  }

  static async listen(options: RawPullOptions = {}): Promise<RawPull> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new RawPull(server, options)
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await new Promise<void>((wake) => this.#waiting.push(wake))
  }

  /** Cuts the connections that there are. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #welcome(socket: Socket): void {
    this.connectionCount++
    this.#sockets.add(socket)
    const { banner, isVersion2 = false, isMute = false } = this.#options
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes: 16_000_000 })
    const said = isVersion2 ? withRevision1() : asItIs
    const heard = isVersion2 ? withRevision1() : asItIs
    const say = () => {
      const reply = peer.takeReply()
      if (banner === undefined && reply !== undefined) socket.write(said(reply))
    }
    if (banner === undefined) say()
    else socket.write(banner)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      const wasOpen = peer.isOpen
      peer.push(heard(chunk))
      for (let frames = peer.next(); frames !== undefined; frames = peer.next())
        this.messages.push(frames.map((frame) => Buffer.from(frame)))
      if (!(isMute && wasOpen)) say()
      for (const wake of this.#waiting.splice(0)) wake()
    })
    for (const wake of this.#waiting.splice(0)) wake()
  }

  [Symbol.dispose](): void {
    this.#server.close()
    this.cut()
  }
}

function asItIs(bytes: Buffer): Buffer {
  return bytes
}

/** The byte behind the signature is the revision. */
function withRevision1(): (bytes: Buffer) => Buffer {
  let offset = 0
  return (bytes) => {
    if (offset <= 10 && offset + bytes.length > 10) bytes[10 - offset] = 1
    offset += bytes.length
    return bytes
  }
}
