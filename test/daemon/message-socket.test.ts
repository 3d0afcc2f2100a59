import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { Push } from 'zeromq'
import { type Clock, systemClock } from '../../src/clock.ts'
import { listenAddress, MessageSocket } from '../../src/daemon/message-socket.ts'
import { encodeReady, greetingRest, pingCommand, signature } from '../../src/daemon/zmtp-frames.ts'
import type { ZmtpProblem } from '../../src/daemon/zmtp-peer.ts'
import { ManualClock } from '../support/manual-clock.ts'

const hello = Buffer.concat([signature, Buffer.from([3]), greetingRest, encodeReady('PUSH')])

test('while one message waits for room none is taken, and then all are, in the order of their clients', async (t) => {
  const taken: string[] = []
  let isFull = false
  const { socket } = await listen(t, {
    take: (text) => {
      assert.equal(isFull, false)
      taken.push(text)
      if (taken.length % 50 !== 0) return undefined
      isFull = true
      return later(() => {
        isFull = false
      })
    },
  })
  const clients = ['a', 'b', 'c']
  const pushes = clients.map(() => new Push({ linger: 1_000 }))
  t.after(() => {
    for (const push of pushes) push.close()
  })
  await Promise.all(
    pushes.map(async (push, at) => {
      push.connect(socket.endpoint)
      for (let n = 0; n < 2_000; n++) await push.send(['header', `${clients[at]} ${n}`])
    }),
  )
  while (taken.length < 6_000) await later()
  for (const client of clients)
    assert.deepEqual(
      taken.filter((text) => text.startsWith(client)),
      Array.from({ length: 2_000 }, (_, n) => `${client} ${n}`),
    )
})

test('closing takes what has arrived, whoever waits for room meanwhile', async (t) => {
  const taken: string[] = []
  const { socket } = await listen(t, {
    take: (text) => {
      taken.push(text)
      return taken.length === 10 ? later() : undefined
    },
  })
  const client = await greeted(t, socket)
  const messages = Array.from({ length: 1_000 }, (_, n) => {
    const text = `record ${n}`
    return Buffer.concat([Buffer.from([1, 1, 104, 0, text.length]), Buffer.from(text)])
  })
  await new Promise((resolve) => client.write(Buffer.concat(messages), resolve))
  await Promise.all([socket.close(), socket.close()])
  assert.deepEqual(
    taken,
    Array.from({ length: 1_000 }, (_, n) => `record ${n}`),
  )
  await assert.rejects(greeted(t, socket), { code: 'ECONNREFUSED' })
})

test('who connects and says nothing is cut off after half a minute, who has greeted is not', async (t) => {
  const clock = new ManualClock()
  const { socket } = await listen(t, { clock })
  const open = await greeted(t, socket)
  const silent = connect(portOf(socket), '127.0.0.1')
  t.after(() => silent.destroy())
  await once(silent, 'data')
  const ended = once(silent, 'close')
  silent.resume()
  await clock.advance(29_999)
  assert.equal(silent.destroyed, false)
  await clock.advance(1)
  await ended
  open.write(pingCommand)
  await once(open, 'data')
})

test('who asks on and on and reads no answers does not fill the memory', async (t) => {
  const { socket } = await listen(t, {})
  const client = await greeted(t, socket)
  client.pause()
  const before = process.memoryUsage().rss
  const pings = Buffer.concat(Array.from({ length: 100_000 }, () => pingCommand))
  for (let round = 0; round < 20; round++) await new Promise((resolve) => client.write(pings, resolve))
  const grownMib = (process.memoryUsage().rss - before) / 1024 / 1024
  assert.ok(grownMib < 150, `${Math.round(grownMib)} MiB more`)
})

test('messages that are never completed do not fill the memory: who holds most is cut off, who sends whole ones is not', async (t) => {
  const taken: string[] = []
  const { socket, problems } = await listen(t, {
    take: (text) => {
      taken.push(text)
      return undefined
    },
  })
  const honest = await greeted(t, socket)
  // A frame of 15 MiB is announced, with more to follow, and all but its last byte is sent.
  const announced = 15 * 1024 * 1024
  const start = Buffer.alloc(9)
  start[0] = 3
  start.writeBigUInt64BE(BigInt(announced), 1)
  const rest = Buffer.alloc(announced - 1)
  const greedy: Socket[] = []
  while (problems.length === 0) {
    assert.ok(greedy.length < 8, `${greedy.length} connections hold 15 MiB each`)
    const client = await greeted(t, socket)
    client.on('error', () => undefined)
    greedy.push(client)
    client.write(start)
    const isSent = new Promise<void>((resolve) => client.write(rest, () => resolve()))
    await Promise.race([isSent, once(client, 'close')])
    await later()
  }
  assert.deepEqual([...new Set(problems.map(({ reason }) => reason))], ['too-much-unfinished'])
  assert.match(problems[0]?.detail ?? '', /^\d+ MiB of messages that are not complete, of which this connection held/)
  const ended = greedy.map((client) => client.destroyed || once(client, 'close').then(() => true))
  await Promise.race(ended)
  honest.write(Buffer.concat([Buffer.from([1, 1, 104, 0, 5]), Buffer.from('whole')]))
  while (taken.length === 0) await later()
  assert.deepEqual(taken, ['whole'])
})

test('an address to listen at may be a name, an interface, or any', async () => {
  assert.equal(await listenAddress('localhost'), '127.0.0.1')
  const loopback = Object.entries(networkInterfaces()).find(([, found]) => found?.[0]?.address === '127.0.0.1')
  assert.equal(await listenAddress(loopback?.[0] ?? 'localhost'), '127.0.0.1')
  assert.equal(await listenAddress('*'), '0.0.0.0')
  assert.equal(await listenAddress('::1'), '::1')
  await assert.rejects(
    MessageSocket.open({
      host: await listenAddress('no-such-host.invalid'),
      port: 0,
      take: () => undefined,
      refuse: () => undefined,
      unfinishedBytes: 1,
      clock: systemClock,
    }),
    { code: 'TRITON_STORAGE', message: /no-such-host.invalid is no address of this machine; --host/ },
  )
})

interface Listening {
  /** Hears the second frame of each message. */
  take?: (text: string) => Promise<void> | undefined
  clock?: Clock
}

async function listen(t: TestContext, { take = () => undefined, clock = systemClock }: Listening) {
  const problems: ZmtpProblem[] = []
  const socket = await MessageSocket.open({
    host: '127.0.0.1',
    port: 0,
    take: (frames) => take(String(frames[1])),
    refuse: (problem) => problems.push(problem),
    unfinishedBytes: 64 * 1024 * 1024,
    clock,
  })
  t.after(() => socket.close())
  return { socket, problems }
}

/** A connection whose handshake is over. */
async function greeted(t: TestContext, socket: MessageSocket): Promise<Socket> {
  const client = connect(portOf(socket), '127.0.0.1')
  t.after(() => client.destroy())
  await once(client, 'connect')
  client.write(hello)
  let said = Buffer.alloc(0)
  const whole = signature.length + 1 + greetingRest.length + encodeReady('PULL').length
  while (said.length < whole) said = Buffer.concat([said, ...((await once(client, 'data')) as Buffer[])])
  return client
}

function portOf({ endpoint }: MessageSocket): number {
  return Number(endpoint.split(':').at(-1))
}

async function later(act?: () => void): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
  act?.()
}
