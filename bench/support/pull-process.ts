import { fork } from 'node:child_process'
import { Pull } from 'zeromq'

/** A process that takes messages off a PULL socket and throws them away, as fast as it can. */
export interface PullProcess {
  readonly port: number
  close(): void
}

export async function startPullProcess(): Promise<PullProcess> {
  const child = fork(import.meta.filename, ['pull'], { execArgv: ['--import', 'tsx'] })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)))
    child.once('exit', (code) => reject(new Error(`the pulling process ended with exit code ${code}`)))
  })
  return { port, close: () => void child.kill() }
}

if (process.argv[2] === 'pull') {
  const socket = new Pull({ receiveHighWaterMark: 10_000 })
  await socket.bind('tcp://127.0.0.1:*')
  process.send?.(Number(/[0-9]+$/.exec(socket.lastEndpoint ?? '')?.[0]))
  process.once('disconnect', () => process.exit())
  for (;;) await socket.receive()
}
