import { isUtf8 } from 'node:buffer'

/** A map key that was seen before, with what is needed to know it again by its bytes. */
export interface KnownKey {
  readonly text: string
  /** Its fixstr head, which says how many bytes follow. */
  readonly head: number
  readonly byteLength: number
  /** The first eight bytes as two words, and which bits of them count. */
  readonly word0: number
  readonly mask0: number
  readonly word1: number
  readonly mask1: number
  readonly bytes: Uint8Array
  /** One of 32 bits, always the same for the same key: keys with different bits are different keys. */
  readonly bit: number
  /** Slot of the key that followed it in its map last time. */
  next: number
  /** Slot of the first key of the map that lay under it last time. */
  inside: number
}

/**
 * Remembers the keys that records repeat, so that reading one costs a comparison of a few words instead of the making
 * of a string. It looks first whether the same key follows as last time, then in a table by hash, two slots for each
 * hash. Keys refer to one another by slot, never directly, so that what was displaced is garbage.
 *
 * It knows text keys of at most 31 bytes; not `__proto__`, which must be defined instead of assigned, and none that
 * begins with a digit, since an object lists keys like `10` in an order of its own.
 *
 * `source` is to have room for 40 bytes behind `end`: words are compared and hashed without asking where they end.
 */
export class KeyCache {
  /** Stands above the record: the record's first key lies inside it. */
  readonly top: KnownKey = knownKey(new Uint8Array(0), '', 0)
  /** Stands above maps under keys that the cache does not know. */
  readonly unknown: KnownKey = knownKey(new Uint8Array(0), '', 0)
  readonly #lastSeen = new Int32Array(hashCount)
  readonly #slots: KnownKey[] = new Array<KnownKey>(2 * hashCount).fill(this.top)

  /** The first key of a map that lies under `parent`, when it begins at `at` and is one that the cache can know. */
  first(parent: KnownKey, source: Buffer, view: DataView, at: number, end: number): KnownKey | undefined {
    const guess = this.#slots[parent.inside] as KnownKey
    if (isAt(guess, source, view, at, end)) return guess
    const slot = this.#find(source, view, at, end)
    if (slot < 0) return undefined
    parent.inside = slot
    return this.#slots[slot]
  }

  /** The key after `previous`, when it begins at `at` and is one that the cache can know. */
  after(previous: KnownKey, source: Buffer, view: DataView, at: number, end: number): KnownKey | undefined {
    const guess = this.#slots[previous.next] as KnownKey
    if (isAt(guess, source, view, at, end)) return guess
    const slot = this.#find(source, view, at, end)
    if (slot < 0) return undefined
    previous.next = slot
    return this.#slots[slot]
  }

  #find(source: Buffer, view: DataView, at: number, end: number): number {
    const head = source[at] as number
    if (head <= 0xa0 || head >= 0xc0 || at >= end) return -1
    const byteLength = head - 0xa0
    const mark = markOf(view, at + 1, byteLength)
    const hash = hashOf(mark)
    const slot = 2 * hash
    if (isAt(this.#slots[slot] as KnownKey, source, view, at, end)) return slot
    if (isAt(this.#slots[slot + 1] as KnownKey, source, view, at, end)) return slot + 1
    if (this.#lastSeen[hash] !== mark || at + byteLength >= end) {
      this.#lastSeen[hash] = mark
      return -1
    }
    const bytes = Uint8Array.prototype.slice.call(source, at + 1, at + 1 + byteLength)
    const text = isUtf8(bytes) ? Buffer.from(bytes).toString() : ''
    if (!isKnowable(text)) return -1
    // The newcomer takes the first slot, what was there the second: of three that collide, the last two stay.
    this.#slots[slot + 1] = this.#slots[slot] as KnownKey
    this.#slots[slot] = knownKey(bytes, text, 1 << (hash & 31))
    return slot
  }
}

/** Whether an object that gets this key by assignment has it, and lists it last. */
export function isKnowable(text: string): boolean {
  const first = text.charCodeAt(0)
  return !(first >= 0x30 && first <= 0x39) && text !== '__proto__' && text !== ''
}

const hashCount = 1024

function isAt(key: KnownKey, source: Buffer, view: DataView, at: number, end: number): boolean {
  if (source[at] !== key.head || at + key.byteLength >= end) return false
  if (((view.getInt32(at + 1) ^ key.word0) & key.mask0) !== 0) return false
  if (((view.getInt32(at + 5) ^ key.word1) & key.mask1) !== 0) return false
  for (let i = 8; i < key.byteLength; i++) if (source[at + 1 + i] !== key.bytes[i]) return false
  return true
}

/** 32 bits of the key: its first and last bytes and its length. */
function markOf(view: DataView, at: number, byteLength: number): number {
  const first = view.getInt32(at) & maskOf(byteLength)
  const last = byteLength > 4 ? view.getInt32(at + byteLength - 4) : 0
  return Math.imul(first, 0x9e3779b1) ^ Math.imul(last, 0x85ebca77) ^ Math.imul(byteLength, 0xc2b2ae3d)
}

function hashOf(mark: number): number {
  return (Math.imul(mark ^ (mark >>> 15), 0x27d4eb2f) >>> 16) & (hashCount - 1)
}

/** The bits of a big-endian word that its first `byteLength` bytes fill. */
function maskOf(byteLength: number): number {
  if (byteLength <= 0) return 0
  return byteLength >= 4 ? -1 : -1 << (32 - 8 * byteLength)
}

function knownKey(bytes: Uint8Array, text: string, bit: number): KnownKey {
  const padded = new DataView(new ArrayBuffer(8))
  for (let i = 0; i < Math.min(8, bytes.length); i++) padded.setUint8(i, bytes[i] as number)
  return {
    text,
    head: bytes.length === 0 ? -1 : 0xa0 | bytes.length,
    byteLength: bytes.length,
    word0: padded.getInt32(0),
    mask0: maskOf(bytes.length),
    word1: padded.getInt32(4),
    mask1: maskOf(bytes.length - 4),
    bytes,
    bit,
    next: 0,
    inside: 0,
  }
}
