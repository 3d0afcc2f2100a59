import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openLeaseStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import type { KinesisApi } from '../../src/kinesis/kinesis-api.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { freshSqliteFile } from '../checkpoint/sqlite-file.ts'
import { startTestEngine } from '../support/engine.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { NumberedLoad } from '../support/reshard-load.ts'
import { untilAll, WorkerProgram } from '../support/worker-program.ts'

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

for (const kind of ['SQLite', 'PostgreSQL'] as const) {
  test(`two processes share four shards, two each, and handle every record, in ${kind}`, async () => {
    const stream = `shared-${kind}`
    await api.createStream(stream, 4)
    const leases = await freshPlace(kind)
    const settings = { endpoint: engine.endpoint, stream, client: 'billing', leases, idlePollMs: 50 }
    const load = new NumberedLoad(api, stream)
    await load.putRounds(5)
    await using first = new WorkerProgram(settings)
    await using second = new WorkerProgram(settings)
    const programs = [first, second]
    await untilAll(programs, () => programs.every((program) => program.shardIds.size === 2))
    await load.putRounds(5)
    const count = () => programs.reduce((sum, program) => sum + new Set(program.records).size, 0)
    await untilAll(programs, () => count() >= load.recordCount)
    const shardIds = programs.flatMap((program) => [...program.shardIds])
    assert.equal(new Set(shardIds).size, 4)
    assert.deepEqual(load.faultsIn(inOrder(programs)), [])
  })
}

/** All records that were handled, in the order of their printing. */
function inOrder(programs: readonly WorkerProgram[]): string[] {
  return programs
    .flatMap((program) => program.lines)
    .sort((left, right) => left.atMs - right.atMs)
    .flatMap(({ record }) => (record === undefined ? [] : [record]))
}
