import { consumersAt } from '../consumers/consumer-state.ts'
import { findConsumer } from '../consumers/find-consumer.ts'
import { consumerReference } from '../shapes/members.ts'
import { operation } from './operation.ts'

export const deregisterStreamConsumer = operation({
  input: { type: 'Structure', members: consumerReference },
  run(core, input) {
    const { stream, consumer } = findConsumer(core, input)
    if (consumer.phase === 'DELETING') return undefined
    const nowMs = core.clock.now()
    const leaving = { ...consumer, phase: 'DELETING', dueMs: nowMs + core.deleteStreamMs } as const
    const others = consumersAt(stream.state, nowMs).filter(({ name }) => name !== consumer.name)
    core.streams.change(stream, { ...stream.state, consumers: [...others, leaving] })
    return undefined
  },
})
