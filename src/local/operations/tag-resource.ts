import { required, resourceArn, streamId, tags } from '../shapes/members.ts'
import { addTags } from './change-tags.ts'
import { findResource } from './find-resource.ts'
import { operation } from './operation.ts'

export const tagResource = operation({
  input: {
    type: 'Structure',
    members: { Tags: required(tags), ResourceARN: required(resourceArn), StreamId: streamId },
  },
  run(core, input) {
    const resource = findResource(core, input.ResourceARN)
    resource.keepTags(addTags(core, resource.stream.state.name, resource.tags, input.Tags))
    return undefined
  },
})
