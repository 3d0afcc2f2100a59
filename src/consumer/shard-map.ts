import type { ChildShard } from '../kinesis/kinesis-api.ts'
import { isOpen, parentShardIdsOf, type Shard, shardIdOf, shardIndexOf } from '../kinesis/shard.ts'

/**
 * Who came from whom, in one stream: what ListShards told, and what the ends of closed shards told since. Shards that
 * expired stay known as parents. Only ever learns; holds no opinion about who reads what.
 */
export class ShardMap {
  #shards = new Map<string, Shard>()
  readonly #parents = new Map<string, readonly string[]>()
  readonly #children = new Map<string, string[]>()

  constructor(shards: readonly Shard[] = []) {
    this.updateListing(shards)
  }

  /** The whole listing as it is now; what it no longer shows has expired. */
  updateListing(shards: readonly Shard[]): void {
    this.#shards = new Map(shards.map((shard) => [shard.shardId, shard]))
    for (const shard of shards) this.#learn(shard.shardId, parentShardIdsOf(shard))
  }

  /** The children that GetRecords named at a closed shard's end; a listing may not show them yet. */
  addChildren(children: readonly ChildShard[]): void {
    for (const child of children) this.#learn(child.shardId, child.parentShardIds)
  }

  /** As last listed; undefined when it is known by name only. */
  listed(shardId: string): Shard | undefined {
    return this.#shards.get(shardId)
  }

  /** Listed or named as somebody's child; not those that are named as a parent only. */
  has(shardId: string): boolean {
    return this.#parents.has(shardId)
  }

  /** Every shard that `has` knows, in the order of their ids. */
  shardIds(): string[] {
    return [...this.#parents.keys()].sort()
  }

  isOpen(shardId: string): boolean {
    const shard = this.#shards.get(shardId)
    return shard === undefined || isOpen(shard)
  }

  parentsOf(shardId: string): readonly string[] {
    return this.#parents.get(shardId) ?? []
  }

  childrenOf(shardId: string): readonly string[] {
    return this.#children.get(shardId) ?? []
  }

  /** Whether any descendant of this shard, however far down, has the property. */
  someDescendant(shardId: string, has: (descendantId: string) => boolean): boolean {
    return someOf(shardId, (id) => this.childrenOf(id), has)
  }

  /** Whether any ancestor of this shard, however far up, has the property. */
  someAncestor(shardId: string, has: (ancestorId: string) => boolean): boolean {
    return someOf(shardId, (id) => this.parentsOf(id), has)
  }

  #learn(shardId: string, parentIds: readonly string[]): void {
    // A child stays known with both parents even when a later listing, after one of them expired, names only one.
    const known = this.#parents.get(shardId)
    if (known !== undefined && known.length >= parentIds.length) return
    this.#parents.set(shardId, parentIds)
    for (const parentId of parentIds) {
      const children = this.#children.get(parentId)
      if (children === undefined) this.#children.set(parentId, [shardId])
      else if (!children.includes(shardId)) children.push(shardId)
    }
  }
}

/**
 * Whether a shard belongs to a reader that was given these shards (undefined: all). A descendant belongs where its
 * parent does; of a merge, where the parent with the lower id does: so every shard has one reader, whoever decides.
 */
export function belongsTo(map: ShardMap, shardId: string, given: ReadonlySet<string> | undefined): boolean {
  if (given === undefined) return true
  let current: string | undefined = shardId
  // Ids of children are above their parents', so this walk ends; the bound guards against a listing that lies.
  for (let steps = 0; current !== undefined && steps < 1_000_000; steps++) {
    if (given.has(current)) return true
    const parentIds: readonly string[] = map.parentsOf(current)
    current = parentIds.length === 0 ? undefined : [...parentIds].sort()[0]
  }
  return false
}

/** For messages: `0, 1, 5` of `shardId-000000000000` and so on, cut when there are many. */
export function describeShardNumbers(shards: readonly Shard[]): string {
  if (shards.length === 0) return 'none'
  const shown = shards.slice(0, 20).map((shard) => String(shardIndexOf(shard.shardId) ?? shard.shardId))
  const more = shards.length - shown.length
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ')
}

/** The numbers given to a reader as shard ids. */
export function shardIdsOf(shardNumbers: readonly number[]): Set<string> {
  return new Set(shardNumbers.map(shardIdOf))
}

function someOf(from: string, next: (id: string) => readonly string[], has: (id: string) => boolean): boolean {
  const seen = new Set<string>()
  const open = [...next(from)]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue
    seen.add(id)
    if (has(id)) return true
    open.push(...next(id))
  }
  return false
}
