import { maxGetRecords } from '../../kinesis/limits.ts'
import { writeRecordsPage } from '../records/write-records-page.ts'
import { pageLimit, required, streamArn, streamId } from '../shapes/members.ts'
import { dataBytesOf } from '../stream-log-page.ts'
import { encryptionTypeOf } from './describe-stream-basics.ts'
import { dryRun, endDryRun } from './dry-run.ts'
import { shardDoesNotExist } from './find-shard.ts'
import { streamNameOf } from './find-stream.ts'
import { operation } from './operation.ts'
import { readShard } from './read-shard.ts'

/** Data and keys of one answer. */
const maxPageBytes = 10 * 1024 * 1024

export const getRecords = operation({
  input: {
    type: 'Structure',
    members: {
      ShardIterator: required({ type: 'String', minLength: 1, maxLength: 512 } as const),
      Limit: pageLimit,
      StreamARN: streamArn,
      StreamId: streamId,
      DryRun: dryRun,
    },
  },
  async run(core, input, format) {
    const iterator = core.iterators.read(input.ShardIterator)
    const { serial, streamName, shardIndex } = iterator
    if (input.StreamARN !== undefined) streamNameOf(core, { StreamName: streamName, StreamARN: input.StreamARN })
    const stream = core.streams.bySerial(serial)
    if (stream === undefined) throw shardDoesNotExist(core, streamName, shardIndex)
    const reading = await readShard(core, stream, {
      shardIndex,
      fromSeqIx: iterator.fromSeqIx,
      maxRecords: input.Limit ?? maxGetRecords,
      maxBytes: maxPageBytes,
    })
    if (reading.kind !== 'gone') endDryRun(input)
    switch (reading.kind) {
      case 'gone':
        throw shardDoesNotExist(core, streamName, shardIndex)
      case 'end':
        return writeRecordsPage(reading.shard, [], { MillisBehindLatest: 0, ChildShards: reading.childShards }, format)
      case 'page': {
        const { shard, page, millisBehindLatest } = reading
        core.throttles?.tookBytes(streamName, shardIndex, dataBytesOf(page))
        const NextShardIterator = core.iterators.issue({ ...iterator, fromSeqIx: page.nextSeqIx })
        const body = writeRecordsPage(
          shard,
          page.blocks,
          { MillisBehindLatest: millisBehindLatest, NextShardIterator },
          format,
          encryptionTypeOf(stream.state),
        )
        page.giveBack?.()
        return body
      }
    }
  },
})
