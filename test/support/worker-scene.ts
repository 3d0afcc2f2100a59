import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { Worker } from '../../src/group/worker.ts'
import type { WorkerOptions } from '../../src/group/worker-options.ts'
import { seededRandom } from '../../src/random.ts'
import { MachineClock, SimulatedTime } from '../simulation/simulated-time.ts'
import { ReshardModel } from './reshard-model.ts'

const decode = (bytes: Uint8Array) => ({ data: Buffer.from(bytes).toString() })

/** One stream, one lease store and workers, on simulated time. */
export class WorkerScene implements Disposable {
  readonly time = new SimulatedTime()
  readonly clock = new MachineClock(this.time, 0)
  readonly stream: ReshardModel
  readonly leases = new MemoryLeaseStore({ clock: this.clock })
  readonly got: string[] = []
  readonly news: Diagnostic[] = []
  readonly #stop = observe((news) => this.news.push(news))

  constructor(shardCount = 2) {
    this.stream = new ReshardModel(shardCount)
  }

  start(options: Partial<WorkerOptions<string>> = {}): Worker<string> {
    return new Worker<string>(
      { api: this.stream, stream: 'model', decode, leases: this.leases, closesLeases: false },
      {
        ...{ client: 'c', clock: this.clock, random: seededRandom(this.time.nowMs), auditMs: 5_000, idlePollMs: 1_000 },
        ...(options.handleRecord === undefined && {
          handler: (records) => void this.got.push(...records.map(({ data = '' }) => data)),
        }),
        ...options,
      },
    )
  }

  async close(worker: Worker<string>): Promise<void> {
    const closing = worker.close()
    await this.time.run(15_000)
    await closing
  }

  of<T extends Diagnostic['type']>(type: T): Extract<Diagnostic, { type: T }>[] {
    return this.news.filter((news) => news.type === type) as Extract<Diagnostic, { type: T }>[]
  }

  async leaseNames(): Promise<string[]> {
    const leases = await this.leases.list('c', 'model')
    return leases
      .map(({ name }) => name)
      .filter((name) => name.startsWith('shardId'))
      .sort()
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}
