import { pino } from 'pino'
import { type Diagnostic, observe } from '../diagnostics.ts'
import { alarmText } from '../group/alarm-text.ts'

/** How much is told: warnings always, with `-v` what happens, with `-vv` every request. */
export type Verbosity = number

type Level = 'debug' | 'info' | 'warn' | 'error'

/**
 * Writes the news on the diagnostics channel to stderr until the function it answers is called: lines for people on a
 * terminal, else pino's JSON lines, which hold every field.
 */
export function logDiagnostics(verbosity: Verbosity, output: NodeJS.WriteStream = process.stderr): () => void {
  const level: Level = verbosity >= 2 ? 'debug' : verbosity === 1 ? 'info' : 'warn'
  const destination = { write: (line: string) => void output.write(output.isTTY ? forPeople(line) : line) }
  const logger = pino({ level, base: null, formatters: { level: (label) => ({ level: label }) } }, destination)
  return observe((diagnostic) => {
    const [diagnosticLevel, message] = describeDiagnostic(diagnostic)
    logger[diagnosticLevel](diagnostic, message)
  })
}

/** One line for people, and how much it matters. A new member of the union does not compile until it is here. */
export function describeDiagnostic(news: Diagnostic): [level: Level, message: string] {
  switch (news.type) {
    case 'batch-put':
      return [
        news.failedCount > 0 ? 'info' : 'debug',
        `put ${news.recordCount} records (${news.batchBytes} bytes) into ${news.stream} in ${ms(news.durationMs)}` +
          (news.failedCount > 0 ? `, ${news.failedCount} of them refused for now` : ''),
      ]
    case 'put-retry':
      return [
        news.attempt >= 3 ? 'warn' : 'info',
        `${news.recordCount} records for ${news.stream} wait ${ms(news.delayMs)} for attempt ${news.attempt + 1}: ${news.errorCode}`,
      ]
    case 'put-failed':
      return [
        'warn',
        `${news.recordCount} records for ${news.stream} failed: ${news.errorCode}` +
          (news.mayHaveBeenWritten ? ' (they may have been written all the same)' : ''),
      ]
    case 'record-reordered':
      return ['info', `${news.recordCount} retried records of ${news.stream} may stand behind later ones of their key`]
    case 'shard-started':
      return ['info', `reading ${news.stream} ${news.shardId} from ${news.from}`]
    case 'shard-finished':
      return [
        'info',
        `${news.stream} ${news.shardId} is read to its end` +
          (news.childShardIds.length > 0 ? `; next: ${news.childShardIds.join(', ')}` : ''),
      ]
    case 'page-read':
      return [
        'debug',
        `read ${news.recordCount} records (${news.pageBytes} bytes) of ${news.stream} ${news.shardId} in ` +
          `${ms(news.durationMs)}, ${ms(news.millisBehindLatest)} behind the tip`,
      ]
    case 'get-retry':
      return [
        news.attempt >= 3 ? 'warn' : 'info',
        `reading ${news.stream} ${news.shardId} waits ${ms(news.delayMs)} for attempt ${news.attempt + 1}: ${news.errorCode}`,
      ]
    case 'list-retry':
      return [
        news.attempt >= 3 ? 'warn' : 'info',
        `listing the shards of ${news.stream} waits ${ms(news.delayMs)} for attempt ${news.attempt + 1}: ${news.errorCode}`,
      ]
    case 'iterator-expired':
      return ['info', `the iterator of ${news.stream} ${news.shardId} expired; a new one starts at ${news.from}`]
    case 'position-trimmed':
      return [
        'warn',
        `${news.stream} ${news.shardId} no longer holds sequence number ${news.sequenceNumber}: its retention has passed. ` +
          `Reading starts at the oldest record${news.oldestSequenceNumber ? `, ${news.oldestSequenceNumber}` : ''}; what lay between is lost`,
      ]
    case 'time-trimmed':
      return [
        'warn',
        `${news.stream} no longer holds what arrived at ${new Date(news.askedMs).toISOString()}: its retention has passed. ` +
          `Reading starts at ${new Date(news.horizonMs).toISOString()}; what lay between is lost`,
      ]
    case 'parent-unlisted':
      return ['info', `${news.stream} ${news.shardId} has a parent that is gone: ${news.parentShardId}`]
    case 'merge-parent-unknown':
      return [
        'warn',
        `${news.stream} ${news.shardId} is read although its other parent ${news.otherParentShardId} may not have been read to its end`,
      ]
    case 'merge-parent-awaited':
      return [
        'info',
        `${news.stream} ${news.shardId} waits for the reader of its other parent ${news.otherParentShardId}`,
      ]
    case 'record-undecodable':
      return ['warn', `${news.stream} ${news.shardId} ${news.sequenceNumber} does not decode: ${news.reason}`]
    case 'checkpoint-saved':
      return [
        'debug',
        `checkpoint of ${news.client} on ${news.stream}: ${news.shardCount} shards in ${ms(news.durationMs)}`,
      ]
    case 'checkpoint-invalid':
      return [
        'warn',
        `the checkpoint of ${news.client} on ${news.stream} ${news.shardId} is no sequence number of that shard, ` +
          `and counts as none: ${JSON.stringify(news.value)}`,
      ]
    case 'checkpoint-retry':
      return [
        'warn',
        `the checkpoint of ${news.client} on ${news.stream} waits ${ms(news.delayMs)} for attempt ${news.attempt + 1}: ${news.errorCode}`,
      ]
    case 'lease-write-failed':
      return ['warn', `${news.leaseCount} leases of ${news.client} on ${news.stream} are not renewed: ${news.reason}`]
    case 'lease-lost':
      return ['warn', `${news.stream}: ${news.reason}`]
    case 'worker-started':
      return ['info', `worker ${news.owner} of ${news.client} works on ${news.stream}`]
    case 'worker-joined':
      return ['info', `worker ${news.owner} is a member of ${news.client} on ${news.stream}`]
    case 'worker-stopped':
      return ['info', `worker ${news.owner} of ${news.client} has left ${news.stream}`]
    case 'worker-hindered':
    case 'shard-stuck':
      return ['warn', alarmText(news)]
    case 'program-failed':
      return ['warn', `the program${news.shardId && ` of ${news.shardId}`} had no batch to fail at, but ${news.reason}`]
    case 'lease-taken':
      return ['info', `${news.stream} ${news.name} is ours now${news.from && `, after ${news.from}`}`]
    case 'lease-asked':
      return ['info', `${news.stream} ${news.name} is asked of ${news.from}`]
    case 'lease-released':
      return ['info', `${news.stream} ${news.name} is given back (${news.reason})`]
    case 'lease-hole':
      return ['warn', `${news.stream} ${news.shardId} had no lease for ${news.client}; it has one now`]
    case 'listing-hole':
      return [
        'warn',
        `the listing of ${news.stream} has no open shard for the hash keys ${news.startHashKey} to ${news.endHashKey}`,
      ]
    case 'batch-handled':
      return [
        'debug',
        `handled ${news.recordCount} records of ${news.stream} ${news.shardId} in ${ms(news.durationMs)}, ` +
          `${ms(news.ageMs)} old, ${ms(news.millisBehindLatest)} behind the tip`,
      ]
    case 'handler-failed':
      return [
        'warn',
        `the handler failed at ${news.recordCount} records of ${news.stream} ${news.shardId} from ${news.sequenceNumber} on ` +
          `(attempt ${news.attempt}${news.delayMs > 0 ? `, again in ${ms(news.delayMs)}` : ''}): ${news.reason}`,
      ]
    case 'shard-stopped':
    case 'record-skipped':
      return ['error', alarmText(news)]
    case 'shard-resumed':
      return ['info', `${news.stream} ${news.shardId} goes on: ${news.sequenceNumber} is handled`]
    case 'record-dead-lettered':
      return [
        'error',
        `${news.stream} ${news.shardId} ${news.sequenceNumber} went to ${news.to} instead of the handler: ${news.reason}`,
      ]
    case 'shard-read-failed':
      return [
        'error',
        `${news.stream} ${news.shardId} can't be read, tried again in ${ms(news.delayMs)}: ${news.reason}`,
      ]
    case 'message-dropped':
      return ['warn', `${news.recordCount} records of ${news.stream} did not go to tritond: ${news.detail}`]
    case 'durable-resent':
      return ['info', `${news.recordCount} records of ${news.stream} go to tritond again: no answer came`]
    case 'client-failed':
      return ['error', `nothing of ${news.stream} can go to tritond: ${news.reason}`]
    case 'engine-listening':
      return ['info', `listening at ${news.endpoint}, data in ${news.dataDir}`]
    case 'engine-request':
      return [
        news.status >= 500 ? 'warn' : 'debug',
        `${news.operation} ${news.status}${news.errorType ? ` ${news.errorType}` : ''} in ${ms(news.durationMs)}`,
      ]
    case 'engine-fault':
      return ['info', `fault injected into ${news.operation}: ${news.action}`]
    case 'engine-error':
      return ['error', `${news.operation} failed inside the engine: ${news.reason}`]
    case 'journal-damaged':
      return ['warn', `${news.file}: ${news.bytes} damaged bytes at ${news.offset} were ${news.outcome}`]
    case 'journal-write-failed':
      return ['error', `${news.file} can't be written: ${news.reason}`]
    case 'stream-state-changed':
      return ['info', `stream ${news.stream} is ${news.status}`]
    case 'daemon-listening':
      return ['info', `listening at ${news.endpoint}, ${modeTexts[news.mode]}`]
    case 'daemon-stopping':
      return ['info', `stopping; ${news.recordCount} records wait`]
    case 'daemon-stopped':
      return ['info', `stopped; of ${news.acceptedCount} records taken over ${news.lostCount} were lost at the end`]
    case 'config-read':
      return ['info', `read ${news.file}: ${news.streamCount} streams`]
    case 'config-failed':
      return ['warn', `${news.reason}; ${news.isOldKept ? 'what was read before stays in force' : 'waiting for it'}`]
    case 'message-skipped':
      return [
        'warn',
        `skipped ${news.recordCount} messages${news.stream === undefined ? '' : ` for ${news.stream}`} (${news.reason}): ${news.detail}`,
      ]
    case 'records-sent':
      return ['debug', `sent ${news.recordCount} records of ${news.stream} in ${ms(news.durationMs)}`]
    case 'records-lost':
      return [
        'error',
        `${news.recordCount} records for ${news.stream} are lost, ` +
          `${news.reason === 'refused' ? 'refused by Kinesis' : 'given up after their time'}: ${news.errorCode}` +
          (news.mayHaveBeenWritten ? ' (they may have been written all the same)' : ''),
      ]
    case 'stream-resting':
      return ['warn', `${news.recordCount} records for ${news.stream} came back; next attempt in ${ms(news.delayMs)}`]
    case 'intake-paused':
      return [
        'warn',
        `no room for a record of ${news.stream} beside ${news.heldBytes} bytes: nothing is received meanwhile`,
      ]
    case 'intake-resumed':
      return ['info', `receiving again after ${ms(news.pausedMs)}`]
    case 'spool-blocked':
      return ['error', `the spool of ${news.stream} is blocked: ${news.reason}`]
    case 'spool-unblocked':
      return ['info', `the spool of ${news.stream} takes records again`]
    case 'output-blocked':
      return ['error', `records can't be written out: ${news.reason}`]
    case 'output-unblocked':
      return ['info', 'records are written out again']
    case 'spool-damaged':
      return ['error', `${news.recordCount} records of ${news.stream} are damaged in the spool, and can't be sent`]
    case 'damage-kept':
      return ['warn', `${news.bytes} damaged bytes of the spool were kept in ${news.file}`]
    case 'records-refused':
      return [
        'error',
        `${news.recordCount} records for ${news.stream} were refused (${news.errorCode}), and kept in ${news.file}`,
      ]
    case 'service-manager-unreachable':
      return ['warn', `systemd can't be told how this daemon is: ${news.reason}`]
    case 'store-taken-over':
      return ['warn', `takes over storing ${news.stream} as ${news.client} from ${news.from}, which is gone`]
    case 'object-stored':
      return [
        'info',
        `stored ${news.key}: ${news.recordCount} records, ${news.objectBytes} bytes, completed in ${ms(news.durationMs)}` +
          (news.undecodableCount > 0 ? `; ${news.undecodableCount} records are no msgpack map and lie aside` : ''),
      ]
    case 'store-retry':
      return [
        news.attempt >= 3 ? 'warn' : 'info',
        `${news.address}: to ${news.what} waits ${ms(news.delayMs)} for attempt ${news.attempt + 1}: ${news.errorCode}`,
      ]
    case 'chunk-oversized':
      return [
        'warn',
        `${news.file}: the chunk at byte ${news.offset} holds ${news.plainBytes} bytes, more than the format allows`,
      ]
    case 'archive-damaged':
      return [
        'warn',
        `${news.file}: lost bytes ${news.offset} to ${news.until}, behind ${news.recordNumber} records: ${news.reason}`,
      ]
    case 'archive-days-empty':
      return [
        'warn',
        `there is no archive of ${news.stream} ${
          news.firstDay === news.lastDay ? `of ${news.firstDay}` : `from ${news.firstDay} to ${news.lastDay}`
        }`,
      ]
    default:
      return ['info', undescribed(news)]
  }
}

const modeTexts = {
  memory: 'waiting records are in memory only',
  spool: 'waiting records are on disk',
  output: 'records are written out, not sent to Kinesis',
}

function undescribed(news: never): string {
  return JSON.stringify(news)
}

function forPeople(line: string): string {
  const { level, time, msg } = JSON.parse(line) as { level: string; time: number; msg: string }
  return `${new Date(time).toISOString().slice(11, 23)} ${level.padEnd(5)} ${msg}\n`
}

function ms(duration: number): string {
  return duration >= 10_000 ? `${(duration / 1000).toFixed(0)} s` : `${Math.round(duration)} ms`
}
