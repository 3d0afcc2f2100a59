import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openLeaseStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { freshSqliteFile } from '../checkpoint/sqlite-file.ts'
import { startTestEngine } from '../support/engine.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { mergeShards, NumberedLoad, openShards, splitShard } from '../support/reshard-load.ts'
import { untilAll, type WorkerProcessSettings, WorkerProgram } from '../support/worker-program.ts'

let engine: LocalEngine
let api: KinesisApi
let postgres: TestPostgres

before(async () => {
  ;[engine, postgres] = await Promise.all([startTestEngine(), startPostgres()])
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
})

after(async () => {
  api.close()
  await engine.close()
  await postgres.close()
})

const places = {
  SQLite: async () => `sqlite://${freshSqliteFile()}`,
  PostgreSQL: () => postgres.createSchema(),
}

async function freshPlace(kind: keyof typeof places): Promise<string> {
  const leases = await places[kind]()
  await using store = openLeaseStore(leases)
  await store.init()
  return leases
}

/** How fast all this goes is measured by bench/workers.ts; here it is told in which order, however slow the machine. */
for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  const begin = async (name: string, shardCount: number, options: Partial<WorkerProcessSettings> = {}) => {
    const stream = `${name}-${kind}`
    await api.createStream(stream, shardCount)
    const leases = await freshPlace(kind)
    const settings = {
      endpoint: engine.endpoint,
      stream,
      client: 'billing',
      leases,
      idlePollMs: 50,
      failoverMs: 60_000,
      ...options,
    }
    return { stream, settings, load: new NumberedLoad(api, stream) }
  }

  test(`two processes share four shards, two each, and handle every record once, in ${kind}`, async () => {
    const { settings, load } = await begin('shared', 4)
    await load.putRounds(5)
    await using first = new WorkerProgram(settings)
    await using second = new WorkerProgram(settings)
    const programs = [first, second]
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 2))
    await load.putRounds(5)
    await untilAll(programs, () => handled(programs).size >= load.recordCount)
    assert.equal(new Set(programs.flatMap((program) => [...program.shardIds])).size, 4)
    assert.deepEqual(load.faultsIn(inOrder(programs)), [])
  })

  test(`a worker that is stopped hands its shards over: nothing is lost, nothing comes twice, in ${kind}`, async () => {
    const { settings, load } = await begin('stopped', 4, { handlerMs: 20 })
    await using first = new WorkerProgram(settings)
    await using second = new WorkerProgram(settings)
    const programs = [first, second]
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 2))
    load.start()
    await first.until(() => first.records.length > 100)
    await first.end('SIGTERM')
    assert.ok(first.lines.at(-1)?.closed, first.stderr)
    assert.equal(first.shardIds.size, 0)
    await second.until(() => second.shardIds.size === 4)
    await load.stop()
    await second.until(() => handled(programs).size >= load.recordCount)
    assert.deepEqual(load.faultsIn(inOrder(programs)), [])
  })

  test(`a worker that is killed is replaced, and nothing is lost, in ${kind}`, async () => {
    const { settings, load } = await begin('killed', 4, { failoverMs: 2_000 })
    await using first = new WorkerProgram(settings)
    await using second = new WorkerProgram(settings)
    const programs = [first, second]
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 2))
    load.start()
    await first.until(() => first.records.length > 100)
    await first.end('SIGKILL')
    await second.until(() => second.shardIds.size === 4)
    await load.stop()
    await second.until(() => handled(programs).size >= load.recordCount)
    // What the dead one did last was not kept and comes again; no key's record comes before its predecessor.
    assert.deepEqual(load.faultsIn(inOrder(programs), true), [])
  })

  test(`splits and merges while workers come and go: every record, each key in order, in ${kind}`, async () => {
    const { stream, settings, load } = await begin('resharded', 2)
    await using first = new WorkerProgram(settings)
    await using second = new WorkerProgram(settings)
    await untilAll([first, second], () => first.shardIds.size + second.shardIds.size === 2)
    load.start()
    await splitShard(api, stream, (await openShards(api, stream))[0])
    await using third = new WorkerProgram(settings)
    const programs = [first, second, third]
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 1))
    const [low, high] = await openShards(api, stream)
    await mergeShards(api, stream, low, high)
    await first.end('SIGTERM')
    await splitShard(api, stream, (await openShards(api, stream)).at(-1))
    const left = [second, third]
    await untilAll(left, () => {
      const finished = programs.flatMap((program) => program.news('shard-finished')).length
      return finished === 4 && second.shardIds.size + third.shardIds.size === 3
    })
    await load.stop()
    await untilAll(left, () => handled(programs).size >= load.recordCount)
    assert.deepEqual(load.faultsIn(inOrder(programs)), [])
  })
}

function handled(programs: readonly WorkerProgram[]): Set<string> {
  return new Set(programs.flatMap((program) => program.records))
}

/** All records that were handled, in the order of their printing. */
function inOrder(programs: readonly WorkerProgram[]): string[] {
  return programs
    .flatMap((program) => program.lines)
    .sort((left, right) => left.atMs - right.atMs)
    .flatMap(({ record }) => (record === undefined ? [] : [record]))
}
