import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { before, describe, type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { startTestEngine } from '../support/engine.ts'
import { installPackages } from './python-packages.ts'
import { type Outcome, playStory, story, storyFile } from './story.ts'

/** boto3 and the AWS CLI, from PyPI in an environment of their own. */
const run = promisify(execFile)
const place = resolve(import.meta.dirname, '../../.cache/clients/python')
const packages = ['boto3==1.44.8', 'awscli==1.46.3']

describe('in Python', () => {
  let missing: string | undefined
  before(async () => {
    missing = await installPackages(place, packages)
  })

  test('boto3 plays its story, plain and over TLS, and all but the newest operations are in it', async (t) => {
    if (isMissing(t, missing)) return
    await using engine = await startTestEngine()
    const script = join(import.meta.dirname, 'python/story.py')
    const play = (endpoint: string, env = {}) =>
      run(join(place, 'bin/python'), [script, endpoint, storyFile], {
        timeout: 120_000,
        env: { ...process.env, ...env },
      })
    const { stdout } = await play(engine.endpoint)
    const { called, known } = JSON.parse(stdout) as { called: string[]; known: string[] }
    // Queues came with botocore 1.44, after the model that the engine follows.
    const dataDir = mkdtempSync(join(tmpdir(), 'triton-boto3-'))
    t.after(() => rmSync(dataDir, { recursive: true }))
    await using secure = await startTestEngine({ tls: true, dataDir })
    await play(secure.endpoint, { AWS_CA_BUNDLE: secure.certificate?.file })
    assert.deepEqual(
      called,
      known.filter((operation) => !operation.includes('Queue')),
    )
  })

  test('the AWS CLI plays as much of the story as it knows', async (t) => {
    if (isMissing(t, missing)) return
    await using engine = await startTestEngine()
    const known = await operationsOfCli()
    const steps = story.filter(({ operation }) => known.has(wordsOf(operation)))
    const called = await playStory((operation, input) => callCli(engine.endpoint, operation, input), steps)
    assert.equal(called.size, known.size)
  })
})

function isMissing(t: TestContext, missing: string | undefined): boolean {
  if (missing !== undefined) t.skip(missing)
  return missing !== undefined
}

async function callCli(endpoint: string, operation: string, input: Record<string, unknown>): Promise<Outcome> {
  const args = ['kinesis', wordsOf(operation), '--endpoint-url', endpoint, '--output', 'json', '--cli-input-json']
  const env = {
    PATH: process.env['PATH'],
    HOME: place,
    // Version 1 of the CLI, and boto3, know this one and not AWS_REGION.
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'any',
    AWS_SECRET_ACCESS_KEY: 'any',
    AWS_PAGER: '',
  }
  try {
    const { stdout } = await run(join(place, 'bin/aws'), [...args, JSON.stringify(input)], { env, timeout: 60_000 })
    return { answer: stdout.trim() === '' ? {} : decoded(JSON.parse(stdout)) }
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const type = /An error occurred \((\w+)\)/.exec(stderr)?.[1]
    if (type === undefined) throw error
    return { error: type }
  }
}

/** Asked for what it does not know, it lists what it does. */
async function operationsOfCli(): Promise<Set<string>> {
  const { stderr } = await run(join(place, 'bin/aws'), ['kinesis', 'what-it-knows']).catch(
    (error: { stderr: string }) => error,
  )
  const choices = stderr.slice(stderr.indexOf('valid choices are'))
  const words = choices.match(/[a-z]+(-[a-z]+)+/g) ?? []
  return new Set(words)
}

/** `PutRecord` -> `put-record` */
function wordsOf(operation: string): string {
  return operation.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase()
}

/** Version 1 of the CLI takes data as text, and prints it in base64. */
function decoded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decoded)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === 'Data' ? Buffer.from(String(item), 'base64').toString() : decoded(item),
    ]),
  )
}
