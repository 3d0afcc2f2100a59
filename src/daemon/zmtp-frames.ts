/*
 * ZeroMQ's protocol on a TCP connection, ZMTP 3.1 (rfc.zeromq.org/spec/37) without security, and what it has of 2.0
 * (spec/15). Each end says, numbers being big-endian:
 *
 *   10  signature: 0xff, eight bytes that only version 1 reads, 0x7f
 *    1  revision: 1 is version 2.0, 3 is 3.x
 *   3.x   1  minor version, 20 mechanism ("NULL", zeros), 1 as-server, 31 zeros; then the command READY with properties
 *   2.0   1  socket type (7 PULL, 8 PUSH), then a frame with its identity
 *
 * and then frames:
 *
 *    1  flags: 1 more frames of this message follow, 2 the length has eight bytes, 4 a command (3.x)
 *    1  or 8: the length of the body
 *    .  the body; of a command: a length byte, its name, and what it says
 *
 *   READY  properties: a length byte, the name, four bytes of length, the value
 *   PING   two bytes of time, and up to 16 of context that its PONG brings back (3.1)
 *   ERROR  a length byte and a reason
 */

export type ZmtpRole = 'PULL' | 'PUSH'

export const moreFlag = 1
export const longFlag = 2
export const commandFlag = 4

export const signature = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f])
export const revisions = { 2: 1, 3: 3 } as const
/** What follows revision 3. */
export const greetingRest = Buffer.concat([Buffer.from([1]), Buffer.from('NULL'), Buffer.alloc(16 + 1 + 31)])
export const mechanismStart = 1
export const mechanismBytes = 20
/** Of version 2.0. */
export const socketTypes = { PULL: 7, PUSH: 8 } as const
export const emptyIdentity = Buffer.from([0, 0])

/** What the other end answers, from 3.1 on, when it has read everything before. */
export const pingCommand = encodeCommand('PING', Buffer.alloc(2))

export function encodeReady(role: ZmtpRole): Buffer {
  const name = 'Socket-Type'
  const property = Buffer.from(
    `${String.fromCharCode(name.length)}${name}\0\0\0${String.fromCharCode(role.length)}${role}`,
  )
  return encodeCommand('READY', property)
}

export function encodeCommand(name: string, said: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from([name.length]), Buffer.from(name), said])
  return Buffer.concat([Buffer.from([commandFlag, body.length]), body])
}

/** A command's name and what it says; undefined when it is none. */
export function decodeCommand(frame: Buffer): { name: string; said: Buffer } | undefined {
  const end = 1 + (frame[0] ?? 0)
  if (frame.length < end) return undefined
  return { name: frame.toString('latin1', 1, end), said: frame.subarray(end) }
}

/** READY's properties by their names in small letters, which is how they are compared; undefined when they are broken. */
export function decodeProperties(said: Buffer): Map<string, string> | undefined {
  const properties = new Map<string, string>()
  for (let at = 0; at < said.length; ) {
    const nameEnd = at + 1 + (said[at] as number)
    if (nameEnd + 4 > said.length) return undefined
    const end = nameEnd + 4 + said.readUInt32BE(nameEnd)
    if (end > said.length) return undefined
    properties.set(said.toString('latin1', at + 1, nameEnd).toLowerCase(), said.toString('latin1', nameEnd + 4, end))
    at = end
  }
  return properties
}

/** Bytes before the body of a frame. */
export function prefixBytesOf(length: number): number {
  return length < 0x100 ? 2 : 9
}

/** Writes what stands before the body of a frame, and answers where the body begins. */
export function writePrefix(target: Buffer, at: number, length: number, isLast: boolean): number {
  const more = isLast ? 0 : moreFlag
  if (length < 0x100) {
    target[at] = more
    target[at + 1] = length
    return at + 2
  }
  target[at] = more | longFlag
  target.writeUInt32BE(Math.floor(length / 2 ** 32), at + 1)
  target.writeUInt32BE(length % 2 ** 32, at + 5)
  return at + 9
}
