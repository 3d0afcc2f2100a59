import { assert } from '../errors.ts'
import { checkCheckpoint, checkText } from './checkpoint-row.ts'
import type { LeaseChange } from './lease-store.ts'

/** Refuses what the tables can't hold or what would be no position when read again, before anything is changed. */
export function checkChanges(changes: readonly LeaseChange[]): void {
  for (const change of changes) {
    checkText('lease name', change.name)
    if ('to' in change && change.to !== '') checkText('lease owner', change.to)
    if ('by' in change) checkText('lease owner', change.by)
    if ('next' in change) {
      assert(change.next > change.counter, "an owner's write raises the counter")
      if ('checkpoint' in change && change.checkpoint !== undefined) checkCheckpoint(change.name, change.checkpoint)
    }
  }
}
