import { FormatError, NotFoundError } from '../errors.ts'
import { decodeMsgpack } from '../record/msgpack-decode.ts'
import { type DecodedRecord, recordCodec } from '../record/record-codec.ts'
import { type ArchivedRecord, ArchiveIterator } from './archive-iterator.ts'
import { type ArchiveKey, sideKeyOf } from './archive-key.ts'
import type { ArchiveStore } from './archive-store.ts'
import { readFooter } from './object-footer.ts'
import { bytesOfRawRecord } from './raw-record.ts'
import { readArchives } from './read-archives.ts'

/** As replaying hands it out. */
type Aside = ArchivedRecord<DecodedRecord>

/**
 * The records that lie beside an archive, since they are no msgpack map, on their way back to where they once stood:
 * each knows how many records of the archive came before it. One block of them is held.
 */
export class SideRecords {
  /** As the archive's footer says. */
  readonly count: number
  readonly #key: string
  readonly #mainKey: string
  readonly #batches: AsyncGenerator<Aside[], undefined>
  #waiting: Aside[] = []
  #at = 0
  #taken = 0
  #isOver = false

  private constructor(store: ArchiveStore, archive: ArchiveKey, count: number, signal: AbortSignal) {
    this.count = count
    this.#mainKey = archive.key
    this.#key = sideKeyOf(archive.key)
    const blocks = readArchives(store, [{ ...archive, key: this.#key }], { signal })
    this.#batches = new ArchiveIterator<DecodedRecord>(blocks, {
      toData: (record) => ({ data: codec.decode(bytesOfRawRecord(record)) }),
      toPut: (record) => record,
    }).batches()
  }

  /** Those of an archive; undefined where there are none, as its footer tells. */
  static async open(
    store: ArchiveStore,
    archive: ArchiveKey & { bytes: number },
    signal: AbortSignal,
  ): Promise<SideRecords | undefined> {
    const count = (await readFooter(store, archive, signal))?.undecodableCount ?? 0
    return count === 0 ? undefined : new SideRecords(store, archive, count, signal)
  }

  /** The archive's next records, with those that stood between them; in groups that do not grow without bound. */
  async *between(batch: readonly Aside[]): AsyncGenerator<Aside[]> {
    let group: Aside[] = []
    for (const record of batch) {
      for (;;) {
        if (this.#at >= this.#waiting.length) await this.#fill()
        if (this.#isOver || placeIn(this.#waiting[this.#at] as Aside) > record.recordNumber) break
        group.push(this.#take())
        if (group.length < largestGroup) continue
        yield group
        group = []
      }
      group.push(record)
    }
    yield group
  }

  /** Those that stand behind the archive's last record. */
  async *rest(): AsyncGenerator<Aside[]> {
    for (;;) {
      if (this.#at >= this.#waiting.length) await this.#fill()
      if (this.#isOver) break
      const group: Aside[] = []
      while (this.#at < this.#waiting.length) group.push(this.#take())
      yield group
    }
    if (this.#taken !== this.count)
      throw new FormatError(`${this.#key} holds ${this.#taken} records; ${this.#mainKey} speaks of ${this.count}`, 0)
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#batches.return(undefined)
  }

  #take(): Aside {
    const record = this.#waiting[this.#at++] as Aside
    this.#taken += 1
    return { ...record, bytes: bytesOfRawRecord(record.bytes) }
  }

  async #fill(): Promise<void> {
    if (this.#isOver) return
    try {
      const { value, done } = await this.#batches.next()
      this.#isOver = done === true
      this.#waiting = value ?? []
      this.#at = 0
    } catch (cause) {
      if (!(cause instanceof NotFoundError)) throw cause
      throw new NotFoundError(
        `${this.#mainKey} says that ${this.count} records that are no msgpack map lie in ${this.#key}, and there is no ` +
          'such object: restore it, or leave such records out (--skip-undecodable, option undecodable)',
        { cause },
      )
    }
  }
}

/** How many records of the archive came before it. */
function placeIn({ bytes, key, recordNumber }: Aside): number {
  const map = decodeMsgpack(bytes)
  const before = map !== null && typeof map === 'object' && 'before' in map ? map.before : undefined
  if (typeof before === 'number') return before
  throw new FormatError(`${key}: record ${recordNumber} does not say before which record it stood`, 0)
}

const codec = recordCodec('msgpack')
const largestGroup = 1_000
