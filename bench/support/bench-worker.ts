import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** A worker of the package as it is built, in a process of its own. */
export class BenchWorker implements AsyncDisposable {
  readonly child: ChildProcess
  readonly lines: { type: string; shardId: string; atMs: number; count?: number }[] = []
  readonly heldShards = new Set<string>()
  #rest = ''
  #wake: (() => void)[] = []

  constructor(settings: object) {
    const program = join(import.meta.dirname, 'worker-process.js')
    this.child = spawn(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' },
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text))
  }

  firstMs(type: string): number {
    return this.lines.find((line) => line.type === type)?.atMs ?? Number.POSITIVE_INFINITY
  }

  /** When it first began to read the shard, after this time; 0: not yet. */
  reads(shardId: string, afterMs: number): number {
    const isIt = (line: { type: string; shardId: string; atMs: number }) =>
      line.type === 'shard-started' && line.shardId === shardId && line.atMs >= afterMs
    return this.lines.find(isIt)?.atMs ?? 0
  }

  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await this.next()
  }

  next(): Promise<void> {
    if (this.child.exitCode !== null) throw new Error(`a worker ended with ${this.child.exitCode}`)
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await ended
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const text of lines) {
      const line = JSON.parse(text) as BenchWorker['lines'][number]
      this.lines.push(line)
      if (line.type === 'lease-taken') this.heldShards.add(line.shardId)
      if (line.type === 'lease-released' || line.type === 'lease-lost') this.heldShards.delete(line.shardId)
    }
    for (const wake of this.#wake.splice(0)) wake()
  }
}
