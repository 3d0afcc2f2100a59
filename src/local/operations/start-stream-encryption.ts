import { changeEncryption, encryptionInput } from './change-encryption.ts'
import { operation } from './operation.ts'

export const startStreamEncryption = operation({
  input: encryptionInput,
  run: (core, input) => changeEncryption(core, input, 'start'),
})
