import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { LocalEngine } from '../../src/local/index.ts'
import { CliPlace, type RunningCli } from '../support/cli.ts'
import { startTestEngine } from '../support/engine.ts'

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
    const args = ['worker', '-s', 'orders', '--exec', program(appends(file)), '--metrics', '0', '--batch-records', '3']
    await using worker = new Stopping(place.start(args))
    const lines = await untilLines(file, 20, worker.running)
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).id).sort((left, right) => left - right),
      Array.from({ length: 20 }, (_, id) => id),
    )
    const [, endpoint = ''] = /metrics at (\S+)/.exec(worker.running.stderr) ?? []
    const metrics = await (await fetch(endpoint)).text()
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

  test('raw input is the bytes with their lengths', async () => {
    using fresh = await freshPlace()
    const { place, directory, put, program } = fresh
    await put([{ id: 1 }])
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
    const [line] = await untilLines(file, 1, worker.running)
    assert.match(line ?? '', /^81a2696401 shardId-\d{12}$/)
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
    const nobody = await place.run(args, { env: { TRITON_CLIENT_NAME: '' } })
    assert.equal(nobody.exitCode, 1)
    assert.match(nobody.stderr, /TRITON_CLIENT_NAME/)
  })
})
