import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { judgeReadiness, type ReadinessFacts } from '../../src/daemon/judge-readiness.ts'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import type { Tritond } from '../../src/daemon/tritond.ts'
import { realName, streamName, TritondPlace } from '../support/tritond.ts'

const withMetrics = { metrics: { port: 0 } }

describe('/metrics', () => {
  test('counts records from the client to Kinesis, requests, and what was skipped by its reason', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(withMetrics)
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 30; n++) await push.send([encodeHeader(streamName, `k${n % 3}`), `record ${n}`])
    await push.send(['', 'no header'])
    await push.send([encodeHeader('unknown', 'k'), 'x'])
    await place.until(() => place.sentCount() === 30)
    await place.skipped('unknown-stream')
    const figures = await figuresOf(daemon)
    assert.equal(figures.get(`tritond_records_accepted_total{stream="${streamName}"}`), 30)
    assert.equal(figures.get(`tritond_records_sent_total{stream="${streamName}"}`), 30)
    assert.equal(figures.get(`tritond_batch_records_sum{stream="${realName}"}`), 30)
    assert.equal(figures.get(`tritond_waiting_records{stream="${streamName}"}`), 0)
    assert.equal(figures.get(`tritond_waiting_bytes{stream="${streamName}"}`), 0)
    assert.equal(figures.get(`tritond_oldest_record_seconds{stream="${streamName}"}`), 0)
    assert.equal(figures.get('tritond_messages_skipped_total{reason="empty-header",stream=""}'), 1)
    assert.equal(figures.get('tritond_messages_skipped_total{reason="unknown-stream",stream=""}'), 1)
    assert.equal(figures.get('tritond_messages_skipped_total{reason="broken-json",stream=""}'), 0)
    assert.equal(figures.get('tritond_config_reads_total{outcome="read"}'), 1)
    assert.ok((figures.get('process_resident_memory_bytes') ?? 0) > 1e6)
  })

  test('shows what waits, how old it is and how often it was tried, while Kinesis is away', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start({ ...withMetrics, spoolDir: join(place.directory, 'spool') })
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 5; n++) await push.send([encodeHeader(streamName, 'k'), 'x'])
    await place.until(() => place.news.some(({ type }) => type === 'put-retry'))
    const figures = await figuresOf(daemon)
    assert.equal(figures.get(`tritond_waiting_records{stream="${streamName}"}`), 5)
    assert.ok((figures.get(`tritond_waiting_bytes{stream="${streamName}"}`) ?? 0) > 5)
    assert.ok((figures.get(`tritond_oldest_record_seconds{stream="${streamName}"}`) ?? 0) > 0)
    const retries = [...figures].filter(([name]) => name.startsWith('tritond_put_retries_total{'))
    assert.deepEqual(
      retries.map(([name, count]) => [/stream="(\w+)"/.exec(name)?.[1], count > 0]),
      [[realName, true]],
    )
  })
})

describe('/healthz and /readyz', () => {
  test('a daemon is alive before it has a configuration, and ready when it has one', async () => {
    await using place = await TritondPlace.open()
    const config = join(place.directory, 'later.yaml')
    const daemon = await place.start({ ...withMetrics, config })
    assert.deepEqual(await ask(daemon, '/healthz'), { status: 200, text: 'ok\n' })
    const before = await ask(daemon, '/readyz')
    assert.equal(before.status, 503)
    assert.match(before.text, /^not ready\nconfig none was read yet\n/)
    copyFileSync(place.config, config)
    await place.until(() => place.news.some(({ type }) => type === 'config-read'))
    assert.deepEqual(await ask(daemon, '/readyz'), {
      status: 200,
      text: 'ready\nconfig ok\nspool ok\nkinesis ok\n',
    })
  })

  test('a daemon whose Kinesis takes nothing is not ready, and is again when it does', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const daemon = await place.start(withMetrics)
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'k'), 'x'])
    await place.until(() => place.news.some(({ type }) => type === 'put-retry'))
    const down = await ask(daemon, '/readyz')
    assert.equal(down.status, 503)
    assert.match(down.text, /^kinesis takes nothing; gave back records of user_activity \d+ s ago$/m)
    place.writeConfig()
    await place.until(() => place.sentCount() === 1)
    const up = await ask(daemon, '/readyz')
    assert.equal(up.status, 200, up.text)
    assert.match(up.text, /^kinesis ok; took records of user_activity \d+ s ago$/m)
  })

  const good: ReadinessFacts = { needsConfig: true, isConfigRead: true, blockedStreams: [], lastAnswers: [] }
  const answer = (name: string, isGood: boolean) => ({ streamName: name, isGood, ageMs: 2_400 })

  test('one stream that Kinesis refuses does not make the daemon unready; all of them do', () => {
    const one = judgeReadiness({ ...good, lastAnswers: [answer('a', true), answer('b', false)] })
    assert.equal(one.isReady, true)
    assert.equal(one.lines[2], 'kinesis ok; took records of a 2 s ago; gave back records of b 2 s ago')
    assert.equal(judgeReadiness({ ...good, lastAnswers: [answer('a', false), answer('b', false)] }).isReady, false)
  })

  test('a spool that takes nothing makes it unready, and is named', () => {
    const { isReady, lines } = judgeReadiness({ ...good, blockedStreams: ['a', 'b'] })
    assert.equal(isReady, false)
    assert.equal(lines[1], 'spool takes nothing of a, b')
  })

  test('records that are only written out need no configuration', () => {
    assert.equal(judgeReadiness({ ...good, needsConfig: false, isConfigRead: false }).isReady, true)
    assert.equal(judgeReadiness({ ...good, isConfigRead: false }).isReady, false)
  })
})

describe('the port of the metrics', () => {
  test('knows three pages, and answers nothing else', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(withMetrics)
    assert.equal((await ask(daemon, '/')).status, 404)
    assert.equal((await ask(daemon, '/metrics', 'POST')).status, 405)
    assert.deepEqual(await ask(daemon, '/healthz', 'HEAD'), { status: 200, text: '' })
  })

  test('in use is an error that names the flag, and nothing of the daemon stays', async () => {
    await using place = await TritondPlace.open()
    const first = await place.start(withMetrics)
    const port = Number(new URL(first.metricsEndpoint ?? '').port)
    const spoolDir = join(place.directory, 'spool')
    await assert.rejects(place.start({ metrics: { port }, spoolDir }), {
      code: 'TRITON_STORAGE',
      message: /the port is in use.*--metrics/,
    })
    await place.start({ ...withMetrics, spoolDir })
  })

  test('does not keep a daemon from its end when somebody holds a connection open', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start(withMetrics)
    const { hostname, port } = new URL(daemon.metricsEndpoint ?? '')
    const idle = connect(Number(port), hostname)
    idle.on('error', () => undefined)
    await once(idle, 'connect')
    const closed = once(idle, 'close')
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
    await closed
  })
})

describe('statsd', () => {
  test('hears the names of the old daemon', async () => {
    await using place = await TritondPlace.open()
    using statsd = await StatsdListener.open()
    const daemon = await place.start({ statsd: { host: '127.0.0.1', port: statsd.port, prefix: 'web1' } })
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 20; n++) await push.send([encodeHeader(streamName, 'k'), 'x'])
    await push.send([encodeHeader(streamName, ''), 'no key'])
    await push.send([encodeHeader('unknown', 'k'), 'x'])
    await place.until(() => place.sentCount() === 20)
    await place.skipped('unknown-stream')
    await daemon.stop()
    await statsd.until((sums) => sums.get('web1.tritond.skipcount.unknown:c') === 1)
    await statsd.until((sums) => sums.get(`web1.tritond.eventcount.${streamName}:c`) === 20)
    await statsd.until((sums) => sums.get(`web1.triton.stream.put_attempt.${realName}:c`) === 20)
    await statsd.until((sums) => sums.get(`web1.tritond.skipcount.${streamName}:c`) === 1)
    await statsd.until((sums) => (sums.get('web1.tritond.write_loop.timing:ms') ?? 0) > 0)
  })

  test('that is not there stops nothing', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start({ statsd: { host: '127.0.0.1', port: 9 } })
    const push = place.push(daemon.endpoint)
    for (let n = 0; n < 3; n++) await push.send([encodeHeader(streamName, 'k'), 'x'])
    assert.equal((await place.records(3)).length, 3)
    assert.deepEqual(await daemon.stop(), { lostCount: 0 })
  })
})

async function ask(daemon: Tritond, path: string, method = 'GET'): Promise<{ status: number; text: string }> {
  const response = await fetch(`${daemon.metricsEndpoint}${path}`, { method })
  return { status: response.status, text: await response.text() }
}

async function figuresOf(daemon: Tritond): Promise<Map<string, number>> {
  const { status, text } = await ask(daemon, '/metrics')
  assert.equal(status, 200)
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

/** A UDP socket, as statsd's, which adds up what it hears. */
class StatsdListener implements Disposable {
  readonly port: number
  readonly #socket
  readonly #sums = new Map<string, number>()

  private constructor(socket: ReturnType<typeof createSocket>) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (datagram) => {
      for (const line of String(datagram).trim().split('\n')) {
        const [, name, value, kind] = /^(.+):([\d.]+)\|(c|ms)$/.exec(line) ?? []
        assert.ok(name !== undefined, `a line of statsd: ${line}`)
        const key = `${name}:${kind}`
        this.#sums.set(key, (this.#sums.get(key) ?? 0) + Number(value))
      }
      socket.emit('heard')
    })
  }

  static async open(): Promise<StatsdListener> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new StatsdListener(socket)
  }

  async until(isEnough: (sums: ReadonlyMap<string, number>) => boolean): Promise<void> {
    while (!isEnough(this.#sums)) await once(this.#socket, 'heard')
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
