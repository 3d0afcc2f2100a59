import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { startLocalEngine } from '../../src/local/index.ts'

/**
 * A server in a process of its own, so that its CPU and memory can be measured: `serve.ts triton|kinesalite DIR`.
 * Tells its port over IPC, and on each message what it has used so far.
 */
const [kind, dir = ''] = process.argv.slice(2)
const instant = { createStreamMs: 0, updateStreamMs: 0, deleteStreamMs: 0 }

export interface Served {
  port: number
  /** Milliseconds from the start of the process's own code until it could be talked to. */
  startMs: number
}

export interface Usage {
  cpuUs: number
  rssBytes: number
}

const startedMs = performance.now()
const port =
  kind === 'kinesalite' ? await serveKinesalite() : (await startLocalEngine({ dataDir: dir, ...instant })).port
process.send?.({ port, startMs: performance.now() - startedMs } satisfies Served)
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ cpuUs: user + system, rssBytes: process.memoryUsage.rss() } satisfies Usage)
})
process.on('disconnect', () => process.exit())

async function serveKinesalite(): Promise<number> {
  const kinesalite = createRequire(import.meta.url)('kinesalite')
  const server = kinesalite({ path: dir, shardLimit: 100, ...instant })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
