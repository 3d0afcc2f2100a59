/** Which calls each signal can call off. A signal shared by many calls is listened to once. */
export class CallsBySignal<Call> {
  readonly #callOff: (calls: ReadonlySet<Call>) => void
  readonly #groups = new Map<AbortSignal, { calls: Set<Call>; stopListening: () => void }>()

  constructor(callOff: (calls: ReadonlySet<Call>) => void) {
    this.#callOff = callOff
  }

  add(call: Call, signal: AbortSignal): void {
    const group = this.#groups.get(signal)
    if (group !== undefined) {
      group.calls.add(call)
      return
    }
    const calls = new Set([call])
    const listener = () => {
      this.#groups.delete(signal)
      this.#callOff(calls)
    }
    signal.addEventListener('abort', listener, { once: true })
    this.#groups.set(signal, { calls, stopListening: () => signal.removeEventListener('abort', listener) })
  }

  delete(call: Call, signal: AbortSignal): void {
    const group = this.#groups.get(signal)
    if (!group?.calls.delete(call) || group.calls.size > 0) return
    group.stopListening()
    this.#groups.delete(signal)
  }
}
