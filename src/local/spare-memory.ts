import { SpareMemory } from '../spare-memory.ts'

/** For gathered records and answers, of all engines of the process together. */
export const spareMemory = new SpareMemory(32 * 1024 * 1024)
