import { z } from 'zod'

/** How long the engine has to answer, in milliseconds. */
const answerWithinMs = 1_000

const health = z.object({ troubles: z.array(z.string()).nonempty() })

/**
 * What keeps a local engine from completing changes, in its own words; undefined when it has no trouble, can't be asked,
 * or what answers there is no engine of ours.
 */
export async function troubleAt(endpoint: string): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL('/_triton/health', endpoint), { signal: AbortSignal.timeout(answerWithinMs) })
    const { data } = health.safeParse(await answer.json())
    return data?.troubles[0]
  } catch {
    return undefined
  }
}
