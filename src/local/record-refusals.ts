/**
 * Says which records are refused for now although the request is right. In a PutRecords only they fail, in a PutRecord
 * the request does.
 */
export interface RecordRefusals {
  /** False: no record is refused, nobody needs to ask. */
  readonly isActive: boolean
  /** Why the record is refused, or undefined when it is not. */
  refuse(stream: string, shardIndex: number, recordBytes: number, operation: string): RecordRefusal | undefined
}

export type RecordRefusal = 'throttled' | 'internal-failure'
