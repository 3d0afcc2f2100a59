import { after, before } from 'node:test'
import { MemoryLeaseStore } from '../../src/checkpoint/memory-lease-store.ts'
import { openLeaseStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { freshSqliteFile } from '../checkpoint/sqlite-file.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { leaseStoreContract } from './lease-store.contract.ts'

leaseStoreContract('memory', async () => {
  const store = new MemoryLeaseStore()
  return { open: () => store }
})

leaseStoreContract('SQLite', async () => {
  const address = `sqlite://${freshSqliteFile()}`
  return { open: () => openLeaseStore(address) }
})

let postgres: TestPostgres
before(async () => {
  postgres = await startPostgres()
})
after(() => postgres.close())

leaseStoreContract('PostgreSQL', async () => {
  const address = await postgres.createSchema()
  return { open: () => openLeaseStore(address) }
})
