/** Text in msgpack's old raw family, without str8: the only one that the old daemon's libraries write. */
export function rawText(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length < 32) return Buffer.concat([Buffer.of(0xa0 | bytes.length), bytes])
  const head = Buffer.alloc(bytes.length < 0x1_0000 ? 3 : 5)
  head[0] = head.length === 3 ? 0xda : 0xdb
  if (head.length === 3) head.writeUInt16BE(bytes.length, 1)
  else head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
