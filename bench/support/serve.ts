import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { type AddressInfo, connect } from 'node:net'
import { dirname, join } from 'node:path'
import { type LocalEngineOptions, startLocalEngine } from '../../src/local/index.ts'
import { freePort } from '../../test/support/free-port.ts'

/**
 * Servers in processes of their own, so that their CPU and memory can be measured: Triton and kinesalite with their data
 * on disk, kinesis-local in memory (on disk it knows one JSON file, written anew every few seconds).
 */
export type ServerKind = 'triton' | 'kinesalite' | 'kinesis-local'

export interface Usage {
  cpuUs: number
  rssBytes: number
}

export interface Server {
  readonly port: number
  /** Milliseconds from the start of the process's own code until it could be talked to. */
  readonly startMs: number
  usage(): Promise<Usage>
  kill(): Promise<void>
}

export async function serve(
  kind: ServerKind,
  dir: string,
  sync: LocalEngineOptions['sync'] = 'interval',
): Promise<Server> {
  const profileDir = process.env['BENCH_PROF']
  const execArgv = ['--import', 'tsx', ...(profileDir ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [])]
  const child = fork(import.meta.filename, [kind, dir, sync], { execArgv })
  const [served] = (await Promise.race([once(child, 'message'), failed(child, kind)])) as [Served]
  return {
    ...served,
    async usage() {
      child.send('usage')
      const [usage] = (await once(child, 'message')) as [Usage]
      return usage
    },
    async kill() {
      const exited = once(child, 'exit')
      if (profileDir) child.disconnect()
      else child.kill('SIGKILL')
      await exited
    },
  }
}

/** What the server used while something was done to it. */
export async function timed<T>(
  server: Server,
  act: () => Promise<T>,
): Promise<{ seconds: number; cpuUs: number; rssBytes: number; result: T }> {
  const before = await server.usage()
  const startedMs = performance.now()
  const result = await act()
  const seconds = (performance.now() - startedMs) / 1000
  const after = await server.usage()
  return { seconds, cpuUs: after.cpuUs - before.cpuUs, rssBytes: after.rssBytes, result }
}

interface Served {
  port: number
  startMs: number
}

async function failed(child: ChildProcess, kind: ServerKind): Promise<never> {
  const [code] = await once(child, 'exit')
  throw new Error(`${kind} ended with ${code} before it listened`)
}

const instant = { createStreamMs: 0, updateStreamMs: 0, deleteStreamMs: 0 }

async function runServer(kind: ServerKind, dir: string, sync: 'always' | 'interval' | 'never'): Promise<void> {
  const startedMs = performance.now()
  const port = await listen(kind, dir, sync)
  process.send?.({ port, startMs: performance.now() - startedMs } satisfies Served)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage.rss() } satisfies Usage)
  })
  process.on('disconnect', () => process.exit())
}

async function listen(kind: ServerKind, dir: string, sync: 'always' | 'interval' | 'never'): Promise<number> {
  switch (kind) {
    case 'triton':
      return (await startLocalEngine({ dataDir: dir, sync, ...instant })).port
    case 'kinesalite':
      return listenKinesalite(dir)
    case 'kinesis-local':
      return listenKinesisLocal()
  }
}

async function listenKinesalite(dir: string): Promise<number> {
  const server = createRequire(import.meta.url)('kinesalite')({ path: dir, shardLimit: 100, ...instant })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** It starts by being loaded, and says nothing when it listens. */
async function listenKinesisLocal(): Promise<number> {
  const [plain, tls] = [await freePort(), await freePort()]
  const program = createRequire(import.meta.url).resolve('kinesis-local')
  Object.assign(process.env, {
    KINESIS_MOCK_PLAIN_PORT: String(plain),
    KINESIS_MOCK_TLS_PORT: String(tls),
    KINESIS_MOCK_CERT_PATH: join(dirname(program), 'server.json'),
    CREATE_STREAM_DURATION: '1ms',
    LOG_LEVEL: 'ERROR',
  })
  createRequire(import.meta.url)(program)
  const deadlineMs = performance.now() + 60_000
  while (!(await answers(plain))) {
    if (performance.now() > deadlineMs) throw new Error('kinesis-local does not listen after a minute')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return plain
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

if (process.argv[1] === import.meta.filename) {
  const [kind, dir, sync] = process.argv.slice(2) as [ServerKind, string, 'always' | 'interval' | 'never']
  await runServer(kind, dir, sync)
}
