import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  encodeCommand,
  encodeReady,
  greetingRest,
  pingCommand,
  signature,
  writePrefix,
} from '../../src/daemon/zmtp-frames.ts'
import { ZmtpPeer } from '../../src/daemon/zmtp-peer.ts'
import { runs, seed } from '../support/soak.ts'

const maxFrameBytes = 100_000
/** What a pushing end of version 3.1 says before its first message. */
const hello = Buffer.concat([signature, Buffer.from([3]), greetingRest, encodeReady('PUSH')])

describe('what a pushing end sends', () => {
  test('is read as its messages, wherever TCP cuts it, with the answers that are due', () => {
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom(254, 255, 256, 70_000).map((length) => new Uint8Array(length).fill(length % 251)),
    )
    const message = fc.array(frame, { minLength: 1, maxLength: 4 })
    const cuts = fc.array(fc.nat(300), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), cuts, fc.constantFrom(2, 3), (messages, cuts, version) => {
        const before =
          version === 3 ? hello : Buffer.concat([signature, Buffer.from([1, 8]), encode([Buffer.from('me')])])
        const bytes = Buffer.concat([before, ...messages.map(encode)])
        const { found, said, peer } = feed(bytes, cuts)
        assert.equal(peer.problem, undefined)
        assert.equal(peer.isOpen, true)
        assert.deepEqual(
          found,
          messages.map((frames) => ({
            count: frames.length,
            frames: frames.slice(0, 2).map((each) => Buffer.from(each)),
          })),
        )
        const rest = version === 3 ? [Buffer.from([3]), greetingRest, encodeReady('PULL')] : [Buffer.from([3, 7, 0, 0])]
        assert.deepEqual(said, Buffer.concat([signature, ...rest]))
      }),
      { numRuns: runs(20_000), seed: seed() },
    )
  })

  test('is never more than two frames of a message in memory', () => {
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes })
    const { found } = feed(Buffer.concat([hello, encode(Array(50_000).fill(Buffer.from('x')))]), [1_000], peer)
    assert.deepEqual(found, [{ count: 50_000, frames: [Buffer.from('x'), Buffer.from('x')] }])
  })

  test('holds no memory of what was read before when it is not complete', () => {
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes })
    const last = encode([Buffer.from('header'), Buffer.alloc(1_000)])
    peer.push(Buffer.concat([hello, ...Array(500).fill(encode([Buffer.alloc(100)])), last.subarray(0, 50)]))
    while (peer.next() !== undefined);
    peer.push(last.subarray(50))
    const frames = peer.next()
    assert.deepEqual(frames, [Buffer.from('header'), Buffer.alloc(1_000)])
    assert.equal(frames?.[0]?.buffer.byteLength, 'header'.length)
  })

  test('may come byte by byte without a list of bytes', () => {
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes: 4 * 1024 * 1024 })
    const frame = Buffer.alloc(3 * 1024 * 1024, 'x')
    const bytes = Buffer.concat([hello, encode([frame]), encode([Buffer.from('y')])])
    const before = process.memoryUsage().heapUsed
    const { found } = feed(bytes, [1], peer)
    const grownMib = (process.memoryUsage().heapUsed - before) / 1024 / 1024
    assert.deepEqual(
      found,
      [frame, Buffer.from('y')].map((each) => ({ count: 1, frames: [each] })),
    )
    assert.ok(grownMib < 100, `${Math.round(grownMib)} MiB more`)
  })

  test('may come before what came earlier was read', () => {
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes })
    const text = (name: string) => encode([Buffer.from(name)])
    peer.push(Buffer.concat([hello, text('a'), text('b')]))
    assert.deepEqual(peer.next(), [Buffer.from('a')])
    peer.push(text('c').subarray(0, 1))
    peer.push(text('c').subarray(1))
    assert.deepEqual([peer.next(), peer.next(), peer.next()], [[Buffer.from('b')], [Buffer.from('c')], undefined])
  })

  test('may ask whether all was read, and hears it behind that', () => {
    const peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes })
    feed(hello, [1_000], peer)
    const ping = encodeCommand('PING', Buffer.from('\0\0context'))
    peer.push(Buffer.concat([encode([Buffer.from('a')]), ping, encode([Buffer.from('b')])]))
    assert.deepEqual(peer.next(), [Buffer.from('a')])
    assert.equal(peer.takeReply(), undefined)
    assert.deepEqual(peer.next(), [Buffer.from('b')])
    assert.deepEqual(peer.takeReply(), encodeCommand('PONG', Buffer.from('context')))
    assert.equal(peer.next(), undefined)
  })

  test('is no reason to fail, whatever it is', () => {
    const start = fc.constantFrom(
      Buffer.alloc(0),
      signature,
      hello.subarray(0, 64),
      hello,
      Buffer.concat([signature, Buffer.from([1, 8])]),
    )
    const pieces = fc.array(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(hello, pingCommand)), {
      maxLength: 4,
    })
    fc.assert(
      fc.property(start, pieces, fc.array(fc.nat(70), { minLength: 1, maxLength: 9 }), (start, pieces, cuts) => {
        const { found, peer } = feed(Buffer.concat([start, ...pieces]), cuts)
        for (const { frames, count } of found) assert.equal(frames.length, Math.min(count, 2))
        if (peer.problem !== undefined) assert.ok(peer.problem.detail.length < 300, peer.problem.detail)
      }),
      { numRuns: runs(200_000), seed: seed() },
    )
  })

  const greeting = hello.subarray(0, 64)
  const plain = Buffer.from(greeting)
  plain.fill(0, 12, 32).write('PLAIN', 12)
  const refused: [string, Buffer, RegExp][] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), /does not speak ZeroMQ's protocol: it begins with "GET \/ HTTP\/1.1/],
    ['one byte of something else', Buffer.from([0x16]), /begins with "\\u0016"/],
    ['version 1 of the protocol', Buffer.from('ff000000000000000100', 'hex'), /does not speak/],
    ['an unknown revision', Buffer.concat([signature, Buffer.from([2])]), /revision 2 of ZeroMQ's protocol/],
    ['a security mechanism', plain, /the security mechanism "PLAIN"/],
    [
      'a socket of another kind',
      Buffer.concat([greeting, encodeReady('PULL')]),
      /a socket of type "PULL", where only PUSH fits/,
    ],
    ['one of version 2.0', Buffer.concat([signature, Buffer.from([1, 5])]), /a socket of type 5/],
    ['no type', Buffer.concat([greeting, encodeCommand('READY', Buffer.alloc(0))]), /a socket of type none/],
    ['broken properties', Buffer.concat([greeting, encodeCommand('READY', Buffer.from('ffff', 'hex'))]), /type none/],
    ['a message too early', Buffer.concat([greeting, encode([Buffer.from('x')])]), /before the handshake was over/],
    ['another command first', Buffer.concat([greeting, pingCommand]), /the command "PING" before the handshake/],
    ['a command that is cut', Buffer.concat([hello, Buffer.from([4, 2, 9, 65])]), /a command of 2 bytes that is cut/],
    [
      'an error',
      Buffer.concat([greeting, encodeCommand('ERROR', Buffer.from('\x03no!'))]),
      /refused the connection: "no!"/,
    ],
    [
      'a frame that is too large',
      Buffer.concat([hello, Buffer.from('020000000000100000', 'hex')]),
      /a frame of 1048576 bytes/,
    ],
    [
      'one of 16 EiB',
      Buffer.concat([hello, Buffer.from('02ffffffffffffffff', 'hex')]),
      /a frame of 18446744073709552000/,
    ],
  ]
  for (const [what, bytes, detail] of refused)
    test(`is refused when it is ${what}`, () => {
      const { peer, found } = feed(bytes, [1_000])
      assert.match(peer.problem?.detail ?? 'no problem', detail)
      assert.deepEqual(found, [])
      assert.equal(feed(bytes, [1]).peer.problem?.reason, peer.problem?.reason)
    })
})

/** Gives `bytes` in pieces of these lengths, over and over; none is shorter than one byte. */
function feed(bytes: Buffer, cuts: readonly number[], peer = new ZmtpPeer({ role: 'PULL', maxFrameBytes })) {
  const found: { count: number; frames: Buffer[] }[] = []
  const said: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + Math.max(1, cuts[turn % cuts.length] as number)
    peer.push(bytes.subarray(at, end))
    at = end
    for (let frames = peer.next(); frames !== undefined; frames = peer.next())
      found.push({ count: peer.frameCount, frames: frames.map((frame) => Buffer.from(frame)) })
    const reply = peer.takeReply()
    if (reply !== undefined) said.push(reply)
    if (peer.problem !== undefined) break
  }
  return { found, said: Buffer.concat(said), peer }
}

function encode(frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame, at) => {
      const prefix = Buffer.alloc(9)
      return [prefix.subarray(0, writePrefix(prefix, 0, frame.length, at === frames.length - 1)), frame]
    }),
  )
}
