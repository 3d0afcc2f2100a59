import { randomBytes } from 'node:crypto'
import type { StateStore } from './state-store.ts'

/** Keeps what an engine without a data directory needs while it runs: nothing to load, nothing to close. */
export function createMemoryStateStore(): StateStore {
  const createdSeconds = new Map<string, number>()
  const settings = new Map<string, string>()
  let serial = 0
  return {
    secret: randomBytes(32),
    load: () => [],
    nextSerial: () => ++serial,
    lastCreatedSeconds: (name) => createdSeconds.get(name),
    save() {},
    remove(stream) {
      createdSeconds.set(stream.name, stream.createdSeconds)
    },
    saveSeqIxMark() {},
    saveCounters() {},
    setting: (name) => settings.get(name),
    saveSetting(name, value) {
      settings.set(name, value)
    },
    close() {},
  }
}
