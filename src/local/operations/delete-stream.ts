import { streamReference } from '../shapes/members.ts'
import { deleting } from '../state/pending-change.ts'
import { findStream } from './find-stream.ts'
import { operation } from './operation.ts'

export const deleteStream = operation({
  input: { type: 'Structure', members: { ...streamReference, EnforceConsumerDeletion: { type: 'Boolean' } } },
  run(core, input) {
    const stream = findStream(core, input)
    if (stream.state.status !== 'DELETING')
      core.streams.change(stream, deleting(stream.state, core.clock.now() + core.deleteStreamMs))
    return undefined
  },
})
