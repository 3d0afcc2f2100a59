import { ConfigError } from '../errors.ts'
import { type ArchiveKey, byTime, isShardWho } from './archive-key.ts'

/**
 * Which of a stream's archives to read, and in which order, by the rules that the older programs' archives need:
 *
 * - a client was named: its files (`archive`: the dumps of whole days; `shardId`: those of the shards)
 * - a day has dumps (`archive`): they are the whole day
 * - the files of all shards belong together
 * - anything else has one client, or the choice is the caller's
 *
 * Each day by itself, in the order of the seconds.
 */
export function chooseArchives(keys: readonly ArchiveKey[], client?: string): ArchiveKey[] {
  const sorted = [...keys].sort(byTime)
  if (client !== undefined) return sorted.filter(({ who }) => writerOf(who) === client)
  const dumpedDays = new Set(sorted.filter(({ who }) => who === 'archive').map(({ day }) => day))
  const chosen = sorted.filter(({ who, day }) => who === 'archive' || !dumpedDays.has(day))
  const writers = new Set(chosen.filter(({ who }) => who !== 'archive').map(({ who }) => writerOf(who)))
  if (writers.size > 1) {
    const [first] = chosen
    throw new ConfigError(
      `the archives of ${first?.stream} are of several clients: ${[...writers].sort().join(', ')}. ` +
        'Each holds all records by itself: say whose to read (--client-name, option client)',
    )
  }
  return chosen
}

/** The name by which a file's writer is asked for. */
export function writerOf(who: string): string {
  return isShardWho(who) ? 'shardId' : who
}
