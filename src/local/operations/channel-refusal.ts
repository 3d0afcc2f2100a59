import { invalidArgument } from '../api-error.ts'
import { operation } from './operation.ts'

/** CreateChannel, DescribeChannel, UpdateChannel, DeleteChannel: delivery to S3 is not for a laptop. */
export const channelRefusal = operation({
  input: { type: 'Structure', members: {} },
  run() {
    throw invalidArgument('Channels are not supported by the local engine.')
  },
})
