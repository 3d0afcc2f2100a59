import { invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { encryptionType, keyId, required, streamReference } from '../shapes/members.ts'
import type { InputOf } from '../shapes/shape.ts'
import { setting } from '../state/pending-change.ts'
import { findActiveStream } from './find-stream.ts'

export const encryptionInput = {
  type: 'Structure',
  members: { EncryptionType: required(encryptionType), KeyId: required(keyId), ...streamReference },
} as const

/** Nothing is really encrypted: the stream and its records only say so. */
export function changeEncryption(
  core: EngineCore,
  input: InputOf<typeof encryptionInput>,
  direction: 'start' | 'stop',
): undefined {
  const stream = findActiveStream(core, input)
  if (input.EncryptionType !== 'KMS')
    throw invalidArgument(`EncryptionType ${input.EncryptionType} is not supported. It must be KMS.`)
  core.throttles?.countChange(
    direction === 'start' ? 'StartStreamEncryption' : 'StopStreamEncryption',
    stream.state.name,
  )
  const settings = { keyId: direction === 'start' ? input.KeyId : null }
  core.streams.change(stream, setting(stream.state, settings, core.clock.now() + core.updateStreamMs))
}
