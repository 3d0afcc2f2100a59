import { maxRecordSizeInKib, required, streamArn, streamId } from '../shapes/members.ts'
import { setting } from '../state/pending-change.ts'
import { findActiveStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const updateMaxRecordSize = operation({
  input: {
    type: 'Structure',
    members: {
      StreamARN: required(streamArn),
      StreamId: streamId,
      MaxRecordSizeInKiB: required(maxRecordSizeInKib),
    },
  },
  run(core, input) {
    const stream = findActiveStream(core, input)
    const settings = { maxRecordKiB: input.MaxRecordSizeInKiB }
    core.streams.change(stream, setting(stream.state, settings, core.clock.now() + core.updateStreamMs))
    return undefined
  },
})
