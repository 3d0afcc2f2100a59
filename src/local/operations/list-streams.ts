import { nextToken, pageLimit, streamName } from '../shapes/members.ts'
import type { LiveStream } from '../state/live-stream.ts'
import { Timestamp } from '../wire/encode-answer.ts'
import { arnOf } from './find-stream.ts'
import { operation } from './operation.ts'

const defaultLimit = 100

export const listStreams = operation({
  input: {
    type: 'Structure',
    members: { Limit: pageLimit, ExclusiveStartStreamName: streamName, NextToken: nextToken },
  },
  run(core, input) {
    const after =
      input.NextToken === undefined
        ? input.ExclusiveStartStreamName
        : (core.tokens.read('ListStreams', input.NextToken) as { after: string }).after
    const streams = [...core.streams.all()]
      .filter((stream) => after === undefined || stream.state.name > after)
      .sort(byName)
    const page = streams.slice(0, input.Limit ?? defaultLimit)
    const last = page.at(-1)?.state.name
    const hasMore = page.length < streams.length
    const names = { StreamNames: page.map(({ state }) => state.name), HasMoreStreams: hasMore }
    if (core.hasLegacyLimits) return names
    return {
      ...names,
      NextToken: hasMore ? core.tokens.issue('ListStreams', { after: last }) : undefined,
      StreamSummaries: page.map(({ state }) => ({
        StreamName: state.name,
        StreamARN: arnOf(core, state.name),
        StreamStatus: state.status,
        StreamModeDetails: { StreamMode: state.mode },
        StreamCreationTimestamp: new Timestamp(state.createdSeconds * 1000),
      })),
    }
  },
})

/** By code unit, as Kinesis sorts. */
function byName(left: LiveStream, right: LiveStream): number {
  return left.state.name < right.state.name ? -1 : 1
}
