/**
 * Says which records of a request are refused for now although the request is right: in a PutRecords only they fail, in
 * a PutRecord the request does. The fault hook answers here, and throttling has its place here.
 */
export interface RecordRefusals {
  /** Asked once per request; undefined when none of its records is refused. */
  forRequest(operation: string, stream: string): RecordJudge | undefined
}

/** Asked for each record in request order; `recordBytes` are those of data and key. */
export type RecordJudge = (shardIndex: number, recordBytes: number) => RecordRefusal | undefined

export type RecordRefusal = 'throttled' | 'internal-failure'
