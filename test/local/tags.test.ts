import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startLocalEngine } from '../../src/local/index.ts'
import { startTestEngine } from '../support/engine.ts'
import { overEachWire } from './over-each-wire.ts'
import { ask, call, cborWire, jsonWire, type Wire, wires } from './wire-client.ts'

/** Section 3.2 of the specification: tags of streams and of what else has an ARN. */
const S = { StreamName: 's' }
const ResourceARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
const streams = [{ name: 's', shardCount: 1 }]

async function errorOf(endpoint: string, operation: string, input: object, wire = jsonWire): Promise<string> {
  const { status, body } = await call(endpoint, operation, input, wire)
  return status === 200 ? 'fine' : `${body.__type}: ${body.message}`
}

async function tagsOf(endpoint: string, input: object = {}, wire: Wire = jsonWire) {
  const { Tags, HasMoreTags } = await ask(endpoint, 'ListTagsForStream', { ...S, ...input }, wire)
  return { tags: Tags.map(({ Key, Value }) => `${Key}=${Value}`), HasMoreTags }
}

const numbered = (count: number, from = 0) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${from + at}`, 'v']))

for (const wire of wires)
  describe(`3.2 tags over ${wire.name}`, () => {
    test('are added, replaced, listed by code unit and removed', async () => {
      await using engine = await startTestEngine({ streams })
      const { endpoint } = engine
      const added = await call(
        endpoint,
        'AddTagsToStream',
        { ...S, Tags: { b: '1', a: '', B: 'ü', 'a b': 'x/y' } },
        wire,
      )
      assert.deepEqual([added.status, added.bytes.length], [200, 0])
      await ask(endpoint, 'AddTagsToStream', { ...S, Tags: { b: '2' } }, wire)
      assert.deepEqual(await tagsOf(endpoint, {}, wire), {
        tags: ['B=ü', 'a=', 'a b=x/y', 'b=2'],
        HasMoreTags: false,
      })
      await ask(endpoint, 'RemoveTagsFromStream', { ...S, TagKeys: ['a', 'B', 'never there'] }, wire)
      assert.deepEqual((await tagsOf(endpoint, {}, wire)).tags, ['a b=x/y', 'b=2'])
    })

    test('are listed in pages behind a key', async () => {
      await using engine = await startTestEngine({ streams })
      await ask(engine.endpoint, 'AddTagsToStream', { ...S, Tags: { a: '1', b: '2', c: '3' } }, wire)
      const page = (input: object) => tagsOf(engine.endpoint, input, wire)
      assert.deepEqual(await page({ Limit: 2 }), { tags: ['a=1', 'b=2'], HasMoreTags: true })
      assert.deepEqual(await page({ Limit: 2, ExclusiveStartTagKey: 'b' }), { tags: ['c=3'], HasMoreTags: false })
      assert.deepEqual(await page({ ExclusiveStartTagKey: 'aa' }), { tags: ['b=2', 'c=3'], HasMoreTags: false })
      assert.deepEqual(await page({ ExclusiveStartTagKey: 'z' }), { tags: [], HasMoreTags: false })
    })

    test('are the same by the ARN of the stream', async () => {
      await using engine = await startTestEngine({ streams })
      const { endpoint } = engine
      await ask(endpoint, 'TagResource', { ResourceARN, Tags: { a: '1', b: '2' } }, wire)
      assert.deepEqual((await tagsOf(endpoint, {}, wire)).tags, ['a=1', 'b=2'])
      await ask(endpoint, 'UntagResource', { ResourceARN, TagKeys: ['a'] }, wire)
      const { Tags } = await ask(endpoint, 'ListTagsForResource', { ResourceARN }, wire)
      assert.deepEqual(Tags, [{ Key: 'b', Value: '2' }])
    })
  })

overEachWire('3.2 tags', (test) => {
  const invalid =
    'InvalidArgumentException: Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @.'
  const illegal = (what: string) =>
    `InvalidArgumentException: Failed to ${what} stream s under account 000000000000 because some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.`
  const tooMany =
    'InvalidArgumentException: Failed to add tags to stream s under account 000000000000 because a given stream cannot have more than 10 tags associated with it.'

  test('refuse characters in keys and values, a percent sign with words of its own', async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    for (const [operation, input, error] of [
      ['AddTagsToStream', { ...S, Tags: { 'a;b': '' } }, invalid],
      ['AddTagsToStream', { ...S, Tags: { 'a;b%': '%' } }, invalid],
      ['AddTagsToStream', { ...S, Tags: { ab: 'a\u00a9' } }, invalid],
      ['AddTagsToStream', { ...S, Tags: { ab: 'a:b' } }, invalid],
      ['AddTagsToStream', { ...S, Tags: { ab: 'a\tb' } }, invalid],
      ['AddTagsToStream', { ...S, Tags: { ab: 'a%' } }, illegal('add tags to')],
      ['AddTagsToStream', { ...S, Tags: { 'ü./-=+_ @Aé中': 'fine' } }, 'fine'],
      ['RemoveTagsFromStream', { ...S, TagKeys: ['a;b'] }, invalid],
      ['RemoveTagsFromStream', { ...S, TagKeys: ['a', 'b%'] }, illegal('remove tags from')],
      ['TagResource', { ResourceARN, Tags: { 'a%': '' } }, illegal('add tags to')],
      ['UntagResource', { ResourceARN, TagKeys: ['a%'] }, illegal('remove tags from')],
      ['CreateStream', { StreamName: 't', ShardCount: 1, Tags: { 'a;': '' } }, invalid],
    ] as const)
      assert.equal(await errorOf(endpoint, operation, input), error, `${operation} ${JSON.stringify(input)}`)
  })

  test('are fifty at most, those that are there counted in', async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    await ask(endpoint, 'AddTagsToStream', { ...S, Tags: numbered(50) })
    assert.equal(await errorOf(endpoint, 'AddTagsToStream', { ...S, Tags: { 'key-7': 'new' } }), 'fine')
    assert.equal(await errorOf(endpoint, 'AddTagsToStream', { ...S, Tags: { other: '' } }), tooMany)
    assert.equal(await errorOf(endpoint, 'TagResource', { ResourceARN, Tags: { other: '' } }), tooMany)
    const { Tags } = await ask(endpoint, 'ListTagsForResource', { ResourceARN })
    assert.equal(Tags.length, 50)
  })

  test('are asked for their stream first, in every state of it', async () => {
    await using engine = await startTestEngine({ streams, createStreamMs: 60_000, deleteStreamMs: 60_000 })
    const { endpoint } = engine
    const missing = 'ResourceNotFoundException: Stream nobody under account 000000000000 not found.'
    const nobody = { StreamName: 'nobody' }
    assert.equal(await errorOf(endpoint, 'AddTagsToStream', { ...nobody, Tags: { 'a;': '' } }), missing)
    assert.equal(await errorOf(endpoint, 'RemoveTagsFromStream', { ...nobody, TagKeys: ['a;'] }), missing)
    assert.equal(await errorOf(endpoint, 'ListTagsForStream', nobody), missing)
    await ask(endpoint, 'CreateStream', { StreamName: 'creating', ShardCount: 1, Tags: { from: 'the start' } })
    assert.deepEqual((await tagsOf(endpoint, { StreamName: 'creating' })).tags, ['from=the start'])
    assert.equal(await errorOf(endpoint, 'AddTagsToStream', { StreamName: 'creating', Tags: { a: 'b' } }), 'fine')
    await ask(endpoint, 'DeleteStream', S)
    assert.equal(await errorOf(endpoint, 'AddTagsToStream', { ...S, Tags: { a: 'b' } }), 'fine')
  })

  test('belong to no channel, to no stream of another account, and to no stream that is none', async () => {
    await using engine = await startTestEngine({ streams })
    for (const arn of [
      'arn:aws:kinesis:us-east-1:000000000000:channel/s',
      'arn:aws:kinesis:us-east-1:000000000000:stream/s/consumer/c:1',
      'arn:aws:kinesis:us-east-1:000000000000:stream/s/what',
      'arn:aws:kinesis:us-east-1:000000000000:stream/other',
      'arn:aws:kinesis:us-east-1:111111111111:stream/s',
      'arn:aws:kinesis:eu-west-1:000000000000:stream/s',
    ])
      assert.match(
        await errorOf(engine.endpoint, 'ListTagsForResource', { ResourceARN: arn }),
        /^ResourceNotFoundException: /,
        arn,
      )
  })

  test('of a consumer are its own, and go with it', async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    const register = { StreamARN: ResourceARN, ConsumerName: 'c', Tags: { a: '1' } }
    const { Consumer } = await ask(endpoint, 'RegisterStreamConsumer', register)
    const consumer = { ResourceARN: Consumer.ConsumerARN }
    await ask(endpoint, 'TagResource', { ...consumer, Tags: { b: '2', c: '3' } })
    await ask(endpoint, 'UntagResource', { ...consumer, TagKeys: ['a'] })
    const { Tags } = await ask(endpoint, 'ListTagsForResource', consumer)
    assert.deepEqual(
      Tags.map(({ Key }) => Key),
      ['b', 'c'],
    )
    assert.deepEqual((await tagsOf(endpoint)).tags, [])
    await ask(endpoint, 'DeregisterStreamConsumer', { ConsumerARN: Consumer.ConsumerARN })
    assert.match(await errorOf(endpoint, 'ListTagsForResource', consumer), /^ResourceNotFoundException: /)
  })

  test('are checked for their lengths and number', async () => {
    await using engine = await startTestEngine({ streams })
    const { endpoint } = engine
    const bounds =
      '[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]'
    for (const [operation, input, part] of [
      ['AddTagsToStream', { ...S }, "Value null at 'tags' failed to satisfy constraint: Member must not be null"],
      [
        'AddTagsToStream',
        { ...S, Tags: {} },
        "Value '{}' at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1",
      ],
      ['AddTagsToStream', { ...S, Tags: { ['k'.repeat(129)]: '' } }, `Map keys must satisfy constraint: ${bounds}`],
      [
        'AddTagsToStream',
        { ...S, Tags: { k: 'v'.repeat(257) } },
        'Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0]',
      ],
      [
        'AddTagsToStream',
        { ...S, Tags: numbered(201) },
        "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 200",
      ],
      [
        'RemoveTagsFromStream',
        { ...S, TagKeys: [] },
        "Value '[]' at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1",
      ],
      [
        'RemoveTagsFromStream',
        { ...S, TagKeys: Object.keys(numbered(51)) },
        "at 'tagKeys' failed to satisfy constraint: Member must have length less than or equal to 50",
      ],
      [
        'RemoveTagsFromStream',
        { ...S, TagKeys: [''] },
        `Value '[]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: ${bounds}`,
      ],
      [
        'ListTagsForStream',
        { ...S, Limit: 51 },
        "Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
      ],
      [
        'ListTagsForStream',
        { ...S, ExclusiveStartTagKey: '' },
        "at 'exclusiveStartTagKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
      ],
      ['ListTagsForResource', {}, "Value null at 'resourceARN' failed to satisfy constraint: Member must not be null"],
      [
        'ListTagsForResource',
        { ResourceARN: 'arn:aws:s3:::b' },
        "at 'resourceARN' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:.*(stream|channel)/\\S+",
      ],
    ] as const) {
      const error = await errorOf(endpoint, operation, input)
      assert.ok(error.startsWith('ValidationException: 1 validation error detected: '), error)
      assert.ok(error.includes(part), error)
    }
  })

  test('survive a restart, whatever their keys are called', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'triton-tags-'))
    try {
      await using first = await startLocalEngine({ dataDir, streams })
      await ask(
        first.endpoint,
        'AddTagsToStream',
        { ...S, Tags: JSON.parse('{"__proto__":"p","constructor":"c"}') },
        cborWire,
      )
      await first.close()
      await using second = await startLocalEngine({ dataDir })
      assert.deepEqual((await tagsOf(second.endpoint)).tags, ['__proto__=p', 'constructor=c'])
    } finally {
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
