import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { parsePostgresAddress } from '../../src/checkpoint/postgres-address.ts'
import { loginOf } from '../../src/checkpoint/postgres-login.ts'
import { TritonCheckpointError } from '../../src/errors.ts'

const parse = (text: string, environment: NodeJS.ProcessEnv = {}) => parsePostgresAddress(text, environment)

test('keyword and value, as libpq writes them', () => {
  for (const [text, expected] of [
    ['dbname=d', { dbname: 'd' }],
    [
      "dbname=d port=5433 user=u password='it\\'s a \\\\ secret'",
      { dbname: 'd', port: '5433', user: 'u', password: "it's a \\ secret" },
    ],
    ['  dbname = d\n\tuser =u  ', { dbname: 'd', user: 'u' }],
    ['password=a\\ b\\\\c', { password: 'a b\\c' }],
    ["password='' user=u", { user: 'u' }],
    ['password= user=u', { password: 'user=u' }],
    ["password='a=b' user=u", { password: 'a=b', user: 'u' }],
    ['password=a=b', { password: 'a=b' }],
    ["host='/var/run/postgresql' dbname='ключ 鍵'", { host: '/var/run/postgresql', dbname: 'ключ 鍵' }],
    ['host=::1 user=u', { host: '::1', user: 'u' }],
    ['dbname=d dbname=e', { dbname: 'e' }],
    ['dbname=d keepalives=1 client_encoding=utf8 sslmode=require', { dbname: 'd', sslmode: 'require' }],
    ["dbname=d options='-c search_path=x'", { dbname: 'd', options: '-c search_path=x' }],
  ] as const) {
    assert.deepEqual(parse(text), expected, text)
  }
})

test('URLs, as libpq and Go write them', () => {
  for (const [text, expected] of [
    ['postgres://u:p@h:5433/d', { user: 'u', password: 'p', host: 'h', port: '5433', dbname: 'd' }],
    ['postgresql://h', { host: 'h' }],
    ['postgresql:///d', { dbname: 'd' }],
    ['postgresql://', {}],
    ['postgresql://u@/d?host=/var/run/postgresql', { user: 'u', dbname: 'd', host: '/var/run/postgresql' }],
    ['postgresql://%2Ftmp/d', { host: '/tmp', dbname: 'd' }],
    ['postgresql://u:p%40%2F%3A%25@h/d', { user: 'u', password: 'p@/:%', host: 'h', dbname: 'd' }],
    ['postgresql://u:p@ss:w@h/d', { user: 'u', password: 'p@ss:w', host: 'h', dbname: 'd' }],
    ['postgresql://[::1]:5433/d', { host: '::1', port: '5433', dbname: 'd' }],
    [
      'postgres://h/d?sslmode=disable&connect_timeout=3',
      { host: 'h', dbname: 'd', sslmode: 'disable', connect_timeout: '3' },
    ],
    ['postgres://h/d?ssl=true', { host: 'h', dbname: 'd', sslmode: 'require' }],
    ['postgres://h/d?user=u&password=p%26q', { host: 'h', dbname: 'd', user: 'u', password: 'p&q' }],
  ] as const) {
    assert.deepEqual(parse(text), expected, text)
  }
})

test('the environment fills in what is not said', () => {
  const environment = { PGHOST: 'e', PGPORT: '5544', PGUSER: 'eu', PGPASSWORD: 'ep', PGDATABASE: 'ed', PGSSLMODE: '' }
  assert.deepEqual(parse('dbname=d', environment), { host: 'e', port: '5544', user: 'eu', password: 'ep', dbname: 'd' })
  assert.deepEqual(parse('postgres://u@h', environment), {
    host: 'h',
    port: '5544',
    user: 'u',
    password: 'ep',
    dbname: 'ed',
  })
})

test('what nobody says is filled in as libpq does', () => {
  const user = userInfo().username
  assert.deepEqual(loginOf({ host: 'h' }), { host: 'h', port: 5432, user, database: user })
  assert.deepEqual(loginOf({ host: 'h', hostaddr: '10.0.0.1', user: 'u', port: '1' }), {
    host: '10.0.0.1',
    port: 1,
    user: 'u',
    database: 'u',
  })
})

test('what is wrong is said, with the right forms, and never with the password', () => {
  for (const [text, why] of [
    ["dbname=d password='hunter2", /can't be read from character 10 on/],
    ["dbname=d password='hunter2'x", /can't be read from character 10 on/],
    ['dbname=d hunter2', /can't be read from character 10 on/],
    ['dbname=d =hunter2', /can't be read from character 10 on/],
    ['dbname=d password=hunter2 host=a,b', /several hosts/],
    ['dbname=d password=hunter2 port=x', /port must be a number/],
    ['dbname=d password=hunter2 port=65536', /port must be a number/],
    ['dbname=d password=hunter2 sslmode=always', /sslmode must be one of disable/],
    ['dbname=d password=hunter2 connect_timeout=soon', /connect_timeout/],
    ['dbname=d password=hunter2 pasword=x', /setting "pasword"/],
    ['dbname=d password=hunter2 service=x', /setting "service"/],
    ['postgres://u:hunter2%zz@h/d', /its password holds a "%"/],
    ['postgres://u:hunter2@h:port/d', /port must be a number/],
    ['postgres://u:hunter2@h1:1,h2:2/d', /several hosts|not host:port/],
    ['postgres://u:hunter2@h/d?sslmode', /no "="/],
    ['postgres://u:hunter2@h/d?target=x', /setting "target"/],
  ] as const) {
    assert.throws(
      () => parse(text),
      (error) => {
        assert.ok(error instanceof TritonCheckpointError, text)
        assert.match(error.message, why)
        assert.match(error.message, /sqlite:\/\/triton\.db/)
        assert.ok(!error.message.includes('hunter2'), error.message)
        return true
      },
    )
  }
})
