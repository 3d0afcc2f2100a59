import { streamReference } from '../shapes/members.ts'
import { listTags } from './change-tags.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

const mostListed = 50

export const listTagsForStream = operation({
  input: {
    type: 'Structure',
    members: {
      Limit: { type: 'Integer', min: 1, max: mostListed, legacy: { max: 10 } },
      ExclusiveStartTagKey: { type: 'String', minLength: 1, maxLength: 128 },
      ...streamReference,
    },
  },
  run(core, input) {
    const { ExclusiveStartTagKey: after, Limit: limit = mostListed } = input
    const tags = listTags(findStream(core, input).state.tags).filter(
      ({ Key }) => after === undefined || String(Key) > after,
    )
    return { Tags: tags.slice(0, limit), HasMoreTags: tags.length > limit }
  },
})
