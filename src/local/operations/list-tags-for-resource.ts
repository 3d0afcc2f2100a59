import { required, resourceArn, streamId } from '../shapes/members.ts'
import { listTags } from './change-tags.ts'
import { findResource } from './find-resource.ts'
import { operation } from './operation.ts'

/** Not paged: a resource has fifty tags at most. */
export const listTagsForResource = operation({
  input: { type: 'Structure', members: { ResourceARN: required(resourceArn), StreamId: streamId } },
  run: (core, input) => ({ Tags: listTags(findResource(core, input.ResourceARN).tags) }),
})
