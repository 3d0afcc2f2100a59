import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createAwsKinesisApi, getStream, initCheckpointTable, loadConfig } from 'triton-kinesis'
import { startLocalEngine } from 'triton-kinesis/local'
import { GroupWorker } from './group-watch.ts'
import { readInput } from './input.ts'
import { Screen } from './screen.ts'
import { Seen } from './seen.ts'

/**
 * Real records go through a stream that three worker processes share. One of them is killed and a shard is split on the
 * way; their shards move, and at the end everything that was put has to have been handled, each key in order.
 */
const streamName = 'flights'
const putSeconds = 15
const longestStandstillMs = 60_000

const screen = new Screen()
const directory = mkdtempSync(join(tmpdir(), 'triton-demo-workers-'))
try {
  process.exitCode = (await runDemo()) ? 0 : 1
} catch (error) {
  screen.print(`demo: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function runDemo(): Promise<boolean> {
  const { rows, keyField, title } = readInput(undefined, undefined)
  await using engine = await startLocalEngine({ streams: [{ name: streamName, shardCount: 4 }] })
  const config = join(directory, 'triton.yaml')
  writeFileSync(
    config,
    `${streamName}:\n  name: ${streamName}\n  partition_key: ${keyField}\n  endpoint: ${engine.endpoint}\n`,
  )
  Object.assign(process.env, {
    TRITON_CONFIG: config,
    TRITON_DB: `sqlite://${join(directory, 'group.db')}`,
    TRITON_CLIENT_NAME: 'demo',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  })
  await initCheckpointTable()
  await using stream = getStream<object>(streamName, loadConfig())
  const api = createAwsKinesisApi({ endpoint: engine.endpoint })
  const seen = new Seen(rows.map((row) => String(row[keyField])))
  const workers = ['worker 1', 'worker 2', 'worker 3'].map(
    (name) => new GroupWorker(name, streamName, (ns) => seen.add(ns)),
  )
  const drawing = setInterval(() => screen.live([...workers.map((worker) => worker.describe()), seen.describe()]), 200)
  try {
    screen.tell(`${rows.length.toLocaleString('en')} records of ${title} go into 4 shards; three workers share them`)
    await until('every worker has a shard', workers, seen, () => workers.every(({ shards }) => shards.size > 0))
    screen.tell(`shared out: ${workers.map(({ shards }) => shards.size).join(' + ')}`)
    const deeds = [
      { at: 0.3, act: () => kill(workers[1] as GroupWorker) },
      { at: 0.6, act: () => split(api) },
    ]
    const pieces = putSeconds * 10
    for (let piece = 0; piece < pieces; piece++) {
      const deed = deeds[0]
      if (deed !== undefined && piece >= deed.at * pieces) await deeds.shift()?.act()
      const from = Math.floor((rows.length * piece) / pieces)
      const part = rows.slice(from, Math.floor((rows.length * (piece + 1)) / pieces))
      await stream.putMany(part.map((row, index) => ({ ...row, n: from + index })))
      await wait(100)
    }
    screen.tell('all is put; what is left is handled')
    await until('everything is handled', workers, seen, () => seen.count === rows.length)
    await Promise.all(workers.map((worker) => worker.end('SIGTERM')))
    screen.tell('all is handled; the workers gave their shards back')
  } finally {
    clearInterval(drawing)
    api.close()
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')))
  }
  return prove(seen)
}

async function kill(worker: GroupWorker): Promise<void> {
  const shards = [...worker.shards].map((shardId) => Number(shardId.slice(-12)))
  await worker.end('SIGKILL')
  screen.tell(`${worker.name} was killed, with shards ${shards.join(' ')} in its hands; the others wait 3 s for it`)
}

async function split(api: ReturnType<typeof createAwsKinesisApi>): Promise<void> {
  const [shard] = await api.listShards(streamName)
  if (shard === undefined) throw new Error('there is no shard to split')
  const { start, end } = shard.hashKeyRange
  await api.splitShard(streamName, shard.shardId, (start + end) / 2n)
  screen.tell('shard 0 was split: its children are read when it is finished')
}

async function until(what: string, workers: GroupWorker[], seen: Seen, isTrue: () => boolean): Promise<void> {
  let lastCount = -1
  let movedMs = performance.now()
  while (!isTrue()) {
    if (seen.count !== lastCount) movedMs = performance.now()
    lastCount = seen.count
    const dead = workers.find(({ child, state }) => state === 'works' && child.exitCode !== null)
    if (dead !== undefined) throw new Error(`${dead.name} ended with exit code ${dead.child.exitCode}`)
    if (performance.now() - movedMs > longestStandstillMs) throw new Error(`nothing moves any more before ${what}`)
    await wait(50)
  }
}

function prove(seen: Seen): boolean {
  const { count, missingCount, disorderCount, repeatCount } = seen
  screen.print(`
  every record handled   ${missingCount === 0 ? `yes, all ${count.toLocaleString('en')}` : `NO: ${missingCount} are missing`}
  order kept per key     ${disorderCount === 0 ? 'yes' : `NO: ${disorderCount} came too late`}
  handled again          ${repeatCount.toLocaleString('en')}, by who went on for the one that was killed
`)
  return missingCount === 0 && disorderCount === 0
}
