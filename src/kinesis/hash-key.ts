import * as crypto from 'node:crypto'

/** The highest hash key: 2^128 - 1. */
export const maxHashKey = (1n << 128n) - 1n

export interface HashKeyRange {
  /** Inclusive. */
  start: bigint
  /** Inclusive. */
  end: bigint
}

/** MD5 of the partition key's UTF-8 bytes, as 32 hex digits (AWS: "Partition key", Kinesis key concepts). */
export function hashKeyHex(partitionKey: string): string {
  return md5Hex(partitionKey)
}

/** The place of a partition key in [0, 2^128). */
export function hashKeyOf(partitionKey: string): bigint {
  return BigInt(`0x${md5Hex(partitionKey)}`)
}

/** The ranges that CreateStream gives to `shardCount` shards; the last takes what division leaves. */
export function evenHashKeyRanges(shardCount: number): HashKeyRange[] {
  const width = (maxHashKey + 1n) / BigInt(shardCount)
  return Array.from({ length: shardCount }, (_, index) => ({
    start: width * BigInt(index),
    end: index === shardCount - 1 ? maxHashKey : width * BigInt(index + 1) - 1n,
  }))
}

// crypto.hash came with Node 20.12 and takes a third of createHash's time.
const md5Hex: (text: string) => string = (text) => crypto.hash('md5', text, 'hex')
