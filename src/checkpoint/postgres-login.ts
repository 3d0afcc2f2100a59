import { existsSync, readFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, checkServerIdentity } from 'node:tls'
import { TritonCheckpointError } from '../errors.ts'
import type { PostgresAddress } from './postgres-address.ts'

export interface PostgresLogin {
  /** A name, an address, or the directory of the server's Unix socket. */
  host: string
  port: number
  user: string
  database: string
  password?: string
}

/** What libpq fills in: the socket of this machine (where there is none, localhost), our own user name, a database called like the user. */
export function loginOf(address: PostgresAddress): PostgresLogin {
  const port = Number(address.port ?? 5432)
  const user = address.user ?? userInfo().username
  const host = address.hostaddr ?? address.host ?? socketDirectory(port) ?? 'localhost'
  const login = { host, port, user, database: address.dbname ?? user }
  return address.password === undefined ? login : { ...login, password: address.password }
}

/**
 * TLS as libpq's `sslmode` means it: `prefer` and `require` encrypt without looking at who answers, `verify-ca` checks
 * the certificate, `verify-full` its name, too. `require` with a root certificate is `verify-ca`.
 */
export function postgresTls(address: PostgresAddress): false | ConnectionOptions {
  const { sslmode = 'prefer', sslcert, sslkey } = address
  const host = loginOf(address).host
  if (sslmode === 'disable' || host.startsWith('/')) return false
  const ownCa = join(homedir(), '.postgresql', 'root.crt')
  const ca = address.sslrootcert ?? (existsSync(ownCa) ? ownCa : undefined)
  const isVerified = sslmode.startsWith('verify') || (sslmode === 'require' && address.sslrootcert !== undefined)
  return {
    rejectUnauthorized: isVerified,
    checkServerIdentity: (_, certificate) =>
      sslmode === 'verify-full' ? checkServerIdentity(address.host ?? host, certificate) : undefined,
    ...(isVerified && ca !== undefined && ca !== 'system' ? { ca: read(ca, 'sslrootcert') } : {}),
    ...(sslcert === undefined ? {} : { cert: read(sslcert, 'sslcert') }),
    ...(sslkey === undefined ? {} : { key: read(sslkey, 'sslkey') }),
  }
}

function read(file: string, setting: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw new TritonCheckpointError(`can't read ${file}, which the checkpoint database's ${setting} names`, { cause })
  }
}

/** Debian's packages, and PostgreSQL's own default. */
function socketDirectory(port: number): string | undefined {
  return ['/var/run/postgresql', '/tmp'].find((directory) => existsSync(join(directory, `.s.PGSQL.${port}`)))
}
