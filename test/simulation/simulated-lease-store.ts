import type { CheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import type { Lease, LeaseAnswer, LeaseChange, LeaseStore } from '../../src/checkpoint/lease-store.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import type { Random } from '../../src/random.ts'
import type { MachineClock, SimulatedTime } from './simulated-time.ts'

/** How badly the network between a machine and the lease database behaves; each a chance from 0 to 1. */
export interface StoreFaults {
  lostRequest: number
  lostAnswer: number
  /** Carried out a second time, later. */
  repeated: number
  /** Takes seconds, and is carried out although its caller has given up. */
  slow: number
}

export const noStoreFaults: StoreFaults = { lostRequest: 0, lostAnswer: 0, repeated: 0, slow: 0 }

/** One machine's connection to the lease database that all share. */
export class SimulatedLeaseStore implements LeaseStore {
  readonly checkpoints: CheckpointStore
  readonly #shared: LeaseStore
  readonly #time: SimulatedTime
  readonly #clock: MachineClock
  readonly #random: Random
  readonly #faults: () => StoreFaults

  constructor(shared: LeaseStore, time: SimulatedTime, clock: MachineClock, random: Random, faults: () => StoreFaults) {
    this.#shared = shared
    this.#time = time
    this.#clock = clock
    this.#random = random
    this.#faults = faults
    const { checkpoints } = shared
    this.checkpoints = Object.assign(Object.create(checkpoints) as CheckpointStore, {
      load: (client: string, stream: string) => this.#call(() => checkpoints.load(client, stream)),
      pinStart: (client: string, stream: string, atMs: number) =>
        this.#call(() => checkpoints.pinStart(client, stream, atMs)),
    })
  }

  init(): Promise<void> {
    return this.#shared.init()
  }

  list(client: string, stream: string): Promise<Lease[]> {
    return this.#call(() => this.#shared.list(client, stream))
  }

  apply(client: string, stream: string, changes: readonly LeaseChange[]): Promise<LeaseAnswer[]> {
    const sent = structuredClone(changes)
    return this.#call(() => this.#shared.apply(client, stream, sent))
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  /** The request travels whatever becomes of its sender; the answer arrives when the machine runs. */
  #call<T>(act: () => Promise<T>): Promise<T> {
    const faults = this.#faults()
    const happens = (chance: number) => this.#random.next() < chance
    const wayMs = happens(faults.slow) ? 500 + this.#random.next() * 8_000 : 1 + this.#random.next() * 20
    const isLost = happens(faults.lostRequest)
    const isDeaf = happens(faults.lostAnswer)
    if (happens(faults.repeated)) {
      this.#time.at(this.#time.nowMs + wayMs + this.#random.next() * 4_000, () => void act().catch(() => {}))
    }
    return new Promise((resolve, reject) => {
      const giveUp = this.#clock.setTimer(
        () => reject(new TritonCheckpointError('the lease database did not answer', { retryable: true })),
        answerMs,
      )
      if (isLost || this.#clock.state === 'dead') return
      this.#time.at(this.#time.nowMs + wayMs, () => {
        act().then(
          (answer) => isDeaf || this.#deliver(() => resolve(answer), giveUp),
          (error) => isDeaf || this.#deliver(() => reject(error), giveUp),
        )
      })
    })
  }

  #deliver(settle: () => void, giveUp: { cancel: () => void }): void {
    this.#clock.setTimer(
      () => {
        giveUp.cancel()
        settle()
      },
      1 + this.#random.next() * 10,
    )
  }
}

const answerMs = 2_500
