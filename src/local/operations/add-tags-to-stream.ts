import { required, streamReference, tags } from '../shapes/members.ts'
import { addTags } from './change-tags.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const addTagsToStream = operation({
  input: { type: 'Structure', members: { Tags: required(tags), ...streamReference } },
  run(core, input) {
    const stream = findStream(core, input)
    const { state } = stream
    core.streams.change(stream, { ...state, tags: addTags(core, state.name, state.tags, input.Tags) })
    return undefined
  },
})
