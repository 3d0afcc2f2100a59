import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import { realName, streamName, TritondPlace } from '../support/tritond.ts'
import { endpointOf, startTritondProgram, toldBy } from '../support/tritond-program.ts'

const golden = join(import.meta.dirname, '../golden/tritond')

describe('the program tritond', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`sends what it has at ${signal} and ends with exit code 0`, async () => {
      await using place = await TritondPlace.open()
      const program = startTritondProgram(place, ['--flush-ms', '60000'])
      const push = place.push(await endpointOf(program))
      for (let n = 0; n < 50; n++) await push.send([encodeHeader(streamName, 'k'), `record ${n}`])
      await push.send([encodeHeader('unknown', 'k'), 'the last one'])
      await program.until(({ stderr }) => stderr.includes('unknown-stream'))
      program.child.kill(signal)
      const { exitCode, stderr } = await program.ended()
      assert.equal(exitCode, 0, stderr)
      const iterator = await place.api.getShardIterator(realName, 'shardId-000000000000', { type: 'TRIM_HORIZON' })
      const { records } = await place.api.getRecords(iterator, 1_000)
      assert.equal(records.length, 50)
    })
  }

  test('ends with exit code 1 after the drain time, and tells how many records are lost', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: realName }, [streamName])
    const program = startTritondProgram(place, ['--flush-ms', '0', '--drain-ms', '50', '-v'])
    const push = place.push(await endpointOf(program))
    for (let n = 0; n < 3; n++) await push.send([encodeHeader(streamName, 'k'), 'lost'])
    await push.send([encodeHeader('unknown', 'k'), 'the last one'])
    await program.until(({ stderr }) => stderr.includes('unknown-stream'))
    program.child.kill('SIGTERM')
    const { exitCode, stderr } = await program.ended()
    assert.equal(exitCode, 1)
    assert.match(stderr, /3 records are lost/)
  })

  test('starts without a configuration, and takes records once there is one; SIGHUP reads it again', async () => {
    await using place = await TritondPlace.open()
    const config = join(place.directory, 'later.yaml')
    const program = startTritondProgram(place, ['--config', config, '-v'])
    const push = place.push(await endpointOf(program))
    await program.until(({ stderr }) => stderr.includes('no configuration at'))
    await push.send([encodeHeader(streamName, 'k'), 'too early'])
    await program.until(({ stderr }) => stderr.includes('unknown-stream'))
    writeFileSync(config, readFileSync(place.config))
    program.child.kill('SIGHUP')
    await program.until(({ stderr }) => stderr.includes(': 1 streams'))
    await push.send([encodeHeader(streamName, 'k'), 'in time'])
    await push.send(['', ''])
    await program.until(({ stderr }) => stderr.includes('empty-header'))
    program.child.kill('SIGTERM')
    assert.equal((await program.ended()).exitCode, 0)
    const iterator = await place.api.getShardIterator(realName, 'shardId-000000000000', { type: 'TRIM_HORIZON' })
    const { records } = await place.api.getRecords(iterator, 1_000)
    assert.deepEqual(
      [...records].map(({ bytes }) => String(bytes)),
      ['in time'],
    )
  })

  test('takes any name that triton.yaml has, and says which it does not know', async () => {
    await using place = await TritondPlace.open()
    const long = 'n'.repeat(64)
    place.writeConfig({ [long]: realName, 'with\u0000nul': realName })
    const program = startTritondProgram(place, ['-v'])
    const push = place.push(await endpointOf(program))
    const json = (name: string) => JSON.stringify({ stream_name: name, partition_key: 'k' })
    const binary = (name: Buffer, length = name.length) => {
      const header = Buffer.alloc(129)
      header.set([4, length])
      name.copy(header, 2, 0, 63)
      header.set([1, 0x6b], 65)
      return header
    }
    await push.send([json(long), 'a'])
    await push.send([json('with\u0000nul'), 'b'])
    await push.send([binary(Buffer.from('with\u0000nul')), 'c'])
    const skipped: [string | Buffer, string][] = [
      // What py-triton cuts from 64 characters, and what would be the 64th byte.
      [binary(Buffer.from('n'.repeat(63))), `unknown-stream: no stream "${'n'.repeat(63)}" among the 2 of triton.yaml`],
      [binary(Buffer.from('n'.repeat(63)), 64), 'text-length: a text of 64 bytes, where 63 have room'],
      [binary(Buffer.from([0x61, 0xff])), 'stream-name-not-utf8: a stream name that is not UTF-8: "a\ufffd"'],
      [
        Buffer.from('{"stream_name":"a\xff","partition_key":"k"}', 'latin1'),
        'broken-json: a JSON header that is not UTF-8',
      ],
      [binary(Buffer.from('a\u0000')), 'unknown-stream: no stream "a\\u0000" among the 2 of triton.yaml'],
      [json('n'.repeat(129)), `unknown-stream: no stream "${'n'.repeat(80)}..." among the 2 of triton.yaml`],
      [json('n'.repeat(70_000)), 'header-too-long: a JSON header of 70038 bytes, where 65536 are enough'],
    ]
    for (const [at, [header, told]] of skipped.entries()) {
      await push.send([header, 'lost'])
      // One of a kind is told at once, the next of that kind within a second.
      const isTold = () =>
        toldBy(program, 'message-skipped').some((news) => `${news['reason']}: ${news['detail']}` === told)
      await program.until(isTold)
      assert.ok(isTold(), `message ${at}: ${program.stderr}`)
    }
    program.child.kill('SIGTERM')
    assert.equal((await program.ended()).exitCode, 0)
    const bodies = (await place.allRecords()).map(({ bytes }) => String(bytes))
    assert.deepEqual(bodies.sort(), ['a', 'b', 'c'])
  })

  test('tells of a port that is in use, and ends with exit code 1', async () => {
    await using place = await TritondPlace.open()
    const daemon = await place.start()
    const port = daemon.endpoint.split(':').at(-1) ?? ''
    const { exitCode, stderr } = await startTritondProgram(place, ['--port', port]).ended()
    assert.equal(exitCode, 1)
    assert.match(stderr, /^tritond: can't listen at 127\.0\.0\.1:\d+: the port is in use/m)
  })

  test('--check tells what waits in a spool, how old it is, and what was refused, and sends nothing', async () => {
    await using place = await TritondPlace.open()
    const spoolDir = join(place.directory, 'spool')
    const daemon = await place.start({ spoolDir })
    const push = place.push(daemon.endpoint)
    await push.send([encodeHeader(streamName, 'k'), Buffer.alloc(2 * 1024 * 1024)])
    await place.until(() => place.news.some(({ type }) => type === 'records-refused'))
    place.writeConfig({ [streamName]: realName }, [streamName])
    await place.until(() => place.news.filter(({ type }) => type === 'config-read').length === 2)
    for (let n = 0; n < 3; n++) await push.send([encodeHeader(streamName, 'k'), 'waits'])
    await place.until(() => place.news.some(({ type }) => type === 'put-retry'))
    const busy = await startTritondProgram(place, ['--check', '--spool', spoolDir]).ended()
    assert.equal(busy.exitCode, 1)
    assert.match(busy.stderr, /another tritond works in the spool directory/)
    await daemon.stop()
    const { exitCode, stdout, stderr } = await startTritondProgram(place, ['--check', '--spool', spoolDir]).ended()
    assert.equal(exitCode, 0, stderr)
    assert.match(
      stdout,
      /^3 records \d+ bytes oldest \d+s user_activity\n1 records refused: triton spool list --spool .*spool\n$/,
    )
  })

  test('--check of a spool that is not there is an error, and makes none', async () => {
    await using place = await TritondPlace.open()
    const spoolDir = join(place.directory, 'typing error')
    const { exitCode, stderr } = await startTritondProgram(place, ['--check', '--spool', spoolDir]).ended()
    assert.equal(exitCode, 1)
    assert.match(stderr, /is no spool/)
    assert.equal(existsSync(spoolDir), false)
  })

  test('--check without a spool tells whether triton.yaml is right', async () => {
    await using place = await TritondPlace.open()
    const right = await startTritondProgram(place, ['--check']).ended()
    assert.deepEqual(
      [right.exitCode, right.stderr],
      [0, `tritond: ${place.config} is right: 1 stream, user_activity\n`],
    )
    writeFileSync(place.config, 'user_activity: nope\n')
    const wrong = await startTritondProgram(place, ['--check']).ended()
    assert.equal(wrong.exitCode, 1)
    assert.match(wrong.stderr, /^tritond: .*triton\.yaml/)
  })

  test('says of each flag what it can be, in the words of the command line', async () => {
    await using place = await TritondPlace.open()
    const refused: [string[], RegExp][] = [
      [['--spool-max', '10'], /'--spool-max <bytes>' argument '10' is invalid. It must be 64MiB or more/],
      [['--memory-max', '1MiB'], /'--memory-max <bytes>' argument '1MiB' is invalid. It must be 16MiB or more/],
      [['--metrics', 'abc'], /It must be a port, or an address of this host and a port, such as 9115/],
      [['--statsd', 'abc'], /It must be a host and a port, such as 127.0.0.1:8125/],
    ]
    for (const [words, told] of refused) {
      const { exitCode, stderr } = await startTritondProgram(place, words).ended()
      assert.match(stderr, told)
      assert.equal(exitCode, 2)
    }
    const failed: [string[], RegExp][] = [
      [['--port', '4000', '--durable-port', '4000'], /port and durablePort must differ .*; both are 4000/],
      [['--port', '65535', '--spool', join(place.directory, 'spool')], /no port is left after 65535 for putDurable/],
      [['--spool', '/proc/no/spool'], /cannot make the spool directory \/proc\/no\/spool: ENOENT/],
    ]
    for (const [words, told] of failed) {
      const { exitCode, stderr } = await startTritondProgram(place, words).ended()
      assert.match(stderr, told)
      assert.equal(exitCode, 1)
    }
  })

  test('tells that an output file is of no use when records go to Kinesis', async () => {
    await using place = await TritondPlace.open()
    const file = join(place.directory, 'out')
    const program = startTritondProgram(place, ['--output_file', file])
    await endpointOf(program)
    program.child.kill('SIGTERM')
    const { exitCode, stderr } = await program.ended()
    assert.equal(exitCode, 0)
    assert.match(stderr, /--output_file does nothing without --skip-kinesis/)
    assert.equal(existsSync(file), false)
  })

  test('does not understand a size without a unit that it knows: exit code 2', async () => {
    await using place = await TritondPlace.open()
    const { exitCode, stderr } = await startTritondProgram(place, ['--memory-max', '3 bananas']).ended()
    assert.equal(exitCode, 2)
    assert.match(stderr, /256MiB/)
  })
})

describe('records that skip Kinesis', () => {
  interface SentRecord {
    header: string
    body: string
  }
  const { sent } = JSON.parse(readFileSync(join(golden, 'py-tritond.sent.json'), 'utf8')) as { sent: SentRecord[] }
  const expected = readFileSync(join(golden, 'py-tritond.output.bin'))
  const layout = readFileSync(join(golden, 'py-tritond.output.expected.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { offset: number; length: number; stream?: unknown })

  for (const flags of [
    ['--skip-kinesis', '--output_file', 'out'],
    ['-cc', '--output_file', 'out'],
    ['--skip-kinesis'],
  ]) {
    test(`are written as the old daemon wrote them: tritond ${flags.join(' ')}`, async () => {
      await using place = await TritondPlace.open()
      const file = join(place.directory, 'out')
      const program = startTritondProgram(
        place,
        flags.map((flag) => (flag === 'out' ? file : flag)),
      )
      const bytes: Buffer[] = []
      program.child.stdout?.setEncoding('latin1').on('data', (text: string) => bytes.push(Buffer.from(text, 'latin1')))
      const push = place.push(await endpointOf(program))
      // One flush a message: then the groups are the records, whatever the timing.
      for (const { header, body } of sent) await push.send([Buffer.from(header, 'base64'), Buffer.from(body, 'base64')])
      await push.send(['', ''])
      await program.until(({ stderr }) => stderr.includes('empty-header'))
      program.child.kill('SIGTERM')
      assert.equal((await program.ended()).exitCode, 0)
      const written = flags.includes('out') ? readFileSync(file) : Buffer.concat(bytes)
      // A name that the old client cut inside a character: the old daemon passed the pieces on, ours skips the message.
      const { [cutName]: cut, ...whole } = recordsByStream(expected)
      assert.equal(cut?.length, 1)
      assert.deepEqual(recordsByStream(written), whole)
    })
  }

  const cutName = 'cut'

  /** The bodies of each stream in their order; the flushes that they were written in depend on timing. */
  function recordsByStream(bytes: Buffer): Record<string, string[]> {
    const bodies = new Set(sent.map(({ body }) => Buffer.from(body, 'base64').toString('hex')))
    const names = new Map(
      layout.flatMap(({ offset, length, stream }) =>
        stream === undefined
          ? []
          : [
              [
                expected.subarray(offset, offset + length).toString('hex'),
                typeof stream === 'string' ? stream : cutName,
              ],
            ],
      ),
    )
    const found: Record<string, string[]> = {}
    let stream = ''
    for (let at = 0, end = 1; at < bytes.length; end++) {
      assert.ok(end <= bytes.length, `byte ${at} begins neither a name nor a body`)
      const value = bytes.subarray(at, end).toString('hex')
      const name = names.get(value)
      if (name === undefined && !bodies.has(value)) continue
      if (name !== undefined) stream = name
      else found[stream] = [...(found[stream] ?? []), value]
      at = end
    }
    return found
  }
})
