import { required, resourceArn, streamId } from '../shapes/members.ts'
import { keepPolicy, policyOf } from './change-policies.ts'
import { findResource } from './find-resource.ts'
import { operation } from './operation.ts'

export const deleteResourcePolicy = operation({
  input: { type: 'Structure', members: { ResourceARN: required(resourceArn), StreamId: streamId } },
  run(core, input) {
    const resource = findResource(core, input.ResourceARN)
    policyOf(core, resource)
    keepPolicy(core, resource, undefined)
    return undefined
  },
})
