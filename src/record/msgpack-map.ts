/**
 * A msgpack map that no JavaScript object can stand for: one of its keys is not text, or comes twice. Entries keep
 * their order on the wire, so that writing it again gives the same entries.
 */
export class MsgpackMap {
  readonly entries: ReadonlyArray<readonly [key: unknown, value: unknown]>

  constructor(entries: ReadonlyArray<readonly [key: unknown, value: unknown]>) {
    this.entries = entries
  }

  /** The value of the last entry with this key (numbers, strings and other primitives), as a reader of the old programs sees it. */
  get(key: unknown): unknown {
    return this.entries.findLast(([each]) => Object.is(each, key))?.[1]
  }
}
