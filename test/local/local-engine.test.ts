import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { type LocalEngineOptions, startLocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ask, call, signed } from './wire-client.ts'

/** Starting and ending engines. */
const S = { StreamName: 's' }

describe('an engine', () => {
  test('takes an option that is undefined as left out', async () => {
    const nothing = { port: undefined, dataDir: undefined, streams: undefined, clock: undefined, sync: undefined }
    await using engine = await startLocalEngine(nothing as object)
    assert.match(engine.endpoint, /^http:\/\/127\.0\.0\.1:\d+$/)
  })

  test('refuses what no engine can be, in words that say what would be right', async () => {
    const cases: [object, RegExp][] = [
      [{ port: 70_000 }, /option port must be a port number, 0 to 65535; it is 70000/],
      [{ port: '4567' }, /option port must be .*; it is '4567'/],
      [{ host: '' }, /option host must be an address/],
      [{ dataDir: '' }, /option dataDir must be a directory, or 'memory'; it is ''/],
      [{ accountId: '12' }, /option accountId must be twelve digits/],
      [{ region: 'us east' }, /option region must be an AWS region/],
      [{ shardLimit: -1 }, /option shardLimit must be/],
      [{ createStreamMs: Number.NaN }, /option createStreamMs must be a number of milliseconds/],
      [{ idleEventMs: 2 ** 31 }, /option idleEventMs must be/],
      [{ sync: 'sometimes' }, /option sync must be 'always', 'interval' or 'never'; it is 'sometimes'/],
      [{ streams: [{ name: 's', shardCount: 1.5 }] }, /option streams \(s\) must be a whole number of shards/],
      [{ faultSeed: 'x' }, /option faultSeed must be a whole number/],
    ]
    for (const [options, message] of cases)
      await assert.rejects(startLocalEngine(options as LocalEngineOptions), { code: 'TRITON_CONFIG', message })
  })

  test('in memory is up in no time, many at once', async (t) => {
    await (await startTestEngine()).close()
    const before = process.cpuUsage()
    const engines = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
        t.after(() => engine.close())
        return engine
      }),
    )
    // Of a processor: the clock also counts what else this machine does.
    const { user, system } = process.cpuUsage(before)
    const eachMs = (user + system) / 1_000 / engines.length
    assert.ok(eachMs < 50, `${eachMs} ms each`)
    assert.equal(new Set(engines.map(({ port }) => port)).size, 20)
    for (const [at, engine] of engines.entries()) {
      assert.equal(engine.endpoint, `http://127.0.0.1:${engine.port}`)
      await ask(engine.endpoint, 'CreateStream', { StreamName: `own-${at}`, ShardCount: 1 })
      assert.deepEqual((await ask(engine.endpoint, 'ListStreams', {})).StreamNames, [`own-${at}`, 's'])
    }
  })

  test('lets its process end when it is closed, whatever it was asked to do', async () => {
    const program = `
      import { startLocalEngine } from ${JSON.stringify(new URL('../../src/local/index.ts', import.meta.url).href)}
      const streams = [{ name: 's', shardCount: 4 }]
      const options = { streams, metrics: true, tls: true, testControls: true, limits: 'aws' }
      const engines = await Promise.all(Array.from({ length: 10 }, () => startLocalEngine(options)))
      await fetch('http://127.0.0.1:' + engines[0].port + '/_triton/view?stream=s')
      await Promise.all(engines.map((engine) => engine.close()))
      console.log('closed')
    `
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 240_000 })
    assert.equal(stdout, 'closed\n')
  })

  test('leaves nothing open, and ends idle connections of both kinds at once', async () => {
    const clock = new ManualClock()
    await using engine = await startLocalEngine({ clock, createStreamMs: 60_000 })
    await ask(engine.endpoint, 'CreateStream', { ...S, ShardCount: 1 })
    const agent = new http.Agent({ keepAlive: true })
    const response = await new Promise<http.IncomingMessage>((resolve) => {
      http.get(engine.endpoint, { agent }, resolve)
    })
    await once(response.resume(), 'end')
    const session = http2.connect(engine.endpoint)
    await once(session, 'connect')
    const silent = connect(engine.port, '127.0.0.1')
    await once(silent, 'connect')
    const ends = [once(session, 'close'), once(silent, 'close')]
    const startedMs = performance.now()
    await engine.close()
    await engine.close()
    await Promise.all(ends)
    assert.ok(performance.now() - startedMs < 4_500, 'nobody waits for idle connections')
    assert.equal(clock.waiting, 0, 'no timer is left')
    agent.destroy()
    await assert.rejects(call(engine.endpoint, 'ListStreams', {}), { code: 'ECONNREFUSED' })
  })

  test('lets requests finish before it ends', async () => {
    await using engine = await startTestEngine({ streams: [{ name: 's', shardCount: 1 }] })
    const { hostname, port } = new URL(engine.endpoint)
    const body = JSON.stringify({ ...S, PartitionKey: 'k', Data: '' })
    const headers = {
      ...signed,
      'content-length': body.length,
      'x-amz-target': 'Kinesis_20131202.PutRecord',
      'content-type': 'application/x-amz-json-1.1',
    }
    const request = http.request({ hostname, port, method: 'POST', headers, agent: false })
    request.write(body.slice(0, 10))
    await ask(engine.endpoint, 'ListStreams', {})
    const closing = engine.close()
    request.end(body.slice(10))
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    assert.equal(response.statusCode, 200)
    await once(response.resume(), 'end')
    await closing
  })

  test('says who is in the way of its port, and where it cannot listen', async () => {
    await using engine = await startTestEngine()
    await assert.rejects(startTestEngine({ port: engine.port }), {
      code: 'TRITON_CONFIG',
      message: `cannot listen on 127.0.0.1:${engine.port}: another process listens there. Choose another port (0 takes a free one), or stop that process.`,
    })
    await assert.rejects(startTestEngine({ host: '203.0.113.1' }), { message: /this machine has no such address/ })
  })

  test('refuses streams at start that cannot be, with their names', async () => {
    await assert.rejects(startTestEngine({ streams: [{ name: 'a b', shardCount: 1 }] }), {
      code: 'TRITON_CONFIG',
      message: /^cannot create the stream 'a b' with 1 shards: /,
    })
    await assert.rejects(startTestEngine({ streams: [{ name: 's', shardCount: 501 }] }), { message: /shard limit/ })
  })

  test('listens on all addresses when told to, and names one that can be reached', async () => {
    await using engine = await startTestEngine({ host: '0.0.0.0' })
    assert.equal(engine.endpoint, `http://127.0.0.1:${engine.port}`)
    assert.deepEqual((await ask(engine.endpoint, 'ListStreams', {})).StreamNames, [])
  })
})
