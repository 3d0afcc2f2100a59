import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { MessageConnection } from '../../src/daemon/message-connection.ts'
import { signature } from '../../src/daemon/zmtp-frames.ts'

test('a connection that the other end is closing takes nothing that it will not send', async (t) => {
  const server = createServer()
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const welcomed = once(server, 'connection') as Promise<[Socket]>
  let onOpen: (() => void) | undefined
  const opened = new Promise<void>((resolve) => {
    onOpen = resolve
  })
  const connection = new MessageConnection({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    onOpen: () => onOpen?.(),
    onPong: () => undefined,
    onWritten: () => undefined,
    onLost: () => undefined,
  })
  t.after(() => connection.destroy())
  const [socket] = await welcomed
  t.after(() => socket.destroy())
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  // Version 2.0, which knows no PING: what was written is not heard of again.
  socket.write(Buffer.concat([signature, Buffer.from([1, 7, 0, 0])]))
  await opened
  const ended = once(socket, 'end')
  socket.end()
  let taken = ''
  for (let n = 0; connection.isOpen; n++) {
    const text = `<${n}>`
    if (connection.write(Buffer.from(text))) taken += text
    await new Promise(setImmediate)
  }
  await ended
  assert.ok(Buffer.concat(received).toString('latin1').endsWith(taken), taken)
})
