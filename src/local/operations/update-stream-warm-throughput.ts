import { required, streamReference, warmThroughputMiBps } from '../shapes/members.ts'
import { setting } from '../state/pending-change.ts'
import { checkOnlyOnDemand } from './check-on-demand.ts'
import { describeWarmThroughput } from './describe-warm-throughput.ts'
import { arnOf, findActiveStream } from './find-stream.ts'
import { operation } from './operation.ts'

/** Kept and told; the engine is as warm as the machine. */
export const updateStreamWarmThroughput = operation({
  input: {
    type: 'Structure',
    members: { WarmThroughputMiBps: required(warmThroughputMiBps), ...streamReference },
  },
  run(core, input) {
    const stream = findActiveStream(core, input)
    const settings = { warmThroughputMiBps: input.WarmThroughputMiBps }
    checkOnlyOnDemand({ mode: stream.state.mode, ...settings })
    core.streams.change(stream, setting(stream.state, settings, core.clock.now() + core.updateStreamMs))
    const { name } = stream.state
    return { StreamName: name, StreamARN: arnOf(core, name), WarmThroughput: describeWarmThroughput(stream.state) }
  },
})
