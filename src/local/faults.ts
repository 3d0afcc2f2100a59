import type { RecordRefusals } from './record-refusals.ts'

export const noRefusals: RecordRefusals = { isActive: false, refuse: () => undefined }
