import { bar } from './screen.ts'

/** Which records were handled, and whether each key's first handlings came in order. */
export class Seen {
  readonly #keys: readonly string[]
  readonly #isSeen: Uint8Array
  readonly #lastOfKey = new Map<string, number>()
  count = 0
  repeatCount = 0
  disorderCount = 0

  constructor(keys: readonly string[]) {
    this.#keys = keys
    this.#isSeen = new Uint8Array(keys.length)
  }

  add(ns: readonly number[]): void {
    for (const n of ns) {
      if (this.#isSeen[n] === 1) {
        this.repeatCount += 1
        continue
      }
      this.#isSeen[n] = 1
      this.count += 1
      const key = this.#keys[n] ?? ''
      if (n < (this.#lastOfKey.get(key) ?? -1)) this.disorderCount += 1
      this.#lastOfKey.set(key, n)
    }
  }

  describe(): string {
    return `${bar(this.count / this.#keys.length)}  ${this.count.toLocaleString('en')} handled`
  }

  get missingCount(): number {
    return this.#keys.length - this.count
  }
}
