import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import Database from 'libsql'
import pg from 'pg'
import type { Checkpoint } from '../../src/checkpoint/checkpoint-store.ts'
import { initCheckpointTable, openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { SqlCheckpointStore } from '../../src/checkpoint/sql-checkpoint-store.ts'
import type { SqlDatabase } from '../../src/checkpoint/sql-database.ts'
import { SqliteDatabase } from '../../src/checkpoint/sqlite-database.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { at, listen, numberOf, refuses } from '../contracts/checkpoint-store.contract.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { freshSqliteFile } from './sqlite-file.ts'

let postgres: TestPostgres
before(async () => {
  postgres = await startPostgres()
})
after(() => postgres.close())

/** A database that several stores and old programs use at once. `run` is an old program: it knows one table. */
interface Place {
  address: string
  run(sql: string): Promise<Record<string, unknown>[]>
}

const places: Record<string, () => Promise<Place>> = {
  async SQLite() {
    const file = freshSqliteFile()
    return {
      address: `sqlite://${file}`,
      async run(sql) {
        const database = new Database(file)
        const statements = sql.split(/;\s*\n/).filter((text) => text.trim() !== '')
        let rows: Record<string, unknown>[] = []
        for (const text of statements) {
          const statement = database.prepare(text)
          if (statement.reader) rows = statement.all() as Record<string, unknown>[]
          else statement.run()
        }
        database.close()
        return rows
      },
    }
  },
  async PostgreSQL() {
    const address = await postgres.createSchema()
    return {
      address,
      async run(sql) {
        const client = new pg.Client(address)
        await client.connect()
        const { rows } = await client.query<Record<string, unknown>>(sql).finally(() => client.end())
        return rows ?? []
      },
    }
  },
}

for (const [name, makePlace] of Object.entries(places)) {
  describe(`checkpoints in ${name}, beside the old programs`, () => {
    test('the table is the old one, column by column', async () => {
      const { address, run } = await makePlace()
      await initCheckpointTable(address)
      await run(`INSERT INTO triton_checkpoint VALUES ('c', 's', '${shardIdOf(0)}', '${numberOf(0, 1)}', 1795399136)`)
      const [row] = await run('SELECT * FROM triton_checkpoint')
      assert.deepEqual(Object.keys(row ?? {}), ['client', 'stream', 'shard', 'seq_num', 'updated'])
      await assert.rejects(run(`INSERT INTO triton_checkpoint VALUES ('c', 's', '${shardIdOf(0)}', 'x', 1)`), /unique/i)
      await assert.rejects(run(`INSERT INTO triton_checkpoint VALUES ('c', 's', 'x', NULL, 1)`), /null/i)
    })

    test('a table that an old program made, without ours beside it, is continued', async () => {
      const { address, run } = await makePlace()
      await run(oldTable)
      await run(`INSERT INTO triton_checkpoint VALUES ('c', 's', '${shardIdOf(0)}', '${numberOf(0, 1)}', 1795399136)`)
      await using store = openCheckpointStore(address)
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 1)]), 'reading creates nothing')
      assert.equal((await store.list())[0]?.updatedSeconds, 1795399136)
      await store.save('c', 's', new Map([at(0, 2), [shardIdOf(1), finishedAt(1, 5)]]))
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 2), [shardIdOf(1), finishedAt(1, 5)]]))
    })

    test('after our save an old program still inserts by position, and updates', async () => {
      const { address, run } = await makePlace()
      await using store = openCheckpointStore(address)
      await store.init()
      await store.save('c', 's', new Map([at(0, 1)]))
      await run(`INSERT INTO triton_checkpoint VALUES ('c', 's', '${shardIdOf(1)}', '${numberOf(1, 3)}', 1795399136)`)
      await run(
        `UPDATE triton_checkpoint SET seq_num = '${numberOf(0, 2)}', updated = 1795399137 WHERE client = 'c' AND stream = 's' AND shard = '${shardIdOf(0)}'`,
      )
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 2), at(1, 3)]))
    })

    test('a finished shard, and a place inside an aggregate, are a plain sequence number to an old reader', async () => {
      const { address, run } = await makePlace()
      await using store = openCheckpointStore(address)
      await store.init()
      const inside = { sequenceNumber: numberOf(1, 4), subSequenceNumber: 17, isFinished: false }
      await store.save(
        'c',
        's',
        new Map<string, Checkpoint>([
          [shardIdOf(0), finishedAt(0, 9)],
          [shardIdOf(1), inside],
        ]),
      )
      const seen = await run('SELECT seq_num FROM triton_checkpoint ORDER BY shard')
      assert.deepEqual(
        seen.map((row) => row['seq_num']),
        [numberOf(0, 9), numberOf(1, 4)],
      )
    })

    test('when an old program moves a shard on, what we knew about the former place is void', async () => {
      const { address, run } = await makePlace()
      await using store = openCheckpointStore(address)
      await store.init()
      const inside = { sequenceNumber: numberOf(1, 4), subSequenceNumber: 17, isFinished: false }
      await store.save(
        'c',
        's',
        new Map<string, Checkpoint>([
          [shardIdOf(0), finishedAt(0, 9)],
          [shardIdOf(1), inside],
        ]),
      )
      await run(`UPDATE triton_checkpoint SET seq_num = '${numberOf(0, 10)}' WHERE shard = '${shardIdOf(0)}'`)
      await run(`UPDATE triton_checkpoint SET seq_num = '${numberOf(1, 5)}' WHERE shard = '${shardIdOf(1)}'`)
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 10), at(1, 5)]))
      await run(`DELETE FROM triton_checkpoint`)
      assert.deepEqual(await store.load('c', 's'), new Map())
    })

    test('a row that holds no position is reported and no row, but listed; a save puts it right', async () => {
      const { address, run } = await makePlace()
      await using store = openCheckpointStore(address)
      await store.init()
      const values = ['None', numberOf(5, 1), '', 'TRIM_HORIZON', '-1', '1e9', '9'.repeat(130), ' 1']
      for (const [index, value] of values.entries()) {
        await run(`INSERT INTO triton_checkpoint VALUES ('c', 's', '${shardIdOf(index)}', '${value}', 1)`)
      }
      await store.save('c', 's', new Map([at(20, 1)]))
      let loaded = new Map<string, Checkpoint>()
      const heard = await listen(async () => {
        loaded = await store.load('c', 's')
      })
      assert.deepEqual(loaded, new Map([at(20, 1)]))
      assert.deepEqual(
        heard.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
        values.map((value, index) => ({
          type: 'checkpoint-invalid',
          client: 'c',
          stream: 's',
          shardId: shardIdOf(index),
          value,
        })),
      )
      assert.deepEqual(
        (await store.list()).slice(0, -1).map((row) => row.sequenceNumber),
        values,
      )
      await store.save('c', 's', new Map([at(0, 2)]))
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 2), at(20, 1)]))
    })

    test('without the table every call says how to make it', async () => {
      const { address, run } = await makePlace()
      await run('SELECT 1')
      await using store = openCheckpointStore(address)
      const advice = /has no table triton_checkpoint: run "triton checkpoint init" or call initCheckpointTable\(\)/
      await refuses(store.load('c', 's'), advice)
      await refuses(store.list(), advice)
      await refuses(store.save('c', 's', new Map([at(0, 1)])), advice)
      await refuses(store.pinStart('c', 's', 1), advice)
      await refuses(store.reset('c', 's'), advice)
      await store.init()
      await store.save('c', 's', new Map([at(0, 1)]))
    })

    test('a table that is dropped in the middle is missed at once, and a side table made again', async () => {
      const { address, run } = await makePlace()
      await using store = openCheckpointStore(address)
      await store.init()
      await store.save('c', 's', new Map([at(0, 1)]))
      await run('DROP TABLE triton_checkpoint')
      await refuses(store.save('c', 's', new Map([at(0, 2)])), /triton checkpoint init/)
      await refuses(store.load('c', 's'), /triton checkpoint init/)
      await store.init()
      await store.save('c', 's', new Map([at(0, 3)]))
      await run('DROP TABLE triton_checkpoint_detail')
      assert.deepEqual(await store.load('c', 's'), new Map([at(0, 3)]))
      await store.save('c', 's', new Map([[shardIdOf(0), finishedAt(0, 4)]]))
      assert.deepEqual(await store.load('c', 's'), new Map([[shardIdOf(0), finishedAt(0, 4)]]))
    })

    test('many processes may create the tables and save at the same time', async () => {
      const { address } = await makePlace()
      const stores = Array.from({ length: 6 }, () => openCheckpointStore(address))
      await Promise.all(stores.map((store) => store.init()))
      await Promise.all(
        stores.map(async (store, own) => {
          for (let step = 1; step <= 10; step++) {
            // Half of the shards are everybody's, given in opposite orders: whoever locks them must not wait in a circle.
            const shared = Array.from({ length: 10 }, (_, index) => at(100 + (own % 2 ? index : 9 - index), step))
            await store.save('c', 's', new Map([at(own, step), ...shared]))
          }
        }),
      )
      const loaded = await stores[0]?.load('c', 's')
      assert.deepEqual(
        loaded,
        new Map([
          ...stores.map((_, own) => at(own, 10)),
          ...Array.from({ length: 10 }, (_, index) => at(100 + index, 10)),
        ]),
      )
      await Promise.all(stores.map((store) => store.close()))
    })

    test('what was asked for before the store closed is there for the next one', async () => {
      const { address } = await makePlace()
      const store = openCheckpointStore(address)
      await store.init()
      const saving = [1, 2, 3].map((step) => store.save('c', 's', new Map([at(0, step)])))
      await store.close()
      await Promise.all(saving)
      await using next = openCheckpointStore(address)
      assert.deepEqual(await next.load('c', 's'), new Map([at(0, 3)]))
    })

    test('the rows that py-triton and go-triton left are continued', async () => {
      const { address, run } = await makePlace()
      await run(oldTable)
      const dump = await readFile(new URL('py-checkpoints.sql', golden), 'utf8')
      const inserts = dump.split('\n').filter((line) => line.startsWith('INSERT'))
      await run(inserts.join('\n').replaceAll('public.', ''))
      await using store = openCheckpointStore(address)
      const expected = await expectedRows('py-checkpoints.expected.json')
      assert.deepEqual(await store.list(), expected)
      const rides = expected.filter((row) => row.client === 'worker2' && row.stream === 'rides-eu.v1')
      let loaded = new Map<string, Checkpoint>()
      const heard = await listen(async () => {
        loaded = await store.load('worker2', 'rides-eu.v1')
      })
      assert.deepEqual([...loaded].map(([, checkpoint]) => checkpoint.sequenceNumber).sort(), [
        ...rides
          .map((row) => row.sequenceNumber)
          .filter((text) => text !== 'None')
          .sort(),
      ])
      assert.equal(heard.length, 1, 'the row with None')
      await store.save('worker2', 'rides-eu.v1', new Map([at(3, 1)]))
      assert.equal((await store.load('worker2', 'rides-eu.v1')).size, 4)
    })
  })
}

test('a thousand shards are saved in a handful of statements', async () => {
  const counted = countStatements(new SqliteDatabase(freshSqliteFile()))
  await using store = new SqlCheckpointStore(counted.database)
  await store.init()
  await store.save('c', 's', new Map([at(0, 0)]))
  const before = counted.count()
  await store.save('c', 's', new Map(Array.from({ length: 1_000 }, (_, index) => at(index, 1))))
  const plain = counted.count() - before
  await store.save(
    'c',
    's',
    new Map(Array.from({ length: 1_000 }, (_, index) => [shardIdOf(index), finishedAt(index, 2)])),
  )
  const finished = counted.count() - before - plain
  assert.ok(plain <= 4 && finished <= 5, `${plain} and ${finished} statements`)
})

const golden = new URL('../golden/checkpoints/', import.meta.url)

const oldTable = `CREATE TABLE triton_checkpoint (
  client VARCHAR(255) NOT NULL, stream VARCHAR(255) NOT NULL, shard VARCHAR(255) NOT NULL,
  seq_num VARCHAR(255) NOT NULL, updated INTEGER NOT NULL, PRIMARY KEY (client, stream, shard))`

function finishedAt(shardIndex: number, step: number): Checkpoint {
  return { sequenceNumber: numberOf(shardIndex, step), isFinished: true }
}

async function expectedRows(file: string) {
  const { rows } = JSON.parse(await readFile(new URL(file, golden), 'utf8')) as {
    rows: { client: string; stream: string; shard: string; seq_num: string; updated: number }[]
  }
  return rows.map(({ client, stream, shard, seq_num, updated }) => ({
    client,
    stream,
    shardId: shard,
    sequenceNumber: seq_num,
    isFinished: false,
    updatedSeconds: updated,
  }))
}

function countStatements(inner: SqlDatabase): { database: SqlDatabase; count: () => number } {
  let statementCount = 0
  const database: SqlDatabase = {
    place: inner.place,
    forUpdate: inner.forUpdate,
    transaction: (work, act) =>
      inner.transaction(work, (query) =>
        act((sql, values) => {
          statementCount++
          return query(sql, values)
        }),
      ),
    elementsOf: (place) => inner.elementsOf(place),
    findTables: (query, names) => inner.findTables(query, names),
    close: () => inner.close(),
  }
  return { database, count: () => statementCount }
}
