import { required, resourceArn, streamId } from '../shapes/members.ts'
import { keepPolicy } from './change-policies.ts'
import { findResource } from './find-resource.ts'
import { operation } from './operation.ts'

export const putResourcePolicy = operation({
  input: {
    type: 'Structure',
    members: { ResourceARN: required(resourceArn), Policy: { type: 'String', required: true }, StreamId: streamId },
  },
  run(core, input) {
    keepPolicy(core, findResource(core, input.ResourceARN), input.Policy)
    return undefined
  },
})
