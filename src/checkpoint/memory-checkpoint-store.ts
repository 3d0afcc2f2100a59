import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ClosedError } from '../errors.ts'
import { byClientStreamShard, checkCheckpoint, checkNames } from './checkpoint-row.ts'
import type { Checkpoint, CheckpointRow, CheckpointStore } from './checkpoint-store.ts'

/** Checkpoints that live as long as the store: for tests, trials and readers that never resume. */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly #clock: Clock
  readonly #positions = new Map<string, ClientPositions>()
  #isClosed = false

  constructor(options: { clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock
  }

  async init(): Promise<void> {
    this.#checkOpen()
  }

  async load(client: string, stream: string): Promise<Map<string, Checkpoint>> {
    const rows = this.#of(client, stream)?.rows ?? []
    return new Map(Array.from(rows, ([shardId, { checkpoint }]) => [shardId, { ...checkpoint }]))
  }

  async save(client: string, stream: string, checkpoints: ReadonlyMap<string, Checkpoint>): Promise<void> {
    const startMs = this.#clock.monotonic()
    const { rows } = this.#make(client, stream)
    for (const [shardId, checkpoint] of checkpoints) checkCheckpoint(shardId, checkpoint)
    if (checkpoints.size === 0) return
    const updatedSeconds = Math.floor(this.#clock.now() / 1000)
    for (const [shardId, checkpoint] of checkpoints) {
      rows.set(shardId, { checkpoint: { ...checkpoint }, updatedSeconds })
    }
    const durationMs = this.#clock.monotonic() - startMs
    report({ type: 'checkpoint-saved', client, stream, shardCount: checkpoints.size, durationMs })
  }

  async pinStart(client: string, stream: string, timestampMs: number): Promise<number> {
    const positions = this.#make(client, stream)
    positions.startMs ??= Math.floor(timestampMs)
    return positions.startMs
  }

  async list(filter: { client?: string; stream?: string } = {}): Promise<CheckpointRow[]> {
    this.#checkOpen()
    return Array.from(this.#positions.values(), ({ client, stream, rows }) =>
      Array.from(rows, ([shardId, { checkpoint, updatedSeconds }]) => ({
        client,
        stream,
        shardId,
        ...checkpoint,
        updatedSeconds,
      })),
    )
      .flat()
      .filter((row) => row.client === (filter.client ?? row.client) && row.stream === (filter.stream ?? row.stream))
      .sort(byClientStreamShard)
  }

  async reset(client: string, stream: string, shardIds?: readonly string[]): Promise<number> {
    const positions = this.#of(client, stream)
    if (positions === undefined) return 0
    if (shardIds !== undefined) return shardIds.filter((shardId) => positions.rows.delete(shardId)).length
    this.#positions.delete(keyOf(client, stream))
    return positions.rows.size
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #of(client: string, stream: string): ClientPositions | undefined {
    this.#checkOpen()
    checkNames(client, stream)
    return this.#positions.get(keyOf(client, stream))
  }

  #make(client: string, stream: string): ClientPositions {
    const found = this.#of(client, stream)
    if (found !== undefined) return found
    const made: ClientPositions = { client, stream, rows: new Map() }
    this.#positions.set(keyOf(client, stream), made)
    return made
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ClosedError('the checkpoint store was closed')
  }
}

interface ClientPositions {
  client: string
  stream: string
  startMs?: number
  rows: Map<string, { checkpoint: Checkpoint; updatedSeconds: number }>
}

/** NUL can't stand in a name, so no two pairs share a key. */
const keyOf = (client: string, stream: string) => `${client}\0${stream}`
