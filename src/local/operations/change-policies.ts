import { resourceNotFound } from '../api-error.ts'
import { consumersAt } from '../consumers/consumer-state.ts'
import { consumerArnOf } from '../consumers/find-consumer.ts'
import type { EngineCore } from '../engine-core.ts'
import type { Resource } from './find-resource.ts'

/** The resource's policy, which must be there. */
export function policyOf(core: EngineCore, { arn, stream }: Resource): string {
  const policies = stream.state.policies ?? {}
  if (!Object.hasOwn(policies, arn))
    throw resourceNotFound(`No resource policy found for resource ${arn} under account ${core.account}.`)
  return policies[arn] as string
}

/** Kept without a look at it, and enforced nowhere. Policies of consumers that are gone go with this change. */
export function keepPolicy(core: EngineCore, { arn, stream }: Resource, policy: string | undefined): void {
  const { state } = stream
  const consumers = consumersAt(state, core.clock.now()).map((consumer) => consumerArnOf(core, state.name, consumer))
  const gone = (owner: string) => owner.includes('/consumer/') && !consumers.includes(owner)
  const policies = new Map(Object.entries(state.policies ?? {}).filter(([owner]) => !gone(owner)))
  if (policy === undefined) policies.delete(arn)
  else policies.set(arn, policy)
  core.streams.change(stream, { ...state, policies: Object.fromEntries(policies) })
}
