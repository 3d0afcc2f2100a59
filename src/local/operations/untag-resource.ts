import { required, resourceArn, streamId, tagKeys } from '../shapes/members.ts'
import { removeTags } from './change-tags.ts'
import { findResource } from './find-resource.ts'
import { operation } from './operation.ts'

export const untagResource = operation({
  input: {
    type: 'Structure',
    members: { TagKeys: required(tagKeys), ResourceARN: required(resourceArn), StreamId: streamId },
  },
  run(core, input) {
    const resource = findResource(core, input.ResourceARN)
    resource.keepTags(removeTags(core, resource.stream.state.name, resource.tags, input.TagKeys))
    return undefined
  },
})
