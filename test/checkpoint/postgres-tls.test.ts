import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { openCheckpointStore } from '../../src/checkpoint/open-checkpoint-store.ts'
import { parsePostgresAddress } from '../../src/checkpoint/postgres-address.ts'
import { PostgresDatabase } from '../../src/checkpoint/postgres-database.ts'
import { TritonCheckpointError } from '../../src/errors.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { freshSqliteFile as freshFile } from './sqlite-file.ts'
import { tlsCertificate } from './tls-certificate.ts'

let postgres: TestPostgres
let dsn: string
const rootFile = `${freshFile()}.crt`
before(async () => {
  postgres = await startPostgres({ tls: tlsCertificate })
  const dbname = (await postgres.createDatabase()).replace(/.*\//, '')
  const password = postgres.password.replaceAll(/['\\]/g, '\\$&')
  dsn = `dbname=${dbname} hostaddr=127.0.0.1 port=${postgres.port} user=${postgres.user} password='${password}'`
  writeFileSync(rootFile, tlsCertificate.certificate)
})
after(() => {
  rmSync(rootFile)
  return postgres.close()
})

test('a connection is encrypted unless sslmode says otherwise', async () => {
  assert.equal(await isEncrypted(dsn), true)
  assert.equal(await isEncrypted(`${dsn} sslmode=prefer`), true)
  assert.equal(await isEncrypted(`${dsn} sslmode=require`), true)
  assert.equal(await isEncrypted(`${dsn} sslmode=disable`), false)
})

test('a certificate is checked when sslmode asks for it: its signer, and with verify-full its name', async () => {
  assert.equal(await isEncrypted(`${dsn} sslmode=verify-ca sslrootcert=${rootFile}`), true)
  assert.equal(await isEncrypted(`${dsn} host=triton.test sslmode=verify-full sslrootcert=${rootFile}`), true)
  for (const [refused, why] of [
    [`${dsn} sslmode=verify-ca sslrootcert=system`, /self-signed certificate/],
    [`${dsn} sslmode=verify-full sslrootcert=${rootFile}`, /127\.0\.0\.1 is not in the cert's list/],
    [`${dsn} host=other.test sslmode=verify-full sslrootcert=${rootFile}`, /does not match certificate's altnames/],
    [`${dsn} sslmode=verify-ca sslrootcert=/nowhere/root.crt`, /can't read \/nowhere\/root\.crt, which.*sslrootcert/],
  ] as const) {
    await using store = openCheckpointStore(refused)
    await assert.rejects(store.list(), (error) => {
      assert.ok(error instanceof TritonCheckpointError)
      assert.match(error.message, why)
      assert.equal(error.retryable, false)
      return true
    })
  }
})

async function isEncrypted(address: string): Promise<boolean> {
  const database = new PostgresDatabase(parsePostgresAddress(address, {}))
  const work = { purpose: 'look', mode: 'read', onRetry: () => assert.fail('nothing to retry') } as const
  const { rows } = await database.transaction(work, (query) =>
    query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'),
  )
  await database.close()
  return rows[0]?.['ssl'] === true
}
