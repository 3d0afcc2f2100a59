import { MemoryQueue } from './memory-queue.ts'
import { OutputKeeper } from './output-keeper.ts'
import type { DurableKeeper, RecordKeeper } from './record-keeper.ts'
import type { SkipCounter } from './skip-counter.ts'
import { Spool } from './spool.ts'
import { StreamLanes } from './stream-lanes.ts'
import { type ResolvedTritondOptions, unfinishedShareOf } from './tritond-options.ts'

/** Where this daemon's records go, and whether it can answer for them. */
export type OpenedKeeper =
  | { mode: 'spool'; keeper: DurableKeeper }
  | { mode: 'memory' | 'output'; keeper: RecordKeeper }

export async function openKeeper(options: ResolvedTritondOptions, skips: SkipCounter): Promise<OpenedKeeper> {
  const { outputDescriptor, spoolDir, flushMs, memoryMaxBytes, recordTtlMs, api, clock, random } = options
  if (outputDescriptor !== undefined) {
    const keeper = new OutputKeeper({ descriptor: outputDescriptor, flushMs, limitBytes: memoryMaxBytes, clock })
    return { mode: 'output', keeper }
  }
  const common = { ...(api !== undefined && { api }), skips, clock }
  if (spoolDir === undefined) {
    const keeper = new StreamLanes({
      ...common,
      limitBytes: memoryMaxBytes - unfinishedShareOf(memoryMaxBytes),
      recordTtlMs,
      windowChunks: memoryWindowChunks,
      openQueue: async () => new MemoryQueue({ flushMs, clock }),
      producer: { deadlineMs: recordTtlMs, clock, random },
    })
    return { mode: 'memory', keeper }
  }
  const { spoolMaxBytes: maxBytes, sync } = options
  const spool = await Spool.open({ dir: spoolDir, sync, maxBytes, flushMs, clock })
  const keeper = new StreamLanes({
    ...common,
    limitBytes: maxBytes,
    recordTtlMs: Number.POSITIVE_INFINITY,
    windowChunks: spoolWindowChunks,
    finishMs: spoolFinishMs,
    openQueue: (streamName, streamCount, onRoom) => spool.openQueue(streamName, streamCount, onRoom),
    onRefused: (streamName, failed) => spool.refused.keep(streamName, failed),
    onFinished: () => spool.close(),
    producer: { deadlineMs: spoolDeadlineMs, clock, random },
  })
  return { mode: 'spool', keeper }
}

/** Enough for the producer's requests under way to have successors ready. */
const memoryWindowChunks = 16
/** They are in memory, and they are what a crash sends again: 8 requests' worth of each stream. */
const spoolWindowChunks = 8
/** What the producer gives back after it stays in the spool and is tried again. */
const spoolDeadlineMs = 60_000
/** At its end a daemon waits so long for answers; what has none stays in the spool. */
const spoolFinishMs = 3_000
