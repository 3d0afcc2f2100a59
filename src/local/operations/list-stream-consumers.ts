import { invalidArgument, resourceNotFound } from '../api-error.ts'
import { consumersAt } from '../consumers/consumer-state.ts'
import { describeConsumer } from '../consumers/describe-consumer.ts'
import { nextToken, pageLimit, required, streamArn, streamId, timestamp } from '../shapes/members.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

const defaultPage = 100

/** What a NextToken says: of which stream, and behind which name the next page begins. */
interface Place {
  serial: number
  after: string
}

export const listStreamConsumers = operation({
  input: {
    type: 'Structure',
    members: {
      StreamARN: required(streamArn),
      NextToken: nextToken,
      MaxResults: pageLimit,
      StreamCreationTimestamp: timestamp,
      StreamId: streamId,
    },
  },
  run(core, input) {
    const { NextToken: token, StreamCreationTimestamp: askedMs } = input
    if (token !== undefined && askedMs !== undefined)
      throw invalidArgument('NextToken and StreamCreationTimestamp cannot be provided together.')
    const { state } = findStream(core, input)
    const place = token === undefined ? undefined : (core.tokens.read('ListStreamConsumers', token) as Place)
    if (place !== undefined && place.serial !== state.serial) throw invalidArgument('Invalid NextToken.')
    if (askedMs !== undefined && Math.floor(askedMs / 1000) !== state.createdSeconds)
      throw resourceNotFound(`Stream ${state.name} under account ${core.account} not found.`)
    const consumers = consumersAt(state, core.clock.now()).filter(({ name }) => name > (place?.after ?? ''))
    const page = consumers.slice(0, input.MaxResults ?? defaultPage)
    const last = page.at(-1)
    const hasMore = last !== undefined && page.length < consumers.length
    return {
      Consumers: page.map((consumer) => describeConsumer(core, state.name, consumer)),
      NextToken: hasMore
        ? core.tokens.issue('ListStreamConsumers', { serial: state.serial, after: last.name })
        : undefined,
    }
  },
})
