import { required, streamReference, tagKeys } from '../shapes/members.ts'
import { removeTags } from './change-tags.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const removeTagsFromStream = operation({
  input: { type: 'Structure', members: { TagKeys: required(tagKeys), ...streamReference } },
  run(core, input) {
    const stream = findStream(core, input)
    const { state } = stream
    core.streams.change(stream, { ...state, tags: removeTags(core, state.name, state.tags, input.TagKeys) })
    return undefined
  },
})
