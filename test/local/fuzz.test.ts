import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as sdk from '@aws-sdk/client-kinesis'
import { type Random, seededRandom } from '../../src/random.ts'
import { runs, seed } from '../support/soak.ts'
import { startEngineProcess } from './start-engine-process.ts'
import { ask, encodeInput, signed } from './wire-client.ts'

/**
 * A million requests of which each is wrong in its own way: members with values of other members, bodies with damaged
 * bytes, bodies of anything, heads that don't fit. Each gets an answer that the API knows, none takes long, and the
 * engine's memory does not grow.
 */
test('random requests end in answers, whatever they are, and leave nothing behind', async (context) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'triton-fuzz-'))
  context.after(() => rmSync(dataDir, { recursive: true, force: true }))
  await using engine = await startEngineProcess(dataDir, {
    streams: [{ name: 's', shardCount: 2 }],
    shardLimit: 30,
    sync: 'never',
  })
  await using client = new Client(engine.port)
  const random = seededRandom(seed())
  const requests = runs(1_000_000, 10_000)
  const answers = new Map<string, number>()
  let left = requests
  let rssAtFirst = 0
  const lane = async () => {
    while (left-- > 0) {
      if (left === Math.floor(requests * 0.8)) rssAtFirst = await engine.rssBytes()
      const request = randomRequest(random)
      const answer = await client.send(request)
      const told = answer.body.toString('latin1')
      const about = `${JSON.stringify(request.headers)} ${request.body.toString('latin1').slice(0, 500)}: ${answer.status} ${told.slice(0, 300)}`
      assert.ok([200, 400, 403, 404].includes(answer.status) || isOldNumber(request, answer.status), about)
      answers.set(`${answer.status} ${/\w+(Exception|Failure)/.exec(told)?.[0] ?? ''}`, 0)
    }
  }
  await Promise.all(Array.from({ length: 24 }, lane))
  const rss = await engine.rssBytes()
  assert.ok(rss - rssAtFirst < 150e6, `${rssAtFirst} bytes after a fifth of the requests, ${rss} after all`)
  // The requests were of all kinds.
  for (const kind of ['200 ', '400 ValidationException', '400 SerializationException', '400 InvalidArgumentException'])
    assert.ok(answers.has(kind), `${kind} is not among ${[...answers.keys()].join(', ')}`)
  assert.equal((await ask(engine.endpoint, 'DescribeLimits', {})).__type, undefined)
  console.log(`${requests} requests, ${answers.size} kinds of answers, ${Math.round(rss / 2 ** 20)} MiB`)
})

interface Request {
  headers: Record<string, string>
  body: Buffer
  isHttp2: boolean
}

/** Kinesis itself fails at sequence numbers of the first version (specification, 7.1). */
function isOldNumber({ body }: Request, status: number): boolean {
  return status === 500 && body.includes('SequenceNumber')
}

const operations = Object.values(sdk as Readonly<Record<string, unknown>>)
  .filter((schema) => Array.isArray(schema) && schema[0] === 9)
  .map((schema) => {
    const [, , name, , input] = schema as [9, string, string, unknown, () => [3, string, string, unknown, string[]]]
    return { name, members: input()[4] }
  })

const arn = 'arn:aws:kinesis:us-east-1:000000000000:stream/s'
/** Values that are right somewhere, and values that are right nowhere. */
const values: readonly unknown[] = [
  's',
  't',
  'shardId-000000000000',
  'shardId-000000000001',
  '0',
  'TRIM_HORIZON',
  'LATEST',
  'AT_TIMESTAMP',
  'AT_LATEST',
  'ON_DEMAND',
  'AUTO',
  'KMS',
  'UNIFORM_SCALING',
  arn,
  `${arn}/consumer/c:1`,
  '49646437577108476416916876405827138351405044649047359490',
  '340282366920938463463374607431768211456',
  'eA==',
  'eA=',
  '',
  ' ',
  '\u0000',
  '😀',
  'ä'.repeat(300),
  0,
  1,
  2,
  24,
  1024,
  -1,
  1.5,
  1e300,
  -1e300,
  2 ** 53,
  true,
  false,
  null,
  Buffer.from('data'),
  Buffer.alloc(0),
  new Date(0),
  new Date(8e15),
]
const names = [...new Set(operations.flatMap(({ members }) => members)), 'Type', 'Status', '__proto__', 'constructor']

function randomRequest(random: Random): Request {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random.next() * list.length)] as T
  const value = (depth: number): unknown => {
    const kind = random.next()
    if (depth > 3 || kind < 0.8) return pick(values)
    const size = Math.floor(random.next() * 4)
    if (kind < 0.9) return Array.from({ length: size }, () => value(depth + 1))
    return Object.fromEntries(Array.from({ length: size }, () => [pick(names), value(depth + 1)]))
  }
  const entry = () => ({
    PartitionKey: value(2),
    Data: value(2),
    ...(random.next() < 0.2 && { ExplicitHashKey: value(2) }),
  })
  const inputOf = (members: readonly string[]) => {
    const input: Record<string, unknown> = {}
    for (const member of members) {
      if (random.next() < 0.3) continue
      if (member === 'StreamName') input[member] = pick(['s', 's', 's', 't', value(0)])
      else if (member === 'Records') input[member] = random.next() < 0.1 ? value(0) : [entry(), entry()]
      // A stream that lives for hours would make the engine slow, not wrong.
      else if (member !== 'DryRun') input[member] = value(0)
    }
    return random.next() < 0.05 ? { ...input, [pick(names)]: value(0) } : input
  }
  const { name, members } = pick(operations)
  const format = pick(['json', 'cbor'] as const)
  let body = encodeInput(inputOf(members), { format })
  const damage = random.next()
  if (damage < 0.1) body = body.subarray(0, Math.floor(random.next() * body.length))
  else if (damage < 0.3) {
    body = Buffer.from(body)
    for (let flips = 1 + random.next() * 3; flips > 0; flips--)
      body[Math.floor(random.next() * body.length)] = Math.floor(random.next() * 256)
  } else if (damage < 0.4) body = Buffer.concat([body, body.subarray(Math.floor(random.next() * body.length))])
  else if (damage < 0.45) body = Buffer.from(Array.from({ length: random.next() * 200 }, () => random.next() * 256))
  const headers: Record<string, string> = {
    ...signed,
    'x-amz-target': `Kinesis_20131202.${name}`,
    'content-type': `application/x-amz-${format}-1.1`,
  }
  const head = random.next()
  if (head < 0.03)
    headers['content-type'] = pick(['application/json', 'text/plain', 'application/x-amz-json-1.1;a', ''])
  else if (head < 0.06)
    headers['x-amz-target'] = pick(['', '.', 'Kinesis_20131202', 'Kinesis_20131202.', 'a.b.c', '__proto__'])
  else if (head < 0.08) headers['authorization'] = pick(['', 'AWS4', 'AWS4 Credential=, Signature', '=,=,='])
  else if (head < 0.1) headers['origin'] = 'http://elsewhere'
  return { headers, body, isHttp2: random.next() < 0.3 }
}

/** Keeps its connections, and gives no answer more than a minute. */
class Client {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 24 })
  readonly #port: number
  readonly #session: http2.ClientHttp2Session

  constructor(port: number) {
    this.#port = port
    this.#session = http2.connect(`http://127.0.0.1:${port}`)
  }

  send(request: Request): Promise<{ status: number; body: Buffer }> {
    const signal = AbortSignal.timeout(60_000)
    return request.isHttp2 ? this.#sendHttp2(request, signal) : this.#sendHttp1(request, signal)
  }

  #sendHttp1({ headers, body }: Request, signal: AbortSignal): Promise<{ status: number; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const options = { port: this.#port, agent: this.#agent, method: 'POST', signal }
      const request = http.request(
        { ...options, headers: { ...headers, 'content-length': body.length } },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
        },
      )
      request.on('error', reject)
      request.end(body)
    })
  }

  #sendHttp2({ headers, body }: Request, signal: AbortSignal): Promise<{ status: number; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const stream = this.#session.request({ ':method': 'POST', ...headers }, { signal, endStream: false })
      let status = 0
      const chunks: Buffer[] = []
      stream.on('response', (answer) => {
        status = answer[':status'] ?? 0
      })
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => resolve({ status, body: Buffer.concat(chunks) }))
      stream.on('error', reject)
      stream.end(body)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
    this.#session.destroy()
  }
}
