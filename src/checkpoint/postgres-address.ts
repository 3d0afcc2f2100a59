import { TritonCheckpointError } from '../errors.ts'

/** Where a PostgreSQL database is and who we are there, by libpq's keywords. */
export type PostgresAddress = Partial<Record<PostgresKeyword, string>>

export type PostgresKeyword = keyof typeof environmentOf

/** What libpq takes from the environment when the string doesn't say it. */
const environmentOf = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  application_name: 'PGAPPNAME',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
} as const

/** Settings of libpq that only tune what pg does its own way. */
const tuning = new Set(
  `channel_binding client_encoding fallback_application_name gssdelegation gssencmode gsslib keepalives keepalives_count
   keepalives_idle keepalives_interval krbsrvname load_balance_hosts max_protocol_version min_protocol_version passfile requirepeer
   sslcompression sslcrl sslcrldir sslnegotiation ssl_max_protocol_version ssl_min_protocol_version sslsni tcp_user_timeout`.split(
    /\s+/,
  ),
)

/** libpq's two forms: `dbname=d port=5432 password='it\'s'` and `postgresql://user:password@host:port/dbname?key=value`. */
export function parsePostgresAddress(text: string, environment: NodeJS.ProcessEnv): PostgresAddress {
  const uri = /^postgres(?:ql)?:\/\//.exec(text)
  const pairs = uri ? uriPairs(text.slice(uri[0].length)) : dsnPairs(text)
  const address: PostgresAddress = {}
  for (const [keyword, variable] of Object.entries(environmentOf) as [PostgresKeyword, string][]) {
    const value = environment[variable]
    if (value) address[keyword] = value
  }
  for (const [keyword, value] of pairs) {
    if (isKeyword(keyword)) {
      // An empty value asks for the default, as with libpq.
      if (value !== '') address[keyword] = value
    } else if (!tuning.has(keyword)) {
      throw refuse(`the setting "${keyword}" is not one that Triton knows`)
    }
  }
  return checked(address)
}

const isKeyword = (name: string): name is PostgresKeyword => Object.hasOwn(environmentOf, name)

/** The keyword form. Backslash escapes the next character, in quotes or not; spaces may stand around the `=`. */
function dsnPairs(text: string): [string, string][] {
  const pairs: [string, string][] = []
  const pair = /\s*([^\s='"\\]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?)(?=\s|$)/suy
  while (text.slice(pair.lastIndex).trim() !== '') {
    const character = text.length - text.slice(pair.lastIndex).trimStart().length + 1
    const match = pair.exec(text)
    if (match === null) throw refuse(`it can't be read from character ${character} on (keyword=value expected)`)
    pairs.push([match[1] ?? '', (match[2] ?? match[3] ?? '').replaceAll(/\\(.)/gsu, '$1')])
  }
  return pairs
}

/** The URL form, by hand: the URL class refuses an empty host with a user, and what it throws holds the password. */
function uriPairs(rest: string): [string, string][] {
  const queryAt = rest.indexOf('?')
  const [beforeQuery, query] = queryAt < 0 ? [rest, ''] : [rest.slice(0, queryAt), rest.slice(queryAt + 1)]
  const at = beforeQuery.lastIndexOf('@')
  const [login, place] = at < 0 ? ['', beforeQuery] : [beforeQuery.slice(0, at), beforeQuery.slice(at + 1)]
  const match = /^(\[[^\]]*\]|[^/:]*)(?::([^/]*))?(?:\/(.*))?$/s.exec(place)
  if (match === null) throw refuse('what stands for host, port and database is not host:port/dbname')
  const colon = login.indexOf(':')
  const pairs: [string, string][] = [
    ['user', decode(colon < 0 ? login : login.slice(0, colon), 'user')],
    ['password', colon < 0 ? '' : decode(login.slice(colon + 1), 'password')],
    ['host', decode((match[1] ?? '').replace(/^\[(.*)\]$/, '$1'), 'host')],
    ['port', match[2] ?? ''],
    ['dbname', decode(match[3] ?? '', 'dbname')],
  ]
  for (const parameter of query.split('&').filter((text) => text !== '')) {
    const equals = parameter.indexOf('=')
    if (equals < 0) throw refuse('a parameter after "?" has no "="')
    const keyword = decode(parameter.slice(0, equals), 'parameter')
    const value = decode(parameter.slice(equals + 1), keyword)
    pairs.push(keyword === 'ssl' && value === 'true' ? ['sslmode', 'require'] : [keyword, value])
  }
  return pairs
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw refuse(`its ${what} holds a "%" that two hex digits must follow (a "%" itself is written %25)`)
  }
}

function checked(address: PostgresAddress): PostgresAddress {
  if (address.host?.includes(',') || address.port?.includes(',')) {
    throw refuse('it names several hosts: Triton connects to one, or to a name that stands for all of them')
  }
  const port = Number(address.port ?? 5432)
  if (!(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw refuse(`its port must be a number from 1 to 65535`)
  }
  const seconds = Number(address.connect_timeout ?? 0)
  if (!(Number.isInteger(seconds) && seconds >= 0)) throw refuse('its connect_timeout must be a number of seconds')
  if (address.sslmode !== undefined && !sslModes.includes(address.sslmode)) {
    throw refuse(`its sslmode must be one of ${sslModes.join(', ')}`)
  }
  return address
}

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

/** Never with a value in it: it may be the password, or a piece of it in the wrong place. */
function refuse(problem: string): TritonCheckpointError {
  return new TritonCheckpointError(
    `the checkpoint database's address is not understood: ${problem}. Right forms are ${addressForms}`,
  )
}

/** For messages: what may stand in TRITON_DB. */
export const addressForms =
  `"dbname=triton host=db.example port=5432 user=triton password='...'", ` +
  `"postgresql://user:password@host:5432/dbname?sslmode=require", "sqlite://triton.db" (beside the working directory), ` +
  `"sqlite:///var/lib/triton.db" or "memory:"`
