import { changeEncryption, encryptionInput } from './change-encryption.ts'
import { operation } from './operation.ts'

export const stopStreamEncryption = operation({
  input: encryptionInput,
  run: (core, input) => changeEncryption(core, input, 'stop'),
})
