import { DeadLetterStore } from '../group/dead-letter-store.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { requiredStoreFrom, type StorePlaceFlags } from './store-place.ts'

/** Runs `act` on the dead letters at the place that flags and environment name. */
export async function withDeadLetters<T>(
  flags: StorePlaceFlags & { verbose: number },
  act: (letters: DeadLetterStore) => Promise<T>,
): Promise<T> {
  const stopLog = logDiagnostics(flags.verbose)
  try {
    await using store = requiredStoreFrom(flags, 'dead letters')
    return await act(new DeadLetterStore(store))
  } finally {
    stopLog()
  }
}
