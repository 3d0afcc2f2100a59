import { channel } from 'node:diagnostics_channel'

/**
 * Every piece of news that Triton tells about itself. Logs, metrics and tests listen to this one union; nothing is
 * logged past it. `at` fields don't exist: a listener knows when it heard.
 */
export type Diagnostic =
  // producer
  | {
      /** One PutRecords request came to its end, well or badly. */
      type: 'batch-put'
      stream: string
      recordCount: number
      batchBytes: number
      /** Entries of this request that Kinesis refused for now. */
      failedCount: number
      /** How often entries of this request had been tried before, at most. */
      retryCount: number
      durationMs: number
    }
  | {
      /** Kinesis refused entries, or a whole request, for now; they'll be tried again after `delayMs`. */
      type: 'put-retry'
      stream: string
      recordCount: number
      errorCode: string
      attempt: number
      delayMs: number
    }
  | {
      /** A record was handed back to its caller as failed. */
      type: 'put-failed'
      stream: string
      recordCount: number
      errorCode: string
      mayHaveBeenWritten: boolean
    }
  | {
      /** A retried record may stand behind a later one of its key. */ type: 'record-reordered'
      stream: string
      recordCount: number
    }
  // consumer
  | { type: 'shard-started'; stream: string; shardId: string; from: string }
  | {
      /** A closed shard was read to its end. */ type: 'shard-finished'
      stream: string
      shardId: string
      childShardIds: string[]
    }
  | {
      type: 'page-read'
      stream: string
      shardId: string
      recordCount: number
      pageBytes: number
      millisBehindLatest: number
      durationMs: number
    }
  | { type: 'get-retry'; stream: string; shardId: string; errorCode: string; attempt: number; delayMs: number }
  | {
      /** ListShards failed for now, or answered no shards yet. */
      type: 'list-retry'
      stream: string
      errorCode: string
      attempt: number
      delayMs: number
    }
  | { type: 'iterator-expired'; stream: string; shardId: string; from: string }
  | {
      /** The position asked for is no longer in the stream: reading starts at the oldest record that is. */
      type: 'position-trimmed'
      stream: string
      shardId: string
      sequenceNumber: string
      /** First sequence number that was read instead, when there is one yet. */
      oldestSequenceNumber?: string
    }
  | {
      /** The time asked for lies before everything that the stream keeps: what arrived in between is gone. */
      type: 'time-trimmed'
      stream: string
      /** Epoch milliseconds. */
      askedMs: number
      /** Epoch milliseconds; what arrived earlier is no longer in the stream. */
      horizonMs: number
    }
  | {
      /** Kinesis lists no parent for this shard, or not one that still exists. */
      type: 'parent-unlisted'
      stream: string
      shardId: string
      parentShardId: string
    }
  | {
      /** A merged shard is read although nobody knows whether its other parent was read to the end. */
      type: 'merge-parent-unknown'
      stream: string
      shardId: string
      otherParentShardId: string
    }
  | {
      /** A merged shard waits until the reader of its other parent has finished that one. */
      type: 'merge-parent-awaited'
      stream: string
      shardId: string
      otherParentShardId: string
    }
  | { type: 'record-undecodable'; stream: string; shardId: string; sequenceNumber: string; reason: string }
  // checkpoints
  | { type: 'checkpoint-saved'; client: string; stream: string; shardCount: number; durationMs: number }
  | {
      /** A row of the checkpoint table holds no sequence number of its shard: treated as no row. */
      type: 'checkpoint-invalid'
      client: string
      stream: string
      shardId: string
      value: string
    }
  | {
      /** The database failed in a way that passes; the whole transaction is tried again after `delayMs`. */
      type: 'checkpoint-retry'
      /** Empty, as is `stream`, when tables are created or all rows are listed. */
      client: string
      stream: string
      /** SQLite's, PostgreSQL's or the system's own name for it. */
      errorCode: string
      attempt: number
      delayMs: number
    }
  // leases and workers
  | {
      /** The lease database did not take a write; renewals are tried again until the leases end. */
      type: 'lease-write-failed'
      client: string
      stream: string
      leaseCount: number
      reason: string
    }
  | {
      /** A lease was taken by somebody else, or could not be renewed in time. */
      type: 'lease-lost'
      client: string
      stream: string
      name: string
      owner: string
      reason: string
    }
  | { type: 'worker-started'; client: string; stream: string; owner: string }
  /** From now on the others count it when they share out shards. */
  | { type: 'worker-joined'; client: string; stream: string; owner: string }
  | { type: 'worker-stopped'; client: string; stream: string; owner: string }
  | {
      /** The shards or the leases could not be looked at; tried again at the next round. */ type: 'worker-hindered'
      client: string
      stream: string
      what: 'leases' | 'shards'
      reason: string
    }
  /** Behind `triton worker --exec`: it ended or broke the rules while it had no batch. `shardId` is empty of one for all. */
  | { type: 'program-failed'; shardId: string; reason: string }
  | { type: 'lease-taken'; client: string; stream: string; name: string; owner: string; from: string }
  | { type: 'lease-asked'; client: string; stream: string; name: string; owner: string; from: string }
  | {
      type: 'lease-released'
      client: string
      stream: string
      name: string
      owner: string
      reason: 'asked' | 'finished' | 'stopped' | 'gone' | 'known'
    }
  | {
      /** A shard that should have been somebody's had no lease; it has one now. */ type: 'lease-hole'
      client: string
      stream: string
      shardId: string
    }
  | {
      /** No open shard of a listing takes these hash keys: it was not whole. Nothing is removed by it. */
      type: 'listing-hole'
      stream: string
      /** Decimal. */
      startHashKey: string
      endHashKey: string
    }
  | {
      type: 'batch-handled'
      client: string
      stream: string
      shardId: string
      recordCount: number
      millisBehindLatest: number
      /** How long before its end the batch's last record had arrived; by two clocks, so about. */
      ageMs: number
      durationMs: number
    }
  | {
      /** A handler failed; with a delay it is tried again, else smaller, or left to the policy. */
      type: 'handler-failed'
      client: string
      stream: string
      shardId: string
      /** Of the first of its records. */
      sequenceNumber: string
      recordCount: number
      attempt: number
      delayMs: number
      reason: string
    }
  | {
      /** A shard halts before a record that fails. Others go on. */ type: 'shard-stopped'
      client: string
      stream: string
      shardId: string
      sequenceNumber: string
      retryMs: number
      reason: string
    }
  | { type: 'shard-resumed'; client: string; stream: string; shardId: string; sequenceNumber: string }
  | {
      type: 'record-skipped'
      client: string
      stream: string
      shardId: string
      sequenceNumber: string
      reason: string
    }
  | {
      type: 'record-dead-lettered'
      client: string
      stream: string
      shardId: string
      sequenceNumber: string
      reason: string
      to: string
    }
  | {
      /** A shard stands although there is something to do. */ type: 'shard-stuck'
      client: string
      stream: string
      shardId: string
      reason: string
      /** Reading began anew, for that can help. */
      isRestarted: boolean
    }
  | {
      /** Reading a shard failed for good; tried anew after `delayMs`. */ type: 'shard-read-failed'
      client: string
      stream: string
      shardId: string
      delayMs: number
      reason: string
    }
  // client of tritond
  | {
      /** `put` of a non-blocking stream did not hand records on. At most once a second and reason. */
      type: 'message-dropped'
      /** The logical name, as all the client's news has it. */
      stream: string
      recordCount: number
      reason: string
      /** Of the first of them, for people. */
      detail: string
    }
  | {
      /** Records of `putDurable` went again: the connection broke, or no answer came. They may stand in the spool twice. */
      type: 'durable-resent'
      stream: string
      recordCount: number
    }
  | {
      /** What is at tritond's address is no tritond, or ZeroMQ could not be loaded: nothing is sent meanwhile. */ type: 'client-failed'
      stream: string
      reason: string
    }
  // local engine
  | { type: 'engine-listening'; endpoint: string; dataDir: string }
  | { type: 'engine-request'; operation: string; status: number; errorType?: string; durationMs: number }
  | { type: 'engine-fault'; operation: string; action: string }
  | { type: 'engine-error'; operation: string; reason: string }
  | {
      /** Torn or damaged bytes were found in a journal; what was done about them. */ type: 'journal-damaged'
      file: string
      offset: number
      bytes: number
      outcome: 'cut' | 'skipped'
    }
  | { type: 'journal-write-failed'; file: string; reason: string }
  | { type: 'stream-state-changed'; stream: string; status: string }
  // daemon
  | { type: 'daemon-listening'; endpoint: string; mode: 'memory' | 'spool' | 'output' }
  | { type: 'daemon-stopping'; recordCount: number }
  | {
      /** All of the daemon is over. */
      type: 'daemon-stopped'
      /** Records taken over since it started. */
      acceptedCount: number
      /** Neither written nor kept anywhere. */
      lostCount: number
    }
  | { type: 'config-read'; file: string; streamCount: number }
  | {
      /** triton.yaml can't be used: the streams of the last good one stay in force, if there was one. */
      type: 'config-failed'
      file: string
      reason: string
      isOldKept: boolean
    }
  | {
      /** Messages that became no record; `reason` is one of the daemon's closed set. */
      type: 'message-skipped'
      reason: string
      /** What the latest of them was. */
      detail: string
      recordCount: number
      /** Present where the name is one of triton.yaml's. */
      stream?: string
    }
  | {
      /** Kinesis has records of a logical stream. */
      type: 'records-sent'
      stream: string
      recordCount: number
      /** From the first attempt of these on. */
      durationMs: number
    }
  | {
      /** Records of a logical stream that were accepted will never be written: Kinesis refused them, or had its time. */
      type: 'records-lost'
      stream: string
      recordCount: number
      reason: 'refused' | 'given-up'
      errorCode: string
      /** An answer to one of their attempts never came: they may stand in the stream all the same. */
      mayHaveBeenWritten: boolean
    }
  | {
      /** A logical stream's records came back; nothing of it is sent for `delayMs`. */
      type: 'stream-resting'
      stream: string
      recordCount: number
      delayMs: number
    }
  | {
      /** There is no room: the daemon does not read its sockets until there is. */
      type: 'intake-paused'
      stream: string
      heldBytes: number
    }
  | { type: 'intake-resumed'; pausedMs: number }
  | {
      /** The disk does not take a stream's records, or does not give them back; tried again every second. */
      type: 'spool-blocked'
      stream: string
      reason: string
    }
  | { type: 'spool-unblocked'; stream: string }
  | {
      /** What records are written to instead of Kinesis takes no more: it is tried again each second. */
      type: 'output-blocked'
      reason: string
    }
  | { type: 'output-unblocked' }
  | {
      /** Records that stood in the spool can't be read any more. */
      type: 'spool-damaged'
      stream: string
      recordCount: number
    }
  | {
      /** A damaged stretch of the spool was copied aside before its segment went. */
      type: 'damage-kept'
      file: string
      bytes: number
    }
  | {
      /** Kinesis will never take these; they were written to `file`, with their reasons in an index beside it. */
      type: 'records-refused'
      stream: string
      recordCount: number
      errorCode: string
      file: string
    }
  | {
      /** systemd's `systemd-notify` could not tell it how the daemon is. Told once. */
      type: 'service-manager-unreachable'
      reason: string
    }
  // archive
  | {
      /** The process that stored for this client gives no sign of life any more, and this one goes on for it. */
      type: 'store-taken-over'
      client: string
      stream: string
      /** Host, process number, and what tells it from others of that number. */
      from: string
    }
  | {
      /** An object was completed: its records are stored, and the checkpoint follows. */
      type: 'object-stored'
      stream: string
      client: string
      key: string
      recordCount: number
      objectBytes: number
      /** Records that are no msgpack map; they lie in a side object. */
      undecodableCount: number
      /** From the last record on: sealing, the rest of the upload, the completion. */
      durationMs: number
    }
  | {
      /** A request to the store failed in a way that passes; it is tried again after `delayMs`. */
      type: 'store-retry'
      address: string
      /** After "can't": `store part 3 of 20261125/orders-store-1795640000.tri`. */
      what: string
      errorCode: string
      attempt: number
      delayMs: number
    }
  | {
      /** A chunk of more than 65,536 plain bytes, which the format forbids and py-triton can write. */
      type: 'chunk-oversized'
      file: string
      offset: number
      plainBytes: number
    }
  | {
      /** While salvaging: bytes of a file that could not be read. */
      type: 'archive-damaged'
      file: string
      offset: number
      /** Where reading went on. */
      until: number
      /** Records of this file that came before. */
      recordNumber: number
      reason: string
    }
  | {
      /** Days within those asked for have no archive of the stream. */ type: 'archive-days-empty'
      stream: string
      firstDay: string
      lastDay: string
    }

export type DiagnosticType = Diagnostic['type']

/** The name under which news is published on `node:diagnostics_channel`. */
export const diagnosticsChannelName = 'triton-kinesis'

const news = channel(diagnosticsChannelName)

/** Whether anybody listens; hot paths ask before they build the news. */
export function isObserved(): boolean {
  return news.hasSubscribers
}

export function report(diagnostic: Diagnostic): void {
  if (news.hasSubscribers) news.publish(diagnostic)
}

/** Calls `listener` with each piece of news until the function it answers is called. */
export function observe(listener: (diagnostic: Diagnostic) => void): () => void {
  const forward = (message: unknown) => listener(message as Diagnostic)
  news.subscribe(forward)
  return () => {
    news.unsubscribe(forward)
  }
}
