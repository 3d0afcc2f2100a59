/**
 * Says which records of a request are refused for now although the request is right: in a PutRecords only they fail, in
 * a PutRecord the request does. The fault hook and throttling answer here.
 */
export interface RecordRefusals {
  /** Asked once per request; undefined when none of its records is refused. */
  forRequest(operation: string, stream: string): RecordJudge | undefined
}

/** Asked for each record in request order; `recordBytes` are those of data and key. */
export type RecordJudge = (shardIndex: number, recordBytes: number) => RecordRefusal | undefined

export type RecordRefusal = 'throttled' | 'internal-failure'

/** What the first lets through, the second is asked about. */
export function bothRefusals(first: RecordRefusals, second: RecordRefusals): RecordRefusals {
  return {
    forRequest(operation, stream) {
      const judges = [first, second].map((refusals) => refusals.forRequest(operation, stream))
      const present = judges.filter((judge) => judge !== undefined)
      if (present.length === 0) return undefined
      return (shardIndex, recordBytes) => {
        for (const judge of present) {
          const refusal = judge(shardIndex, recordBytes)
          if (refusal !== undefined) return refusal
        }
        return undefined
      }
    },
  }
}
