import type { Diagnostic } from '../diagnostics.ts'

/** News of a worker that somebody has to hear. */
export type AlarmNews = Extract<
  Diagnostic,
  { type: 'worker-hindered' | 'shard-stopped' | 'shard-stuck' | 'record-skipped' }
>

/** What happened, as one line for people. */
export function alarmText(news: AlarmNews): string {
  switch (news.type) {
    case 'worker-hindered':
      return `the ${news.what} of ${news.client} on ${news.stream} can't be looked at: ${news.reason}`
    case 'shard-stopped': {
      const { stream, shardId, sequenceNumber, retryMs, reason } = news
      return `${stream} ${shardId} is stopped before ${sequenceNumber}, tried again in ${retryMs / 1_000} s: ${reason}`
    }
    case 'shard-stuck':
      return `${news.stream} ${news.shardId} stands: ${news.reason}${news.isRestarted ? '; read anew' : ''}`
    case 'record-skipped':
      return `${news.stream} ${news.shardId} ${news.sequenceNumber} is skipped: ${news.reason}`
  }
}
