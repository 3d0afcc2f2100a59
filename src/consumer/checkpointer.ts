import type { Checkpoint } from '../checkpoint/checkpoint-store.ts'
import { TritonCheckpointError, TritonError } from '../errors.ts'
import type { CheckpointTarget } from './read-settings.ts'

/** How far one shard was handed out. Written by the iterator at every record, so a plain object. */
export interface ShardProgress {
  readonly shardId: string
  /** Last record handed out; undefined before the first. */
  sequenceNumber: string | undefined
  /** The end was reached behind everything that was handed out. */
  isFinished: boolean
  /** Something of this is not saved yet; set through `Checkpointer.touch` only. */
  isChanged: boolean
}

export interface CheckpointerOptions {
  stream: string
  target: () => Promise<CheckpointTarget> | undefined
  /** The number under which a shard is remembered as finished in which nothing was handed out. */
  restingNumber: (shardId: string) => string | undefined
}

/** Keeps what was handed out per shard, and saves what changed since the last save. */
export class Checkpointer {
  readonly #options: CheckpointerOptions
  readonly #progress = new Map<string, ShardProgress>()
  #changed = new Set<ShardProgress>()
  #lastSave: Promise<void> = Promise.resolve()

  constructor(options: CheckpointerOptions) {
    this.#options = options
  }

  of(shardId: string): ShardProgress {
    let progress = this.#progress.get(shardId)
    if (progress === undefined) {
      progress = { shardId, sequenceNumber: undefined, isFinished: false, isChanged: false }
      this.#progress.set(shardId, progress)
    }
    return progress
  }

  /** The next save takes this shard along. */
  touch(progress: ShardProgress): void {
    progress.isChanged = true
    this.#changed.add(progress)
  }

  /**
   * Saves the progress as it stands at this call, after the saves that were asked for before. Rejects with a
   * TritonCheckpointError; what was not saved is taken along by the next save.
   */
  save(): Promise<void> {
    const target = this.#options.target()
    if (target === undefined) {
      return Promise.reject(
        new TritonCheckpointError(
          `a checkpoint of "${this.#options.stream}" needs a checkpoint store and a client name: ` +
            'set TRITON_DB and TRITON_CLIENT_NAME, or give the option checkpoint',
        ),
      )
    }
    const taken = this.#changed
    this.#changed = new Set()
    const checkpoints = this.#snapshot(taken)
    const save = this.#lastSave.then(() => this.#write(target, checkpoints, taken))
    this.#lastSave = save.catch(() => {})
    return save
  }

  #snapshot(taken: ReadonlySet<ShardProgress>): Map<string, Checkpoint> {
    const checkpoints = new Map<string, Checkpoint>()
    for (const progress of taken) {
      const sequenceNumber = progress.sequenceNumber ?? this.#options.restingNumber(progress.shardId)
      if (sequenceNumber === undefined) {
        this.#changed.add(progress)
        continue
      }
      progress.isChanged = false
      checkpoints.set(progress.shardId, { sequenceNumber, isFinished: progress.isFinished })
    }
    return checkpoints
  }

  async #write(
    asked: Promise<CheckpointTarget>,
    checkpoints: ReadonlyMap<string, Checkpoint>,
    taken: ReadonlySet<ShardProgress>,
  ): Promise<void> {
    const { stream } = this.#options
    try {
      const { store, client } = await asked
      if (checkpoints.size > 0) await store.save(client, stream, checkpoints)
    } catch (error) {
      for (const progress of taken) this.touch(progress)
      if (error instanceof TritonError) throw error
      throw new TritonCheckpointError(
        `the checkpoint of ${checkpoints.size} shards of "${stream}" was not saved: ${String(error)}. ` +
          'Nothing moved; the next checkpoint takes it along.',
        { cause: error },
      )
    }
  }
}
