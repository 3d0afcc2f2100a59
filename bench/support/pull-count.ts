import { Pull } from 'zeromq'

/** Takes so many messages off a PULL socket, throws them away, and tells where it listens and when it has them all. */
const socket = new Pull({ receiveHighWaterMark: 100 })
await socket.bind('tcp://127.0.0.1:*')
process.send?.(socket.lastEndpoint)
for (let left = Number(process.argv[2]); left > 0; left--) await socket.receive()
process.send?.('done', () => process.exit())
