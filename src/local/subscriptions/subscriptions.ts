import type { Clock, Timer } from '../../clock.ts'
import { shardIdOf } from '../../kinesis/shard.ts'
import { type ApiError, resourceInUse } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import { Subscription, type SubscriptionTarget } from './subscription.ts'

/** When subscriptions do what, in milliseconds. */
export interface SubscriptionTimes {
  /** So long one lives (AWS: SubscribeToShard). */
  readonly lifeMs: number
  /** So long after a subscription began no other may take its place (AWS: SubscribeToShard). */
  readonly replaceAfterMs: number
  /** An event without records tells so often that there is nothing new. */
  readonly idleEventMs: number
}

/** What events may hold that are on their way to all clients together; each one is kept small enough for that. */
const allEventsBytes = 64 * 1024 * 1024
const smallestEventBytes = 256 * 1024
const largestEventBytes = 2 * 1024 * 1024

/** How long records wait for company, in milliseconds: longer when there are many subscriptions to serve. */
const shortestGapMs = 2
const longestGapMs = 70
const subscriptionsPerGapMs = 4

interface Slot {
  readonly startedMs: number
  readonly subscription: Subscription
}

/** All subscriptions of the engine: one for each consumer and shard, none longer than its life. */
export class Subscriptions {
  readonly times: SubscriptionTimes
  readonly #clock: Clock
  /** The last subscription of each consumer and shard, ended or not. */
  readonly #slots = new Map<string, Slot>()
  /** What ends those that have not ended. */
  readonly #lives = new Map<Subscription, Timer>()
  #isClosed = false

  constructor(times: SubscriptionTimes, clock: Clock, closing: AbortSignal) {
    this.times = times
    this.#clock = clock
    closing.addEventListener('abort', () => {
      this.#isClosed = true
      for (const subscription of [...this.#lives.keys()]) subscription.end()
    })
  }

  /** Refuses a second subscription that comes too early; one that comes later takes the first one's place. */
  begin(core: EngineCore, target: SubscriptionTarget): Subscription {
    const key = keyOf(target)
    this.#slots.get(key)?.subscription.end(activeSubscription(core, target))
    const subscription = new Subscription(core, target, () => this.#release(subscription))
    this.#slots.set(key, { startedMs: this.#clock.monotonic(), subscription })
    this.#lives.set(
      subscription,
      this.#clock.setTimer(() => subscription.end(), this.times.lifeMs),
    )
    if (this.#isClosed) subscription.end()
    return subscription
  }

  checkFree(core: EngineCore, target: SubscriptionTarget): void {
    const nowMs = this.#clock.monotonic()
    const isRecent = (slot: Slot) => nowMs - slot.startedMs < this.times.replaceAfterMs
    for (const [key, slot] of this.#slots)
      if (!this.#lives.has(slot.subscription) && !isRecent(slot)) this.#slots.delete(key)
    const previous = this.#slots.get(keyOf(target))
    if (previous !== undefined && isRecent(previous)) throw activeSubscription(core, target)
  }

  /** Who listens to what at this moment. */
  active(): SubscriptionTarget[] {
    return Array.from(this.#lives.keys(), ({ target }) => target)
  }

  /** Data and keys that one event may hold. */
  get eventBytes(): number {
    const share = Math.floor(allEventsBytes / Math.max(1, this.#lives.size))
    return Math.min(largestEventBytes, Math.max(smallestEventBytes, share))
  }

  /** How long records wait behind an event for others to come along, in milliseconds. */
  get gapMs(): number {
    return Math.min(longestGapMs, shortestGapMs + Math.floor(this.#lives.size / subscriptionsPerGapMs))
  }

  #release(subscription: Subscription): void {
    this.#lives.get(subscription)?.cancel()
    this.#lives.delete(subscription)
  }
}

/** A stream or consumer that was made again under its name is another one. */
function keyOf({ stream, consumer, shardIndex }: SubscriptionTarget): string {
  return `${stream.state.serial}/${consumer.name}:${consumer.createdSeconds}/${shardIndex}`
}

function activeSubscription(core: EngineCore, { stream, consumer, shardIndex }: SubscriptionTarget): ApiError {
  const place = `${core.account}:${stream.state.name}:${shardIdOf(shardIndex)}:${consumer.name}`
  return resourceInUse(`Another active subscription exists for this consumer: ${place}`)
}
