import assert from 'node:assert/strict'
import * as https from 'node:https'
import { describe, test } from 'node:test'
import * as sdk from '@aws-sdk/client-kinesis'
import { NodeHttp2Handler, NodeHttpHandler } from '@smithy/node-http-handler'
import { startTestEngine } from '../support/engine.ts'
import { type Outcome, playStory } from './story.ts'

/** The AWS SDK for JavaScript: every operation that it has, over each HTTP that it speaks. */
const everyOperation = Object.keys(sdk)
  .filter((name) => /^[A-Z]\w+Command$/.test(name))
  .map((name) => name.replace(/Command$/, ''))

describe('the AWS SDK for JavaScript', () => {
  for (const [http, handler] of [
    ['HTTP/2', () => undefined],
    ['HTTP/1.1', () => new NodeHttpHandler()],
    ['HTTP/2 with TLS', (ca: string) => new NodeHttp2Handler({ nodeHttp2ConnectOptions: { ca } })],
    ['HTTP/1.1 with TLS', (ca: string) => new NodeHttpHandler({ httpsAgent: new https.Agent({ ca }) })],
  ] as const)
    test(`plays its story over ${http}, and every operation is in it`, async () => {
      await using engine = await startTestEngine({ tls: http.includes('TLS') })
      const requestHandler = handler(engine.certificate?.pem ?? '')
      const client = new sdk.KinesisClient({
        endpoint: engine.endpoint,
        region: 'us-east-1',
        credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
        maxAttempts: 1,
        ...(requestHandler && { requestHandler }),
      })
      try {
        const called = await playStory((operation, input) => call(client, operation, input))
        assert.deepEqual([...called].sort(), everyOperation.sort())
      } finally {
        client.destroy()
      }
    })
})

type AnyCommand = new (input: object) => sdk.ListStreamsCommand

async function call(client: sdk.KinesisClient, operation: string, input: Record<string, unknown>): Promise<Outcome> {
  const Command = (sdk as unknown as Record<string, AnyCommand>)[`${operation}Command`]
  assert.ok(Command !== undefined, `the SDK has no ${operation}`)
  try {
    const answer: object = await client.send(new Command(withBytes(input) as object))
    return { answer: withText('EventStream' in answer ? await firstRecords(answer.EventStream) : answer) }
  } catch (error) {
    if (error instanceof sdk.KinesisServiceException) return { error: error.name }
    throw error
  }
}

async function firstRecords(events: unknown): Promise<unknown> {
  for await (const { SubscribeToShardEvent: event } of events as AsyncIterable<sdk.SubscribeToShardEventStream>)
    if ((event?.Records?.length ?? 0) > 0) return event
  throw new Error('the subscription ended without records')
}

function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, key === 'Data' ? Buffer.from(String(item)) : withBytes(item)]),
  )
}

function withText(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString()
  if (Array.isArray(value)) return value.map(withText)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withText(item)]))
}
