/** What Kinesis last did with a stream's records: took some, or gave all of them back. */
export interface LastAnswer {
  streamName: string
  isGood: boolean
  ageMs: number
}

export interface ReadinessFacts {
  /** False where none is needed. */
  needsConfig: boolean
  isConfigRead: boolean
  /** Streams whose spool takes nothing just now. */
  blockedStreams: readonly string[]
  /** Of each stream that had one. */
  lastAnswers: readonly LastAnswer[]
}

export interface Readiness {
  isReady: boolean
  /** A line for each thing looked at: its name, `ok` or what is wrong. */
  lines: string[]
}

/**
 * Whether records that come now have a good way ahead of them. One stream that Kinesis refuses is that stream's trouble;
 * when none of them gets through any more, it is the daemon's.
 */
export function judgeReadiness(facts: ReadinessFacts): Readiness {
  const { needsConfig, isConfigRead, blockedStreams, lastAnswers } = facts
  const good = lastAnswers.filter(({ isGood }) => isGood)
  const bad = lastAnswers.filter(({ isGood }) => !isGood)
  const isConfigured = isConfigRead || !needsConfig
  const isSpoolGood = blockedStreams.length === 0
  const isKinesisGood = good.length > 0 || bad.length === 0
  const lines = [
    `config ${isConfigured ? 'ok' : 'none was read yet'}`,
    `spool ${isSpoolGood ? 'ok' : `takes nothing of ${blockedStreams.join(', ')}`}`,
    `kinesis ${isKinesisGood ? 'ok' : 'takes nothing'}${describe(good, 'took records of')}${describe(bad, 'gave back records of')}`,
  ]
  return { isReady: isConfigured && isSpoolGood && isKinesisGood, lines }
}

function describe(answers: readonly LastAnswer[], verb: string): string {
  if (answers.length === 0) return ''
  const shown = answers.slice(0, 10).map(({ streamName, ageMs }) => `${streamName} ${Math.round(ageMs / 1000)} s ago`)
  return `; ${verb} ${shown.join(', ')}${answers.length > shown.length ? ', ...' : ''}`
}
