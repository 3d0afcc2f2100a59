import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { NumberedLoad } from '../support/reshard-load.ts'
import { lasts } from '../support/soak.ts'
import { troubledPostgres, troubledSqlite } from '../support/troubled-leases.ts'
import { untilAll, type WorkerProcessSettings, WorkerProgram } from '../support/worker-program.ts'

let engine: LocalEngine
let api: KinesisApi
let postgres: TestPostgres
let streamCount = 0

before(async () => {
  ;[engine, postgres] = await Promise.all([startTestEngine(), startPostgres()])
  api = createAwsKinesisApi({ endpoint: engine.endpoint, region: 'us-east-1' })
})

after(async () => {
  api.close()
  await engine.close()
  await postgres.close()
})

const databases = {
  SQLite: () => troubledSqlite(),
  PostgreSQL: () => troubledPostgres(postgres),
}

async function begin(kind: keyof typeof databases, options: Partial<WorkerProcessSettings> = {}) {
  const stream = `trouble-${streamCount++}`
  await api.createStream(stream, 4)
  const leases = await databases[kind]()
  const settings = {
    endpoint: engine.endpoint,
    stream,
    client: 'c',
    leases: leases.address,
    idlePollMs: 50,
    failoverMs: 1_000,
    ...options,
  }
  const load = new NumberedLoad(api, stream)
  const end = async () => {
    await load.stop()
    await leases[Symbol.asyncDispose]()
  }
  return { stream, settings, load, leases, [Symbol.asyncDispose]: end }
}

function handled(programs: readonly WorkerProgram[]): Set<string> {
  return new Set(programs.flatMap((program) => program.records))
}

function inOrder(programs: readonly WorkerProgram[]): string[] {
  return programs
    .flatMap((program) => program.lines)
    .sort((left, right) => left.atMs - right.atMs)
    .flatMap(({ record }) => (record === undefined ? [] : [record]))
}

async function bothWork(programs: readonly WorkerProgram[]): Promise<void> {
  await untilAll(programs, () => programs.every((program) => program.shardIds.size === 2))
}

/** Two workers at work, with two of the four shards each. */
async function beginTwo(kind: keyof typeof databases, options: Partial<WorkerProcessSettings> = {}) {
  const place = await begin(kind, options)
  const [first, second] = [new WorkerProgram(place.settings), new WorkerProgram(place.settings)]
  const programs = [first, second]
  const end = async () => {
    for (const program of programs) await program[Symbol.asyncDispose]()
    await place[Symbol.asyncDispose]()
  }
  try {
    await bothWork(programs)
  } catch (error) {
    await end()
    throw error
  }
  return { ...place, first, second, programs, [Symbol.asyncDispose]: end }
}

/** Nothing is handled for so long, but for what was in hand at its beginning. */
async function staysIdle(programs: readonly WorkerProgram[], ms: number): Promise<void> {
  if (ms === 0) return
  await passing(ms / 4)
  const count = handled(programs).size
  await passing((ms * 3) / 4)
  assert.equal(handled(programs).size, count, 'nothing is handled without a lease')
}

function passing(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function nothingIsLost(programs: readonly WorkerProgram[], load: NumberedLoad): Promise<void> {
  await load.stop()
  await untilAll(programs, () => handled(programs).size >= load.recordCount)
  assert.deepEqual(load.faultsIn(inOrder(programs), true), [])
}

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`a lease database that is down: the workers stop handling in time, and go on when it is back, with ${kind}`, async () => {
    await using place = await beginTwo(kind)
    const { load, leases, first, programs } = place
    load.start()
    await first.until(() => first.records.length > 50)
    await leases.goAway()
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 0))
    for (const { reason } of first.news('lease-lost')) assert.match(reason, /could not be renewed for 1000 ms/)
    const countWhenDown = handled(programs).size
    await load.stop()
    await staysIdle(programs, lasts(60_000, 0))
    await leases.comeBack()
    await load.putRounds(3)
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 2))
    await nothingIsLost(programs, load)
    assert.ok(handled(programs).size > countWhenDown)
  })

  test(`a lease database that is slow for longer than failoverMs loses nothing, with ${kind}`, async () => {
    await using place = await beginTwo(kind)
    const { load, leases, programs } = place
    load.start()
    const letGo = await leases.hold()
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 0))
    await passing(lasts(5_000, 0))
    await letGo()
    await bothWork(programs)
    await nothingIsLost(programs, load)
  })

  test(`a lease database that is slow for less than failoverMs costs no lease, and nothing comes twice, with ${kind}`, async () => {
    await using place = await beginTwo(kind, { failoverMs: 60_000 })
    const { load, leases, programs } = place
    load.start()
    const letGo = await leases.hold()
    const count = handled(programs).size
    await untilAll(programs, () => handled(programs).size > count + 100)
    await passing(lasts(5_000, 0))
    await letGo()
    await load.stop()
    await untilAll(programs, () => handled(programs).size >= load.recordCount)
    assert.deepEqual(load.faultsIn(inOrder(programs)), [])
    for (const program of programs) assert.deepEqual(program.news('lease-lost'), [])
  })

  test(`a lease database that turns read-only is told, and nothing is handled under leases that can not be renewed, with ${kind}`, async () => {
    await using place = await beginTwo(kind)
    const { load, leases, first, programs } = place
    load.start()
    await leases.setReadOnly(true)
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 0))
    // By a renewal, or, where the leases were over before one was tried, by the attempt to come back.
    const told = (program: WorkerProgram) => [...program.news('lease-write-failed'), ...program.news('worker-hindered')]
    await untilAll(programs, () => told(first).some(({ reason }) => /read-?only/.test(reason)))
    await leases.setReadOnly(false)
    await bothWork(programs)
    await nothingIsLost(programs, load)
  })

  test(`rows that nobody of us wrote stop nobody, with ${kind}`, async () => {
    await using place = await begin(kind)
    const { stream, settings, load, leases } = place
    const row = (name: string, owner: string, counter: string, state: string, parents = '') =>
      `INSERT INTO triton_lease VALUES ('c', '${stream}', '${name}', '${owner}', ${counter}, 'who?', '${parents}', '${state}', -7, -7, 'x')`
    await leases.run(
      row('shardId-000000000000', 'a ghost', '-5', 'odd'),
      row('shardId-000000000001', 'a ghost', '9223372036854775807', 'new', 'no shard,'),
      row('shardId-000000000999', '', '3', 'new'),
      row('no shard at all', 'a ghost', '1', 'finished'),
      row('worker:a ghost', 'a ghost', '1', 'new'),
      `INSERT INTO triton_checkpoint VALUES ('c', '${stream}', 'shardId-000000000002', 'None', 0)`,
    )
    await load.putRounds(3)
    await using worker = new WorkerProgram(settings)
    await worker.until(() => worker.shardIds.size === 4)
    load.start()
    await worker.until(() => worker.records.length > 200)
    await nothingIsLost([worker], load)
  })
}

test('two workers with the same id are two workers', async () => {
  await using place = await beginTwo('PostgreSQL', { workerId: 'the-one', failoverMs: 60_000 })
  const { load, first, programs } = place
  const owners = programs.map((program) => program.news('worker-started')[0]?.owner)
  assert.ok(owners.every((owner) => owner?.startsWith('the-one/')))
  assert.notEqual(owners[0], owners[1])
  load.start()
  await first.until(() => first.records.length > 50)
  await nothingIsLost(programs, load)
  assert.deepEqual(load.faultsIn(inOrder(programs)), [], 'nor does anything come twice')
})

test('a worker that was asleep while its leases were taken handles nothing more under them', async () => {
  await using place = await beginTwo('PostgreSQL')
  const { load, first, second, programs } = place
  load.start()
  await first.until(() => first.records.length > 50)
  first.child.kill('SIGSTOP')
  await second.until(() => second.shardIds.size === 4)
  first.child.kill('SIGCONT')
  await first.until(() => first.news('lease-lost').length >= 2)
  await bothWork(programs)
  await nothingIsLost(programs, load)
})

test('a handler that blocks the event loop for longer than failoverMs: others go on, and it moves no checkpoint', async () => {
  await using place = await begin('PostgreSQL')
  const { settings, load } = place
  await using first = new WorkerProgram({ ...settings, blockMs: lasts(30_000, 5_000) })
  await first.until(() => first.shardIds.size === 4)
  await load.putRounds(3)
  await first.until(() => first.lines.some(({ news }) => (news?.type as string) === 'handler-blocks'))
  await using second = new WorkerProgram(settings)
  const programs = [first, second]
  await second.until(() => second.news('lease-taken').length > 0)
  await load.putRounds(20)
  await first.until(() => first.news('lease-lost').length > 0)
  await bothWork(programs)
  await load.putRounds(20)
  await nothingIsLost(programs, load)
})
