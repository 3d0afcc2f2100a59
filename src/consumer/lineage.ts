import type { ChildShard } from '../kinesis/kinesis-api.ts'
import type { Position } from '../kinesis/position.ts'
import type { Shard } from '../kinesis/shard.ts'
import { belongsTo, type ShardMap } from './shard-map.ts'
import type { StartPlan } from './start-plan.ts'

/**
 * Which shards a reader reads now, and which must wait. Pure: it is told what happened and answers what may begin.
 *
 * A shard is *waiting* until every parent that this reader reads is finished: after a split or merge, a key's older
 * records are still in the parent. It is then *reading*, and *finished* when its end was reached. Shards that turn up
 * after the start begin at their beginning.
 *
 * A child may be named before its other parent was ever listed: a split and a merge that followed each other closely.
 * It waits until a listing shows it, which then shows that parent too, or shows that it expired.
 *
 * Of a merge whose other parent belongs to another reader only that reader knows when it is done: such a child waits
 * until `settle` is called for the other parent.
 */
export class Lineage {
  readonly #map: ShardMap
  readonly #given: ReadonlySet<string> | undefined
  readonly #positions = new Map<string, Position>()
  readonly #waiting = new Set<string>()
  readonly #reading = new Set<string>()
  readonly #finished = new Set<string>()
  readonly #settled = new Set<string>()
  readonly #trusted = new Set<string>()

  /** `given`: the shards this reader was told to read, with their descendants; undefined: all. */
  constructor(map: ShardMap, plan: StartPlan, given?: ReadonlySet<string>) {
    this.#map = map
    this.#given = given
    for (const [shardId, position] of plan) {
      if (position === 'finished') this.#finished.add(shardId)
      else {
        this.#positions.set(shardId, position)
        this.#waiting.add(shardId)
      }
    }
  }

  /** The shards that may begin now; each is answered once and is being read from then on. */
  begin(): BegunShard[] {
    const begun: BegunShard[] = []
    for (const shardId of [...this.#waiting].sort()) {
      if (this.#isHeldBack(shardId)) continue
      this.#waiting.delete(shardId)
      this.#reading.add(shardId)
      const position = this.#positions.get(shardId) ?? { type: 'TRIM_HORIZON' }
      const parentIds = this.#map.parentsOf(shardId)
      begun.push({
        shardId,
        position,
        unlistedParentIds: parentIds.filter((id) => this.#map.listed(id) === undefined && !this.#finished.has(id)),
      })
    }
    return begun
  }

  /** The shard was read to its end; its children, when it knew them. */
  finish(shardId: string, children: readonly ChildShard[] = []): void {
    this.#reading.delete(shardId)
    this.#finished.add(shardId)
    this.#map.addChildren(children)
    this.#adopt(children.map((child) => child.shardId))
  }

  /** A new listing. */
  learn(shards: readonly Shard[]): void {
    this.#map.updateListing(shards)
    this.#adopt(shards.map((shard) => shard.shardId))
  }

  /** Parents that other readers read, and that hold back a merged shard of ours until they are settled. */
  unsettledParents(): { shardId: string; parentShardId: string }[] {
    return [...this.#waiting].flatMap((shardId) =>
      this.#foreignParents(shardId).map((parentShardId) => ({ shardId, parentShardId })),
    )
  }

  /** Another reader's shard no longer holds back its child: it is known to be finished, or nobody can tell. */
  settle(parentShardId: string): void {
    this.#settled.add(parentShardId)
  }

  /** Shards that wait only for a listing that shows them. */
  unlistedChildren(): string[] {
    return [...this.#waiting].filter((shardId) => this.#hasStrangeParent(shardId))
  }

  /** No listing will show this shard; it is read like any other, and found to be gone if it is. */
  trust(shardId: string): void {
    this.#trusted.add(shardId)
  }

  /** Shards that wait to be read from *latest* on. */
  get startsAtLatest(): string[] {
    return [...this.#waiting].filter((shardId) => this.#positions.get(shardId)?.type === 'LATEST')
  }

  #adopt(shardIds: readonly string[]): void {
    for (const shardId of shardIds) {
      const isKnown = this.#waiting.has(shardId) || this.#reading.has(shardId) || this.#finished.has(shardId)
      if (!isKnown && belongsTo(this.#map, shardId, this.#given)) this.#waiting.add(shardId)
    }
  }

  #isHeldBack(shardId: string): boolean {
    const parentIds = this.#map.parentsOf(shardId)
    if (parentIds.some((id) => this.#waiting.has(id) || this.#reading.has(id))) return true
    return this.#hasStrangeParent(shardId) || this.#foreignParents(shardId).length > 0
  }

  #hasStrangeParent(shardId: string): boolean {
    if (this.#map.listed(shardId) !== undefined || this.#trusted.has(shardId)) return false
    const isStrange = (id: string) => this.#map.listed(id) === undefined && !this.#finished.has(id)
    return this.#map.parentsOf(shardId).some(isStrange)
  }

  #foreignParents(shardId: string): string[] {
    // A number is a place where reading stood before, and *latest* asks for nothing that a parent could hold.
    const position = this.#positions.get(shardId)
    if (position !== undefined && position.type !== 'TRIM_HORIZON' && position.type !== 'AT_TIMESTAMP') return []
    const parentIds = this.#map.parentsOf(shardId)
    if (!parentIds.some((id) => this.#isOurs(id))) return []
    return parentIds.filter((id) => !this.#isOurs(id) && this.#map.listed(id) !== undefined && !this.#settled.has(id))
  }

  #isOurs(shardId: string): boolean {
    return belongsTo(this.#map, shardId, this.#given)
  }
}

export interface BegunShard {
  shardId: string
  position: Position
  /** Parents that expired, so that nobody can read them before this shard any more. */
  unlistedParentIds: string[]
}
