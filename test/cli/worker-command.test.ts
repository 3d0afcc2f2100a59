import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import Sqlite from 'libsql'
import { openStore } from '../../src/archive/open-store.ts'
import { DeadLetterStore } from '../../src/group/dead-letter-store.ts'
import type { LocalEngine } from '../../src/local/index.ts'
import { encodeMsgpack } from '../../src/record/msgpack-encode.ts'
import { CliPlace, type RunningCli } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'
import { startTestS3 } from '../support/s3.ts'

let engine: LocalEngine
let streamCount = 0

before(async () => {
  engine = await startTestEngine()
})
after(() => engine.close())

/** A stream of its own with two shards, a checkpoint database, and programs that handle records. */
async function freshPlace() {
  const name = `exec_${streamCount++}`
  const place = new CliPlace(`orders:\n  name: ${name}\n  partition_key: id\n  endpoint: ${engine.endpoint}\n`)
  const { directory } = place
  Object.assign(place.env, { TRITON_DB: `sqlite://${directory}/triton.db`, TRITON_CLIENT_NAME: 'billing' })
  const [created, init] = await place.runMany([
    ['stream', 'create', '-s', 'orders', '--shards', '2'],
    ['checkpoint', 'init'],
  ])
  assert.equal(created?.exitCode, 0, created?.stderr)
  assert.equal(init?.exitCode, 0, init?.stderr)
  const put = async (records: readonly object[]) => {
    const input = records.map((record) => `${JSON.stringify(record)}\n`).join('')
    const { exitCode, stderr } = await place.run(['put', '-s', 'orders', '--format', 'json'], { input })
    assert.equal(exitCode, 0, stderr)
  }
  /** Node programs, so that the tests need nothing else; a shell starts them as it would any. */
  const program = (text: string) => `${process.execPath} ${place.file(`program-${streamCount++}.mjs`, text)}`
  return { place, name, directory, put, program, [Symbol.dispose]: () => place[Symbol.dispose]() }
}

class Stopping implements AsyncDisposable {
  readonly running: RunningCli

  constructor(running: RunningCli) {
    this.running = running
  }

  async stop() {
    this.running.child.kill('SIGTERM')
    return this.running.ended()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running.child.exitCode === null && this.running.child.signalCode === null)
      this.running.child.kill('SIGKILL')
    await this.running.ended()
  }
}

const appends = (file: string) => `
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
for await (const line of createInterface({ input: process.stdin })) {
  const { shardId, records } = JSON.parse(line)
  for (const { data } of records) appendFileSync(${JSON.stringify(file)}, JSON.stringify(data) + '\\n')
  console.log('done ' + shardId)
}
console.error('the program ends')
`

const linesOf = (file: string) => {
  try {
    return readFileSync(file, 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

async function untilLines(file: string, count: number, running: RunningCli): Promise<string[]> {
  for (;;) {
    const lines = linesOf(file).filter((line) => line !== '')
    if (lines.length >= count) return lines
    if (running.child.exitCode !== null) throw new Error(`it ended too early: ${running.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('triton worker', () => {
  test('has a program handle the records, tells how the group fares, and ends when it is told to', async () => {
    using fresh = await freshPlace()
    const { place, directory, put, program } = fresh
    await put(Array.from({ length: 20 }, (_, id) => ({ id, big: '9007199254740993' })))
    const file = join(directory, 'out')
    const args = [
      'worker',
      '-s',
      'orders',
      '--exec',
      program(appends(file)),
      '--metrics',
      'localhost:0',
      '--batch-records',
      '3',
    ]
    await using worker = new Stopping(place.start(args))
    const lines = await untilLines(file, 20, worker.running)
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).id).sort((left, right) => left - right),
      Array.from({ length: 20 }, (_, id) => id),
    )
    const [, endpoint = ''] = /metrics at (\S+)/.exec(worker.running.stderr) ?? []
    const metrics = await (await fetch(endpoint)).text()
    const ready = await fetch(endpoint.replace('/metrics', '/readyz'))
    assert.equal(`${ready.status} ${await ready.text()}`, '200 ready\ngroup joined\nleases 2\n')
    assert.match(metrics, /triton_worker_records_handled_total\{stream="exec_\d+"\} \d+/)
    assert.match(metrics, /triton_worker_leases\{stream="exec_\d+"\} 2/)
    const [status, json] = await place.runMany([
      ['workers', 'status', '-s', 'orders'],
      ['workers', 'status', '-s', 'orders', '--json'],
    ])
    assert.match(status?.stdout ?? '', /^SHARD +STATE +WORKER +BEHIND +CHECKPOINT +TROUBLE\n/)
    const told = JSON.parse(json?.stdout ?? '{}')
    assert.equal(told.workers.length, 1)
    assert.deepEqual(
      told.shards.map(({ owner }: { owner: string }) => owner === told.workers[0]),
      [true, true],
    )
    const { exitCode, stderr, stdout } = await worker.stop()
    assert.equal(exitCode, 0, stderr)
    assert.equal(stdout, '')
    assert.match(stderr, /the program ends/, 'its stdin was closed, and it had time to end')
    const [after] = await place.runMany([['workers', 'status', '-s', 'orders', '--json']])
    const { shards, workers } = JSON.parse(after?.stdout ?? '{}')
    assert.deepEqual(workers, [])
    assert.ok(shards.every(({ owner }: { owner: string }) => owner === ''))
  })

  test('a program that fails at a record: retries, then a dead letter, which can be looked at and put again', async () => {
    using fresh = await freshPlace()
    const { place, directory, put, program } = fresh
    await put([{ id: 'good' }, { id: 'bad' }, { id: 'fine' }])
    const file = join(directory, 'out')
    const picky = program(`
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
for await (const line of createInterface({ input: process.stdin })) {
  const { records } = JSON.parse(line)
  if (records.some(({ data }) => data.id === 'bad')) {
    if (records.length > 1) {
      console.log(JSON.stringify({ error: 'one of these is bad' }))
      continue
    }
    console.error('I can not bear this')
    process.exit(3)
  }
  for (const { data } of records) appendFileSync(${JSON.stringify(file)}, data.id + '\\n')
  console.log('ok')
}
`)
    const dead = join(directory, 'dead')
    mkdirSync(dead)
    const store = pathToFileURL(dead).href
    const args = [
      'worker',
      '-s',
      'orders',
      '--exec',
      picky,
      '--dead-letters',
      store,
      '--retries',
      '1',
      '--children',
      'one',
    ]
    await using worker = new Stopping(place.start(args))
    await untilLines(file, 2, worker.running)
    await worker.running.until(({ stderr }) => stderr.includes('instead of the handler'))
    assert.match(worker.running.stderr, /one of these is bad/)
    await worker.stop()
    const [list, show] = await place.runMany([
      ['dead-letter', 'list', '--store', store],
      ['dead-letter', 'show', '--store', store],
    ])
    assert.match(list?.stdout ?? '', /^exec_\d+\/billing\/shardId-\d{12}-\d{56}\n$/)
    const letter = JSON.parse(show?.stdout ?? '{}')
    assert.deepEqual(letter.data, { id: 'bad' })
    assert.match(letter.reason, /ended with exit code 3; its last words: I can not bear this/)
    const [usage, sent, empty] = await place.runMany([
      ['dead-letter', 'resend', '--store', store, '--to', 'orders', '--yes'],
      ['dead-letter', 'resend', '--store', store, '--to', 'orders', '--all', '--yes'],
      ['dead-letter', 'list', '--store', store],
    ])
    assert.equal(usage?.exitCode, 2)
    assert.equal(sent?.exitCode, 0, sent?.stderr)
    assert.equal(empty?.stdout, '')
    const again = await place.run(['get', '-s', 'orders', '--from', 'all', '--until-caught-up', '--json'])
    assert.equal(again.stdout.split('\n').filter((line) => line === '{"id":"bad"}').length, 2)
  })

  test('dead letters in S3: kept there by the worker, listed, shown and put again', async () => {
    await using s3 = await startTestS3()
    using fresh = await freshPlace()
    const { place, put, program } = fresh
    Object.assign(place.env, { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local', AWS_REGION: 'us-east-1' })
    await put([
      { id: 'bad', n: 1 },
      { id: 'bad', n: 2 },
    ])
    const refusing = program(`
import { createInterface } from 'node:readline'
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify({ error: 'never' }))
`)
    const where = ['--store', `s3://${s3.bucket}/dead`, '--s3-endpoint', s3.endpoint]
    const [, url = '', ...endpoint] = where
    const args = ['worker', '-s', 'orders', '--exec', refusing, '--retries', '0', '--dead-letters', url, ...endpoint]
    await using worker = new Stopping(place.start(args))
    await worker.running.until(({ stderr }) => stderr.split('instead of the handler').length > 2)
    assert.equal((await worker.stop()).exitCode, 0)
    const [list, show] = await place.runMany([
      ['dead-letter', 'list', ...where, '-s', 'orders', '--client-name', 'billing'],
      ['dead-letter', 'show', ...where],
    ])
    const names = list?.stdout.trim().split('\n') ?? []
    assert.equal(names.length, 2, list?.stderr)
    const letters = (show?.stdout.trim().split('\n') ?? []).map((line) => JSON.parse(line))
    assert.deepEqual(
      letters.map(({ letter, data, reason }) => [letter, data.n, reason]),
      names.map((name, index) => [name, index + 1, 'ExecError: never']),
    )
    const [first, rest, left] = await place.runMany([
      ['dead-letter', 'resend', names[0] ?? '', ...where, '--to', 'orders', '--yes'],
      ['dead-letter', 'list', ...where],
      ['dead-letter', 'resend', ...where, '--to', 'orders', '--all', '--keep', '--yes'],
    ])
    assert.equal(first?.exitCode, 0, first?.stderr)
    assert.equal(rest?.stdout, `${names[1]}\n`)
    assert.equal(left?.exitCode, 0, left?.stderr)
    const again = await place.run(['get', '-s', 'orders', '--from', 'all', '--until-caught-up', '--json'])
    const numbers = again.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).n)
    assert.deepEqual(numbers, [1, 2, 1, 2])
  })

  test('letters of several streams are not put into one by mistake, and one that is damaged holds up no other', async () => {
    using fresh = await freshPlace()
    const { place, name, directory } = fresh
    const dead = join(directory, 'dead')
    mkdirSync(dead)
    const url = pathToFileURL(dead).href
    await using store = openStore(url)
    const letters = new DeadLetterStore(store)
    const letter = (stream: string, sequenceNumber: string) => ({
      ...{ client: 'billing', stream, shardId: 'shardId-000000000000', sequenceNumber, partitionKey: 'k' },
      ...{
        arrivedAt: new Date(0),
        bytes: encodeMsgpack({ of: stream }),
        reason: 'no',
        attempts: 1,
        failedAt: new Date(0),
      },
    })
    for (const number of ['1', '2']) await letters.send(letter(name, number))
    await letters.send(letter('payments', '1'))
    rmSync(join(dead, `dead-letters/${name}/billing/shardId-000000000000-1.tri`))
    const resend = ['dead-letter', 'resend', '--store', url, '--to', 'orders', '--all', '--yes']
    const [mixed, chosen, left] = await place.runMany([
      resend,
      [...resend, '--stream', 'orders'],
      ['dead-letter', 'list', '--store', url],
    ])
    assert.equal(mixed?.exitCode, 2)
    assert.match(mixed?.stderr ?? '', /these are letters of exec_\d+, payments: say of which, by --stream/)
    assert.equal(chosen?.exitCode, 1)
    assert.match(chosen?.stderr ?? '', /shardId-000000000000-1\.tri/)
    assert.match(chosen?.stderr ?? '', /1 of 2 records put into exec_\d+/)
    assert.deepEqual(left?.stdout.trim().split('\n'), [
      `${name}/billing/shardId-000000000000-1`,
      'payments/billing/shardId-000000000000-1',
    ])
    const records = await place.run(['get', '-s', 'orders', '--from', 'all', '--until-caught-up', '--json'])
    assert.equal(records.stdout, `{"of":"${name}"}\n`)
  })

  test('raw input is the bytes with their lengths', async () => {
    using fresh = await freshPlace()
    const { place, directory, put, program } = fresh
    await put([{ id: 1 }, { id: 1, name: 'x'.repeat(300) }, { id: 1 }])
    const file = join(directory, 'out')
    const reader = program(`
import { appendFileSync } from 'node:fs'
let rest = Buffer.alloc(0)
process.stdin.on('data', (chunk) => {
  rest = Buffer.concat([rest, chunk])
  for (;;) {
    if (rest.length < 4) return
    let at = 4
    const records = []
    for (let left = rest.readUInt32BE(0); left > 0; left--) {
      if (rest.length < at + 4 || rest.length < at + 4 + rest.readUInt32BE(at)) return
      records.push(rest.subarray(at + 4, at + 4 + rest.readUInt32BE(at)))
      at += 4 + rest.readUInt32BE(at)
    }
    rest = rest.subarray(at)
    for (const record of records) appendFileSync(${JSON.stringify(file)}, record.toString('hex') + ' ' + process.env.TRITON_SHARD + '\\n')
    console.log('ok')
  }
})
`)
    await using worker = new Stopping(place.start(['worker', '-s', 'orders', '--exec', reader, '--input', 'raw']))
    const lines = await untilLines(file, 3, worker.running)
    const long = `82a2696401a46e616d65da012c${'78'.repeat(300)}`
    assert.deepEqual(
      lines.map((line) => line.replace(/ shardId-\d{12}$/, '')),
      ['81a2696401', long, '81a2696401'],
    )
    await worker.stop()
  })

  test('a shard can be taken from its worker, and read anew', async () => {
    using fresh = await freshPlace()
    const { place, directory, put, program } = fresh
    await put([{ id: 1 }])
    const file = join(directory, 'out')
    await using worker = new Stopping(place.start(['worker', '-s', 'orders', '--exec', program(appends(file))]))
    await untilLines(file, 1, worker.running)
    const [asked, ...released] = await place.runMany([
      ['workers', 'release', '0', '-s', 'orders'],
      ['workers', 'release', '0', '-s', 'orders', '--yes'],
      ['workers', 'reset', '0', '-s', 'orders', '--yes'],
      ['workers', 'reset', 'shardId-000000000001', '-s', 'orders', '--yes'],
    ])
    assert.equal(asked?.exitCode, 2, 'nobody can be asked without a terminal')
    for (const { exitCode, stderr } of released) assert.equal(exitCode, 0, stderr)
    await untilLines(file, 2, worker.running)
    const [unknown] = await place.runMany([['workers', 'reset', '77', '-s', 'orders', '--yes']])
    assert.equal(unknown?.exitCode, 2)
    assert.match(unknown?.stderr ?? '', /has no shardId-000000000077, and billing no lease of it/)
    await worker.stop()
  })

  test('a second signal ends the worker at once, and its program with it, also one that ignores all that it is told', async (t) => {
    using fresh = await freshPlace()
    const { place, put, program } = fresh
    await put([{ id: 1 }])
    const server = createServer().listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    // Its end is seen by that of its connection; by itself it ends only where this test has failed.
    const stubborn = program(`
import { connect } from 'node:net'
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => {})
const socket = connect(${(server.address() as AddressInfo).port}, '127.0.0.1')
process.stdin.once('data', () => socket.write('busy'))
setTimeout(() => socket.end('by itself', () => process.exit()), 120_000)
`)
    await using worker = new Stopping(place.start(['worker', '-s', 'orders', '--exec', stubborn]))
    const [socket] = (await once(server, 'connection')) as [Socket]
    let said = ''
    socket.setEncoding('utf8').on('data', (text) => {
      said += text
    })
    await once(socket, 'data')
    worker.running.child.kill('SIGTERM')
    await worker.running.until(({ stderr }) => stderr.includes('Ctrl-C again ends at once'))
    assert.equal((await worker.stop()).exitCode, 130)
    if (!socket.closed) await once(socket, 'close')
    assert.equal(said, 'busy')
  })

  test('a program that can not be started stops the shard, and is told', async () => {
    using fresh = await freshPlace()
    const { place, put } = fresh
    await put([{ id: 1 }])
    await using worker = new Stopping(place.start(['worker', '-s', 'orders', '--exec', '/nowhere/x', '--retries', '0']))
    await worker.running.until(({ stderr }) => stderr.includes('is stopped before'))
    assert.match(worker.running.stderr, /ended with exit code 127/)
    assert.equal((await worker.stop()).exitCode, 0)
  })

  test('a program that answers what nobody asked is told, and started again', async () => {
    using fresh = await freshPlace()
    const { place, put, program } = fresh
    await put(Array.from({ length: 10 }, () => ({ id: 1 })))
    const chatty = program(`
import { createInterface } from 'node:readline'
for await (const _ of createInterface({ input: process.stdin })) process.stdout.write('one\\ntwo\\n')
`)
    const args = ['worker', '-s', 'orders', '--exec', chatty, '--batch-records', '1']
    await using worker = new Stopping(place.start(args))
    await worker.running.until(({ stderr }) => stderr.includes('without having been given a batch'))
    assert.equal((await worker.stop()).exitCode, 0)
  })

  test('without tables or a client name it says what to do', async () => {
    using fresh = await freshPlace()
    const { place, directory } = fresh
    writeFileSync(join(directory, 'unused'), '')
    const args = ['worker', '-s', 'orders', '--exec', 'cat']
    const missing = await place.run(args, { env: { TRITON_DB: `sqlite://${directory}/none.db` } })
    assert.equal(missing.exitCode, 1)
    assert.match(missing.stderr, /triton checkpoint init/)
    const status = await place.run(['workers', 'status', '-s', 'orders'])
    assert.match(status.stderr, /no worker of billing has ever read exec_\d+/)
    const nobody = await place.run(args, { env: { TRITON_CLIENT_NAME: '' } })
    assert.equal(nobody.exitCode, 1)
    assert.match(nobody.stderr, /TRITON_CLIENT_NAME/)
  })

  test('what no worker can be is refused before anything begins, with what would be right', async () => {
    using fresh = await freshPlace()
    const { place, directory } = fresh
    const begin = ['worker', '-s', 'orders', '--exec']
    const wrong: [exitCode: number, args: string[], why: RegExp][] = [
      [2, [...begin, ' '], /'--exec <command>' argument ' ' is invalid. It must be a program/],
      [2, [...begin, 'cat', '--metrics', '99999'], /It must be a port number, 0 to 65535/],
      [2, [...begin, 'cat', '--failover-ms', '50'], /It must be 200ms or more/],
      [2, [...begin, 'cat', '--on-failure', 'skip', '--dead-letters', 'file:///x'], /cannot be used with/],
      [1, [...begin, 'cat', '--dead-letters', `file://${directory}/nowhere`], /there is no directory .*nowhere/],
      [1, [...begin, 'cat', '--worker-id', 'x'.repeat(300)], /option workerId is "x+"; it takes a text of at most 200/],
      [2, ['dead-letter', 'list'], /say where the dead letters are/],
    ]
    const results = await place.runMany(wrong.map(([, args]) => args))
    wrong.forEach(([exitCode, args, why], index) => {
      assert.match(results[index]?.stderr ?? '', why, args.join(' '))
      assert.equal(results[index]?.exitCode, exitCode, args.join(' '))
      assert.doesNotMatch(results[index]?.stderr ?? '', /\n {4}at /, 'no stack trace')
    })
  })

  test('a database whose tables are those of another program is told so, by init and by the worker', async () => {
    using fresh = await freshPlace()
    const { place, directory } = fresh
    for (const [index, table] of ['triton_checkpoint', 'triton_lease'].entries()) {
      const file = join(directory, `other-${index}.db`)
      const database = new Sqlite(file)
      database.exec(`CREATE TABLE ${table} (id INTEGER)`)
      database.close()
      const env = { TRITON_DB: `sqlite://${file}` }
      const [init, worker] = await place.runMany(
        [
          ['checkpoint', 'init'],
          ['worker', '-s', 'orders', '--exec', 'cat'],
        ],
        { env },
      )
      assert.equal(init?.exitCode, 1)
      assert.match(init?.stderr ?? '', /no such column: .*; another program made a table of that name/)
      assert.equal(worker?.exitCode, 1)
    }
  })
})
