import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { definitionOf, loadConfig, parseConfig } from '../src/config.ts'
import { ConfigError } from '../src/errors.ts'

const good = 'my_stream:\n  name: my_stream_v2\n  partition_key: user_id\n'

describe('a stream definition', () => {
  test('of two keys has a default for everything else', () => {
    assert.deepEqual(
      { ...parseConfig(good, 'triton.yaml')['my_stream'] },
      {
        streamName: 'my_stream',
        name: 'my_stream_v2',
        partitionKey: 'user_id',
        partitionKeyText: 'javascript',
        format: 'msgpack',
        file: 'triton.yaml',
      },
    )
  })

  test('may say region, endpoint, format and whose text a partition key is', () => {
    const { my_stream } = parseConfig(
      `${good}  region: eu-west-1\n  endpoint: http://127.0.0.1:4567\n  format: text\n  partition_key_text: python\n`,
      'triton.yaml',
    )
    assert.equal(my_stream?.region, 'eu-west-1')
    assert.equal(my_stream?.endpoint, 'http://127.0.0.1:4567')
    assert.equal(my_stream?.format, 'text')
    assert.equal(my_stream?.partitionKeyText, 'python')
  })

  test('may have keys that nobody here knows, for other programs', () => {
    const config = parseConfig(`${good}  archive:\n    bucket: [1, {x: 2}]\n  owner: ann\n`, 'triton.yaml')
    assert.equal(config['my_stream']?.name, 'my_stream_v2')
  })

  test('may take what it shares with others from an anchor', () => {
    const config = parseConfig(
      'a: &a {name: a1, partition_key: id, region: eu-west-1}\nb: {<<: *a, name: b1}\nc: *a\n',
      'triton.yaml',
    )
    assert.deepEqual(
      Object.values(config).map(({ streamName, name, region }) => [streamName, name, region]),
      [
        ['a', 'a1', 'eu-west-1'],
        ['b', 'b1', 'eu-west-1'],
        ['c', 'a1', 'eu-west-1'],
      ],
    )
  })

  test('may be called by a name that every JavaScript object has', () => {
    const config = parseConfig(
      '__proto__: {name: a, partition_key: id}\nconstructor: {name: b, partition_key: id, __proto__: {name: evil}}\n',
      'triton.yaml',
    )
    assert.deepEqual(Object.keys(config), ['__proto__', 'constructor'])
    assert.equal(definitionOf('__proto__', config).name, 'a')
    assert.equal(definitionOf('constructor', config).name, 'b')
    assert.throws(() => definitionOf('toString', config), ConfigError)
    assert.equal(({} as { name?: string }).name, undefined)
  })

  test('cannot be changed by who reads it', () => {
    const config = parseConfig(good, 'triton.yaml')
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config['my_stream']))
  })
})

describe('a stream that is not in the file', () => {
  const config = parseConfig(`${good}orders:\n  name: o\n  partition_key: id\n`, 'triton.yaml')

  test('is an error that lists what is there', () => {
    assert.throws(() => definitionOf('nothing_like_it', config), {
      name: 'ConfigError',
      message: 'no stream "nothing_like_it" in triton.yaml, which defines my_stream, orders',
    })
  })

  test('is an error that guesses what was meant', () => {
    assert.throws(() => definitionOf('My-Stream', config), /Did you mean my_stream\?/)
    assert.throws(() => definitionOf('ordres', config), /Did you mean orders\?/)
  })
})

describe('what is wrong in the text is told with file, line, column, key, and what would be right', () => {
  const cases: [story: string, text: string, ...told: string[]][] = [
    ['a tab as indentation', 'a:\n\tname: x\n', 'triton.yaml:2:1: a tab stands in the indentation'],
    ['a key twice', `${good}  name: y\n`, 'triton.yaml:4:3: this key stands here a second time'],
    ['a stream twice', good + good, 'triton.yaml:4:1: this key stands here a second time'],
    ['an open quote', 'a:\n  name: "x\n', 'triton.yaml:3:1: no valid YAML: Missing closing "quote'],
    ['an open brace', 'a: {name: x\n', 'triton.yaml:2:1: no valid YAML: Flow map'],
    ['an alias of nothing', 'a: *b\n', 'triton.yaml:1:4: nothing is called &b'],
    ['two documents', `${good}---\n${good}`, 'triton.yaml:4:1: a second document begins here'],
    ['a list at the top', '- my_stream\n', 'triton.yaml:1:1: must be a map', 'it is a list', 'partition_key: user_id'],
    ['text at the top', 'hello\n', 'triton.yaml:1:1: must be a map', 'it is the text "hello"'],
    ['an empty file', '', 'triton.yaml:1:1: must be a map', 'it is empty', 'partition_key: user_id'],
    ['a file of comments', '# nothing\n\n', 'must be a map', 'it is empty'],
    ['an empty map', '{}\n', 'triton.yaml:1:1: defines no stream'],
    ['a definition without a stream', 'name: x\npartition_key: y\n', 'triton.yaml:1:7: name must be a stream', '"x"'],
    [
      'an empty definition',
      'a:\nb:\n  name: x\n',
      'triton.yaml:1:1: a must be',
      'it is empty',
      '3:3: b.partition_key is missing',
    ],
    ['a list as definition', 'a: [1]\n', 'triton.yaml:1:4: a must be', 'it is a list'],
    ['a number as stream name', '5: {name: x, partition_key: y}\n', "1:1: a stream's name must be text", 'number 5'],
    [
      'a missing name',
      'a:\n  partition_key: y\n',
      'triton.yaml:2:3: a.name is missing',
      "the stream's name in Kinesis",
    ],
    ['a misspelt key', 'a:\n  name: x\n  partition-key: y\n', 'a.partition_key is missing', 'Is "partition-key" meant'],
    [
      'a number as name',
      'a:\n  name: 12\n  partition_key: y\n',
      'triton.yaml:2:9: a.name must be',
      'number 12',
      'quotes',
    ],
    ['a boolean as key', 'a:\n  name: x\n  partition_key: true\n', 'triton.yaml:3:18: a.partition_key must', 'true'],
    ['an empty key', 'a:\n  name: x\n  partition_key:\n', 'triton.yaml:3:3: a.partition_key must be', 'it is empty'],
    ['an empty text', 'a:\n  name: ""\n  partition_key: y\n', 'triton.yaml:2:9: a.name is empty'],
    ['an impossible name', 'a: {name: "x y", partition_key: z}\n', 'triton.yaml:1:11: a.name is no name', '1 to 128'],
    [
      'an empty region',
      'a: {name: x, partition_key: z, region: }\n',
      'a.region must be an AWS region such as us-east-1',
    ],
    ['a wrong region', 'a: {name: x, partition_key: z, region: "EU 1"}\n', 'a.region is no AWS region'],
    [
      'a wrong format',
      'a: {name: x, partition_key: z, format: jsn}\n',
      'a.format must be one of msgpack',
      'Is json meant',
    ],
    ['a wrong endpoint', 'a: {name: x, partition_key: z, endpoint: "host:1"}\n', 'a.endpoint is no URL'],
    ['a wrong text', 'a: {name: x, partition_key: z, partition_key_text: ruby}\n', 'one of javascript, python'],
    [
      'a Python object',
      'a: !!python/object/apply:os.system ["id"]\n',
      '1:36: the tag "!!python/object/apply:os.system"',
    ],
    ['a tag in unknown keys', `${good}  x: !!binary aGk=\n`, 'triton.yaml:4:15: the tag "!!binary" is not allowed'],
    ['a local tag', `${good}  x: !Ref y\n`, 'the tag "!Ref" is not allowed'],
    ['endless nesting', `a: ${'['.repeat(50_000)}`, 'nested more than 100 deep'],
    ['endless nesting in blocks', `a:\n  ${'- '.repeat(50_000)}`, 'nested more than 100 deep'],
    ['a map in itself', 'a: &a {<<: *a, name: x, partition_key: y}\n', 'triton.yaml:1:'],
    ['ten megabytes', `${good}# ${'x'.repeat(10 * 1024 * 1024)}`, 'Is it the right file?', '10485'],
  ]
  for (const [story, text, ...told] of cases) {
    test(story, () => {
      assert.throws(
        () => parseConfig(text, 'triton.yaml'),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error))
          for (const part of told) assert.ok(error.message.includes(part), `${part}\n  is not in\n${error.message}`)
          return true
        },
      )
    })
  }

  test('aliases that multiply are refused before they fill the memory', () => {
    const lines = ['z:', '  name: x', '  partition_key: y', '  a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level < 10; level++)
      lines.push(
        `  a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      )
    assert.throws(() => parseConfig(lines.join('\n'), 'triton.yaml'), /z can't be read: Excessive alias count/)
  })

  test('all problems are told at once, in the order of the file', () => {
    assert.throws(
      () => parseConfig('a:\n  name: 1\nb:\n  name: 2\n', 'triton.yaml'),
      (error) => {
        const places = [...String(error).matchAll(/triton\.yaml:(\d+):/g)].map(([, line]) => Number(line))
        assert.deepEqual(places, [2, 2, 4, 4])
        return true
      },
    )
  })
})

describe('the file', () => {
  let directory: string
  let file: string
  const before_ = process.env['TRITON_CONFIG']
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'triton-config-'))
    file = join(directory, 'triton.yaml')
    writeFileSync(file, `\ufeff${good}`)
  })
  after(() => {
    rmSync(directory, { recursive: true })
    if (before_ === undefined) delete process.env['TRITON_CONFIG']
    else process.env['TRITON_CONFIG'] = before_
  })

  test('is the one that is named, else the one in TRITON_CONFIG', () => {
    process.env['TRITON_CONFIG'] = join(directory, 'absent.yaml')
    assert.equal(loadConfig(file)['my_stream']?.file, file)
    process.env['TRITON_CONFIG'] = file
    assert.equal(loadConfig()['my_stream']?.name, 'my_stream_v2')
  })

  test('when missing, is an error that says which path, why that one, and how one looks', () => {
    process.env['TRITON_CONFIG'] = join(directory, 'absent.yaml')
    assert.throws(() => loadConfig(), /no configuration at .*absent\.yaml \(from TRITON_CONFIG\)/)
    assert.throws(
      () => loadConfig(join(directory, 'other.yaml')),
      (error) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, /other\.yaml \(the path that was asked for\).*TRITON_CONFIG/)
        assert.match(error.message, /my_stream:\n\s+name: .*\n\s+partition_key: /)
        return true
      },
    )
  })

  test('when it is a directory, or no text, or huge, says so', () => {
    assert.throws(() => loadConfig(directory), /is a directory, not a file/)
    const bytes = join(directory, 'bytes.yaml')
    writeFileSync(bytes, Buffer.from([0x61, 0x3a, 0xff, 0xfe]))
    assert.throws(() => loadConfig(bytes), /bytes\.yaml is not UTF-8 text/)
    const huge = join(directory, 'huge.yaml')
    writeFileSync(huge, '#'.repeat(10 * 1024 * 1024))
    assert.throws(() => loadConfig(huge), /huge\.yaml has 10485760 bytes/)
  })

  test('when it is a device that never ends, is read no further than any configuration goes', {
    skip: !existsSync('/dev/zero'),
  }, () => {
    assert.throws(() => loadConfig('/dev/zero'), /zero has more than 1048576 bytes/)
  })
})
