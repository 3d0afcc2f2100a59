import { operation } from './operation.ts'

/** There are none: `channelRefusal` sees to that. */
export const listChannels = operation({
  input: { type: 'Structure', members: {} },
  run: () => ({ ChannelSummaries: [] }),
})
