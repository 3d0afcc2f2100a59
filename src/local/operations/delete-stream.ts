import { resourceInUse } from '../api-error.ts'
import { consumersAt } from '../consumers/consumer-state.ts'
import { streamReference } from '../shapes/members.ts'
import { deleting } from '../state/pending-change.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const deleteStream = operation({
  input: { type: 'Structure', members: { ...streamReference, EnforceConsumerDeletion: { type: 'Boolean' } } },
  run(core, input) {
    const stream = findStream(core, input)
    const { name, status } = stream.state
    if (status === 'DELETING') return undefined
    const nowMs = core.clock.now()
    if (!input.EnforceConsumerDeletion && consumersAt(stream.state, nowMs).length > 0)
      throw resourceInUse(
        `DeleteStream can't delete ${core.account}:${name} because there are consumers associated with this data stream. To delete ${name} anyway, set the EnforceConsumerDeletion parameter to true to force the deletion of all the consumers that are associated with it.`,
      )
    core.streams.change(stream, deleting(stream.state, nowMs + core.deleteStreamMs))
    return undefined
  },
})
