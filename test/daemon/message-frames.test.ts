import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  decodeMessage,
  encodeHeader,
  type MessageRefusal,
  messageRefusals,
  refusalOfKey,
} from '../../src/daemon/message-frames.ts'
import { runs, seed } from '../support/soak.ts'
import { goldenFrames } from './golden-frames.ts'
import { oddHeader } from './odd-headers.ts'

const body = Buffer.from([0x81, 0xa1, 0x6e, 1])
const decoded = (header: Buffer | string) => decodeMessage([Buffer.from(header), body])

function refusalOf(frames: Buffer[]): MessageRefusal | 'taken' {
  const message = decodeMessage(frames)
  return message.refusal ?? 'taken'
}

describe('a message of an older client', () => {
  for (const { client, name, header, body, expected } of [...goldenFrames('py'), ...goldenFrames('go')]) {
    test(`${client}: ${name}`, () => {
      const message = decodeMessage([header, body])
      if (message.refusal !== undefined) {
        // Cut inside a character by its client: it names no stream any more.
        assert.equal(name, 'stream name of 33 two-byte characters (66 bytes)')
        assert.equal(message.refusal, 'stream-name-not-utf8')
        return
      }
      assert.equal(message.streamName, expected.streamName)
      assert.equal(message.partitionKey, expected.partitionKey.toString())
      assert.equal(message.isKeyRepaired, !expected.isUtf8)
      assert.equal(message.body, body)
    })

    test(`${client}: ${name}: no truncation of the header is taken for another message`, () => {
      const whole = decodeMessage([header, body])
      for (let length = 0; length < header.length; length++) {
        const cut = decodeMessage([header.subarray(0, length), body])
        assert.ok(cut.refusal !== undefined, `cut at ${length} of ${header.length}: ${JSON.stringify(whole)}`)
      }
    })
  }

  test('has the bytes that we write, where the form is the same', () => {
    const forms = { py: 0x04, go: 0x7b }
    const same = { py: 0, go: 0 }
    for (const { client, name, header, expected } of [...goldenFrames('py'), ...goldenFrames('go')]) {
      const ours = encodeHeader(expected.streamName, expected.partitionKey.toString())
      if (ours[0] !== forms[client] || !expected.isUtf8) continue
      assert.deepEqual(ours, header, name)
      same[client]++
    }
    assert.deepEqual(same, { py: 20, go: 4 })
  })
})

describe('the odd messages of the old daemon’s golden file', () => {
  interface OddMessage {
    case: string
    frames?: string[]
    daemon_lives?: boolean
  }
  const file = join(import.meta.dirname, '../golden/tritond/py-tritond.odd-messages.json')
  const odd = JSON.parse(readFileSync(file, 'utf8')) as OddMessage[]
  const outcomes: Record<string, MessageRefusal | 'taken'> = {
    'three frames': 'frame-count',
    'one frame': 'frame-count',
    'first byte 05': 'unknown-header-form',
    'broken JSON': 'broken-json',
    'JSON without stream_name': 'stream-name-missing',
    'JSON without partition_key': 'partition-key-missing',
    'JSON with more fields': 'taken',
    'JSON with a number as partition key': 'taken',
    'JSON with null as stream name': 'stream-name-not-text',
    'body is not msgpack': 'taken',
    'body is empty': 'taken',
    'empty header': 'empty-header',
    'v4 header short': 'header-length',
    'v4 header long': 'header-length',
    'JSON with a list as stream name': 'stream-name-not-text',
    'JSON that is an array, first byte is not {': 'unknown-header-form',
  }
  for (const { case: name, frames } of odd) {
    if (frames === undefined) continue
    test(name, () => {
      assert.equal(refusalOf(frames.map((frame) => Buffer.from(frame, 'base64'))), outcomes[name])
    })
  }
})

describe('a header', () => {
  test('is refused with every reason there is, and the reason is told', () => {
    const binary = (change: (header: Buffer) => void) => {
      const header = Buffer.from(encodeHeader('s', 'k'))
      change(header)
      return [header, body]
    }
    const json = (text: string) => [Buffer.from(text), body]
    const bad: Record<MessageRefusal, Buffer[]> = {
      'frame-count': [body],
      'empty-header': [Buffer.alloc(0), body],
      'unknown-header-form': json('[]'),
      'header-length': [encodeHeader('s', 'k').subarray(0, 128), body],
      'header-too-long': json(`{"stream_name":"s","partition_key":"k","x":"${'x'.repeat(65_536)}"}`),
      'text-length': binary((header) => header.writeUInt8(64, 65)),
      'stream-name-not-utf8': binary((header) => header.writeUInt8(0xff, 2)),
      'broken-json': json('{"stream_name":"s","partition_key":"k"'),
      'stream-name-missing': json('{"partition_key":"k"}'),
      'stream-name-not-text': json('{"stream_name":7,"partition_key":"k"}'),
      'partition-key-missing': json('{"stream_name":"s"}'),
      'partition-key-not-text': json('{"stream_name":"s","partition_key":null}'),
    }
    assert.deepEqual(Object.keys(bad).sort(), [...messageRefusals].sort())
    for (const [reason, frames] of Object.entries(bad)) {
      const message = decodeMessage(frames)
      assert.equal(message.refusal, reason)
      assert.ok(message.detail.length > 10, message.detail)
    }
  })

  test('of 0, 1, 3 and 100 frames is no message', () => {
    for (const count of [0, 1, 3, 100]) assert.equal(refusalOf(Array(count).fill(body)), 'frame-count')
  })

  test('with true, a list or a map as key is refused', () => {
    for (const key of ['true', 'false', '["k"]', '{"k":1}'])
      assert.equal(decoded(`{"stream_name":"s","partition_key":${key}}`).refusal, 'partition-key-not-text')
  })

  test('with a number as key gives the number as it was written', () => {
    for (const number of ['5', '-1', '0.50', '1e400', '5.0', '12345678901234567890123', '-0']) {
      const message = decoded(`{"stream_name":"s","a":[{"partition_key":9}], "partition_key": ${number} ,"b":1}`)
      assert.equal(message.refusal, undefined)
      assert.equal('partitionKey' in message && message.partitionKey, number)
    }
  })

  test('in which a field comes twice counts the last, as JSON readers do', () => {
    const message = decoded('{"partition_key":1,"stream_name":"a","partition_key":2,"stream_name":"b"}')
    assert.ok(message.refusal === undefined)
    assert.deepEqual([message.streamName, message.partitionKey], ['b', '2'])
  })

  test('does not take inherited names for fields', () => {
    assert.equal(decoded('{"__proto__":{"stream_name":"s","partition_key":"k"}}').refusal, 'stream-name-missing')
  })

  test('nested 60,000 deep is read or refused, without a stack overflow', () => {
    assert.equal(decoded(`{"x":${'['.repeat(60_000)}`).refusal, 'broken-json')
    const deep = `{"stream_name":"s","x":${'['.repeat(30_000)}${']'.repeat(30_000)},"partition_key":7}`
    const message = decoded(deep)
    assert.equal(message.refusal === undefined && message.partitionKey, '7')
  })

  test('keeps a stream name with NUL as it is: it is nobody’s name', () => {
    const message = decodeMessage([encodeHeader('a\0b', 'k'), body])
    assert.equal(message.refusal === undefined && message.streamName, 'a\0b')
  })

  test('with a key cut inside a character has U+FFFD for it, and says so', () => {
    for (const character of ['é', '☃', '😀']) {
      const bytes = Buffer.from('x'.repeat(61) + character).subarray(0, 62)
      const header = Buffer.from(encodeHeader('s', ''))
      header[65] = bytes.length
      header.set(bytes, 66)
      const message = decodeMessage([header, body])
      assert.ok(message.refusal === undefined)
      assert.equal(message.partitionKey, `${'x'.repeat(61)}\ufffd`)
      assert.equal(message.isKeyRepaired, true)
    }
  })

  test('with a key in which U+FFFD was written is not repaired', () => {
    const message = decodeMessage([encodeHeader('s', 'a\ufffd'), body])
    assert.equal(message.refusal === undefined && message.isKeyRepaired, false)
  })

  test('with half a surrogate pair in its JSON key has U+FFFD for it', () => {
    const message = decoded('{"stream_name":"s","partition_key":"a\\ud800b"}')
    assert.ok(message.refusal === undefined)
    assert.deepEqual([message.partitionKey, message.isKeyRepaired], ['a\ufffdb', true])
  })

  test('is binary as long as both texts fit in 63 bytes and the stream is ASCII', () => {
    const form = (streamName: string, key: string) => (encodeHeader(streamName, key)[0] === 4 ? 'binary' : 'json')
    assert.equal(form('s'.repeat(63), 'k'.repeat(63)), 'binary')
    assert.equal(form('s'.repeat(64), 'k'), 'json')
    assert.equal(form('s', 'k'.repeat(64)), 'json')
    assert.equal(form('s', '☃'.repeat(21)), 'binary')
    assert.equal(form('s', `x${'☃'.repeat(21)}`), 'json')
    // As many bytes fit as it has characters: only a look at what was left out tells.
    assert.equal(form('s', 'é'.repeat(62)), 'json')
    assert.equal(form('s', `${'x'.repeat(60)}😀`), 'json')
    assert.equal(form('s', `${'x'.repeat(59)}😀`), 'binary')
    assert.equal(form('flüsse', 'k'), 'json')
  })
})

test('a partition key is refused that Kinesis would refuse', () => {
  assert.equal(refusalOfKey(''), 'partition-key-empty')
  assert.equal(refusalOfKey('k'.repeat(256)), undefined)
  assert.equal(refusalOfKey('😀'.repeat(256)), undefined)
  assert.equal(refusalOfKey('k'.repeat(257)), 'partition-key-too-long')
  assert.equal(refusalOfKey('😀'.repeat(257)), 'partition-key-too-long')
})

const wellFormed = fc.string({ unit: 'binary', maxLength: 80 })

test('what is written is read back, whatever the texts', () => {
  fc.assert(
    fc.property(wellFormed, wellFormed, (streamName, partitionKey) => {
      const message = decodeMessage([encodeHeader(streamName, partitionKey), body])
      assert.deepEqual(message, { streamName, partitionKey, body, isKeyRepaired: false })
    }),
    { numRuns: runs(100_000), seed: seed() },
  )
})

test('random and mutated messages are taken as what they say, or refused, and nothing throws', () => {
  fc.assert(
    fc.property(oddHeader, (header) => {
      const message = decodeMessage([header, body])
      if (message.refusal !== undefined) return assert.ok(messageRefusals.includes(message.refusal))
      assert.equal(message.body, body)
      const told = header[0] === 4 ? binaryTexts(header) : jsonTexts(header)
      assert.deepEqual([message.streamName, message.partitionKey], told)
    }),
    { numRuns: runs(1_000_000), seed: seed() },
  )
})

/** The format restated, as short as it goes. */
function binaryTexts(header: Buffer): string[] {
  assert.equal(header.length, 129)
  return [1, 65].map((at) =>
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(header.subarray(at + 1, at + 1 + (header[at] as number))),
  )
}

function jsonTexts(header: Buffer): string[] {
  const { stream_name, partition_key } = JSON.parse(header.toString()) as Record<string, unknown>
  assert.equal(typeof stream_name, 'string')
  const key = typeof partition_key === 'number' ? lastNumberIn(header.toString()) : String(partition_key)
  return [String(stream_name), Buffer.from(key).toString()]
}

function lastNumberIn(json: string): string {
  return [...json.matchAll(/"partition_key"\s*:\s*(-?[0-9][0-9.eE+-]*)/g)].at(-1)?.[1] ?? 'none'
}
