import { required, resourceArn, streamId } from '../shapes/members.ts'
import { policyOf } from './change-policies.ts'
import { findResource } from './find-resource.ts'
import { operation } from './operation.ts'

export const getResourcePolicy = operation({
  input: { type: 'Structure', members: { ResourceARN: required(resourceArn), StreamId: streamId } },
  run: (core, input) => ({ Policy: policyOf(core, findResource(core, input.ResourceARN)) }),
})
