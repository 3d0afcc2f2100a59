import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { ConfigError } from '../../src/errors.ts'
import { completeConnection, isLoopback, profileHasCredentials } from '../../src/kinesis/aws-connection.ts'
import { createAwsKinesisApi } from '../../src/kinesis/aws-kinesis-api.ts'
import { KinesisCallError } from '../../src/kinesis/retry-class.ts'
import { startTestEngine } from '../support/engine.ts'

const local = { accessKeyId: 'local', secretAccessKey: 'local' }
const kept = { ...process.env }
let home = ''
let fileCount = 0

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'triton-aws-'))
})

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  // The SDK keeps the files it has read, by their paths: each test gets new ones.
  fileCount++
  process.env['AWS_CONFIG_FILE'] = join(home, `config-${fileCount}`)
  process.env['AWS_SHARED_CREDENTIALS_FILE'] = join(home, `credentials-${fileCount}`)
  process.env['AWS_EC2_METADATA_DISABLED'] = 'true'
})

after(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name]
  Object.assign(process.env, kept)
  await rm(home, { recursive: true })
})

test('an endpoint on this machine works with nothing configured at all', async () => {
  await using engine = await startTestEngine()
  for (const endpoint of [engine.endpoint, `http://localhost:${engine.port}`]) {
    const api = createAwsKinesisApi({ endpoint })
    assert.deepEqual(await api.listStreams(), [])
    api.close()
  }
  assert.deepEqual(await completeConnection({ endpoint: 'http://[::1]:4567' }), {
    endpoint: 'http://[::1]:4567',
    region: 'us-east-1',
    credentials: local,
  })
})

test('the endpoint may come from the environment or a profile, as the SDK has it', async () => {
  process.env['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:1'
  process.env['AWS_REGION'] = 'eu-west-1'
  assert.deepEqual(await completeConnection({}), { credentials: local })
  process.env['AWS_ENDPOINT_URL_KINESIS'] = 'https://kinesis.eu-west-1.amazonaws.com'
  assert.deepEqual(await completeConnection({}), {})
  delete process.env['AWS_ENDPOINT_URL_KINESIS']
  process.env['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS'] = 'true'
  assert.deepEqual(await completeConnection({}), {})
})

test('a profile may name the endpoint, region and services, without credentials', async () => {
  await writeFile(
    String(process.env['AWS_CONFIG_FILE']),
    '[profile laptop]\nregion = ap-south-1\nservices = here\n[services here]\nkinesis =\n  endpoint_url = http://localhost:4567\n',
  )
  process.env['AWS_PROFILE'] = 'laptop'
  assert.deepEqual(await completeConnection({}), { credentials: local })
})

test('credentials that are configured are used on this machine, too', async () => {
  const endpoint = 'http://127.0.0.1:4567'
  const given = { accessKeyId: 'mine', secretAccessKey: 'mine' }
  assert.equal((await completeConnection({ endpoint, credentials: given })).credentials, given)
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']) {
    process.env[name] = 'x'
    assert.equal((await completeConnection({ endpoint })).credentials, undefined, name)
    delete process.env[name]
  }
  await writeFile(String(process.env['AWS_SHARED_CREDENTIALS_FILE']), '[default]\naws_access_key_id = AKID\n')
  assert.equal((await completeConnection({ endpoint })).credentials, undefined)
  assert.deepEqual((await completeConnection({ endpoint, profile: 'other' })).credentials, local)
})

test('any other host never gets made-up credentials, and the error says what to set', async () => {
  for (const endpoint of ['http://127.0.0.1.example.invalid', 'https://kinesis.us-east-1.amazonaws.com', undefined]) {
    const api = createAwsKinesisApi({ ...(endpoint && { endpoint }), region: 'us-east-1' })
    const error = await api.listStreams().catch((reason) => reason)
    api.close()
    assert.ok(error instanceof KinesisCallError)
    assert.deepEqual([error.retryClass, error.mayHaveBeenWritten], ['denied', false])
    assert.match(error.message, /no AWS credentials were found .* Set AWS_ACCESS_KEY_ID/)
  }
})

test('the region is the option, else what the SDK finds, else us-east-1', async () => {
  assert.deepEqual(await completeConnection({}), { region: 'us-east-1' })
  assert.deepEqual(await completeConnection({ region: 'eu-west-3' }), { region: 'eu-west-3' })
  process.env['AWS_REGION'] = 'eu-west-1'
  assert.deepEqual(await completeConnection({}), {})
})

test('an endpoint that is no URL is refused at once, with its text', () => {
  for (const endpoint of ['localhost:4567', 'here', '', 'ftp://localhost']) {
    assert.throws(
      () => createAwsKinesisApi({ endpoint }),
      (error) => error instanceof ConfigError && error.message.includes(`it is "${endpoint}"`),
    )
  }
})

test("a machine's role is not searched for when the endpoint is on this machine", async () => {
  let askedCount = 0
  const metadata = createServer((_request, response) => {
    askedCount++
    response.writeHead(404).end()
  })
  metadata.listen(0, '127.0.0.1')
  await once(metadata, 'listening')
  process.env['AWS_EC2_METADATA_DISABLED'] = 'false'
  process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] = `http://127.0.0.1:${(metadata.address() as AddressInfo).port}`
  await using engine = await startTestEngine()
  const api = createAwsKinesisApi({ endpoint: engine.endpoint })
  await api.listStreams()
  api.close()
  metadata.closeAllConnections()
  metadata.close()
  assert.equal(askedCount, 0)
})

test('after a search in vain, the next call searches again', async () => {
  const api = createAwsKinesisApi({ endpoint: 'http://nowhere.invalid', region: 'us-east-1' })
  assert.equal((await api.listStreams().catch((reason) => reason)).errorCode, 'CredentialsProviderError')
  process.env['AWS_ACCESS_KEY_ID'] = 'k'
  process.env['AWS_SECRET_ACCESS_KEY'] = 's'
  assert.match((await api.listStreams().catch((reason) => reason)).errorCode, /ENOTFOUND|EAI_AGAIN/)
  api.close()
})

test('this machine is 127.0.0.0/8, ::1 and localhost, and nothing that looks like them', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', 'LOCALHOST', '::1', '[::1]'])
    assert.ok(isLoopback(host), host)
  for (const host of [
    '127.0.0.1.example.com',
    '128.0.0.1',
    'localhost.example.com',
    '10.0.0.1',
    '0.0.0.0',
    '::',
    '127.1',
  ]) {
    assert.ok(!isLoopback(host), host)
  }
})

test('a profile has credentials when its own section says where they come from', () => {
  const text =
    '[default]\nregion=x\n[profile "a"]\nrole_arn = arn\n[b]\n; aws_access_key_id = no\n# role_arn = no\n[c]\n sso_session=s\n'
  assert.deepEqual(
    ['default', 'a', 'b', 'c', 'd'].map((profile) => profileHasCredentials(text, profile)),
    [false, true, false, true, false],
  )
})
