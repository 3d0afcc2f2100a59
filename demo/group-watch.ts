import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** One worker process, as far as its own lines tell. */
export class GroupWorker {
  readonly name: string
  readonly child: ChildProcess
  readonly shards = new Set<string>()
  readonly behindMs = new Map<string, number>()
  handledCount = 0
  state: 'works' | 'killed' | 'stopped' = 'works'

  constructor(name: string, streamName: string, onHandled: (ns: readonly number[]) => void) {
    this.name = name
    const program = join(import.meta.dirname, 'group-worker.ts')
    this.child = spawn(process.execPath, ['--import', 'tsx', program, streamName], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    })
    const lines = this.child.stdout && createInterface({ input: this.child.stdout })
    lines?.on('line', (text) => {
      const line = JSON.parse(text) as Line
      if (line.taken !== undefined) this.shards.add(line.taken)
      if (line.gone !== undefined) this.shards.delete(line.gone)
      if (line.ns === undefined) return
      this.handledCount += line.ns.length
      this.behindMs.set(line.shardId ?? '', line.behindMs ?? 0)
      onHandled(line.ns)
    })
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const ended = once(this.child, 'exit')
    this.child.kill(signal)
    await ended
    this.state = signal === 'SIGKILL' ? 'killed' : 'stopped'
    this.shards.clear()
  }

  describe(): string {
    const numbers = [...this.shards].map((shardId) => Number(shardId.slice(-12))).sort((left, right) => left - right)
    const lag = Math.max(0, ...[...this.shards].map((shardId) => this.behindMs.get(shardId) ?? 0))
    const held = this.state === 'works' ? `shards ${numbers.join(' ') || '-'}` : this.state
    return `${this.name}  ${held.padEnd(16)} ${this.handledCount.toLocaleString('en').padStart(8)} records, ${lag} ms behind`
  }
}

interface Line {
  taken?: string
  gone?: string
  shardId?: string
  behindMs?: number
  ns?: number[]
}
