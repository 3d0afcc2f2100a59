import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * A loopback port that nothing listens on. It lies below the ports that systems give to who asks for any (from 32,768
 * on): one of those may be given to the next process that asks, before its taker listens.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (await isFree(port)) return port
  }
}

/** True when it could be listened on, and is closed again: whoever connects from now on finds nobody. */
async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    await once(probe.listen(port, '127.0.0.1'), 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}

const lowest = 10_000
const highest = 32_000
