import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LeaseChange } from '../../src/checkpoint/lease-store.ts'
import type { SqlDatabase } from '../../src/checkpoint/sql-database.ts'
import { SqlLeaseStore } from '../../src/checkpoint/sql-lease-store.ts'
import { SqliteDatabase } from '../../src/checkpoint/sqlite-database.ts'
import { shardIdOf } from '../../src/kinesis/shard.ts'
import { at } from '../contracts/checkpoint-store.contract.ts'
import { freshSqliteFile } from './sqlite-file.ts'

/** The same database, with its statements noted. */
function noting(database: SqlDatabase, statements: string[]): SqlDatabase {
  const noted: Pick<SqlDatabase, 'transaction'> = {
    transaction: (work, act) =>
      database.transaction(work, (query) =>
        act((sql, values) => {
          statements.push(sql)
          return query(sql, values)
        }),
      ),
  }
  return Object.assign(Object.create(database) as SqlDatabase, noted, {
    findTables: database.findTables.bind(database),
    close: database.close.bind(database),
  })
}

test('a round of renewals is a handful of statements, of one lease or of a thousand with their checkpoints', async () => {
  const statements: string[] = []
  await using store = new SqlLeaseStore(noting(new SqliteDatabase(freshSqliteFile()), statements))
  await store.init()
  const counts: number[] = []
  for (const count of [1, 1_000]) {
    const names = Array.from({ length: count }, (_, index) => shardIdOf(index))
    const takes = names.map((name): LeaseChange => ({ type: 'take', name, by: 'a', owner: '', counter: 0, next: 1 }))
    await store.apply(`of ${count}`, 's', [...names.map((name): LeaseChange => ({ type: 'create', name })), ...takes])
    statements.length = 0
    const renewals = names.map(
      (name, index): LeaseChange => ({
        ...{ type: 'renew', name, by: 'a', counter: 1, next: 2, checkpoint: { ...at(index, 1)[1], isFinished: true } },
      }),
    )
    const answers = await store.apply(`of ${count}`, 's', renewals)
    assert.ok(answers.every(({ isDone }) => isDone))
    counts.push(statements.length)
  }
  assert.equal(counts[0], counts[1])
  assert.ok((counts[1] ?? 0) <= 8, statements.join('\n'))
})
