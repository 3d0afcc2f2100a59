import { after, before } from 'node:test'
import { MemoryCheckpointStore } from '../../src/checkpoint/memory-checkpoint-store.ts'
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { freshSqliteFile } from '../checkpoint/sqlite-file.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { checkpointStoreContract } from './checkpoint-store.contract.ts'

checkpointStoreContract('memory', async (options) => new MemoryCheckpointStore(options))

checkpointStoreContract('SQLite', async (options) => openCheckpointStore(`sqlite://${freshSqliteFile()}`, options))

let postgres: TestPostgres
before(async () => {
  postgres = await startPostgres()
})
after(() => postgres.close())

checkpointStoreContract('PostgreSQL', async (options) => openCheckpointStore(await postgres.createSchema(), options))
