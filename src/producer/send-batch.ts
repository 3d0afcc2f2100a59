import type { KinesisApi, PutEntry } from '../kinesis/kinesis-api.ts'
import { type Failure, judgeAnswers, judgeCallError, type Verdict } from './judge-answers.ts'

/**
 * Makes one attempt for each entry and answers with a verdict each; never rejects. A request that Kinesis refuses as a
 * whole is sent again in halves, one after the other, until the entry it can't take stands alone: one bad record does
 * not take the others with it.
 */
export async function sendBatch(
  api: KinesisApi,
  stream: string,
  entries: readonly PutEntry[],
  signal: AbortSignal,
): Promise<readonly Verdict[]> {
  try {
    return judgeAnswers(await api.putRecords(stream, entries, signal))
  } catch (error) {
    const failure: Failure = signal.aborted ? noAnswer : judgeCallError(error)
    if (failure.errorClass !== 'refused' || entries.length === 1) return entries.map(() => failure)
    const middle = Math.ceil(entries.length / 2)
    const first = await sendBatch(api, stream, entries.slice(0, middle), signal)
    const second = await sendBatch(api, stream, entries.slice(middle), signal)
    return [...first, ...second]
  }
}

/** The request was called off because the deadline of its records had come. */
const noAnswer: Failure = {
  errorCode: 'ETIMEDOUT',
  errorMessage: 'no answer came before the deadline',
  errorClass: 'transient',
  mayHaveBeenWritten: true,
}
