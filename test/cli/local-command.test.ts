import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CliPlace } from '../support/cli.ts'

describe('triton local', () => {
  test('prints its endpoint, says what to set, keeps what it was given, and ends cleanly at SIGTERM', async () => {
    using place = new CliPlace('tour:\n  name: tour\n  partition_key: msg\n')
    const args = ['local', '--port', '0', '--data', `${place.directory}/data`, '--stream', 'tour:2', 'other']
    const start = async () => {
      const engine = place.start(args)
      await engine.until(({ stdout }) => stdout.endsWith('\n'))
      return { engine, env: { AWS_ENDPOINT_URL_KINESIS: engine.stdout.trim() } }
    }

    const first = await start()
    assert.match(first.engine.stdout, /^http:\/\/127\.0\.0\.1:\d+\n$/)
    assert.match(first.engine.stderr, /kept in .*data/)
    assert.match(
      first.engine.stderr,
      new RegExp(`export AWS_ENDPOINT_URL_KINESIS=${first.env.AWS_ENDPOINT_URL_KINESIS}\n`),
    )
    const put = await place.run(['put', '-s', 'tour'], { env: first.env, input: 'hi\n' })
    assert.deepEqual([put.exitCode, put.stderr], [0, ''])
    first.engine.child.kill('SIGKILL')
    await first.engine.ended()

    const second = await start()
    const [got, list] = await place.runMany(
      [
        ['get', '-s', 'tour', '--from', 'all', '--until-caught-up'],
        ['stream', 'list'],
      ],
      { env: second.env },
    )
    assert.match(got?.stdout ?? '', /^<Record shardId-\d{12} \d+>\n\{ msg: 'hi\\n', ts: [\d.]+ \}\n\n$/)
    assert.equal(list?.stdout, 'other\ntour\n')
    second.engine.child.kill('SIGTERM')
    assert.equal((await second.engine.ended()).exitCode, 0)
  })

  test('says what to set for the AWS CLI, SDKs, KCL, KPL and Terraform, all in one screen, over TLS too', async () => {
    using place = new CliPlace('tour:\n  name: tour\n  partition_key: msg\n')
    const data = `${place.directory}/data`
    await using engine = place.start([
      'local',
      '--port',
      '0',
      '--tls',
      '--data',
      data,
      '--region',
      'eu-west-1',
      '--test-controls',
    ])
    await engine.until(({ stdout }) => stdout.endsWith('\n'))
    const endpoint = engine.stdout.trim()
    const { port } = new URL(endpoint)
    assert.match(endpoint, /^https:\/\/127\.0\.0\.1:\d+$/)
    const file = `${data}/tls/certificate.pem`
    for (const line of [
      'Plain HTTP is spoken there too.',
      'It takes orders of tests from this machine',
      `export AWS_ENDPOINT_URL_KINESIS=${endpoint}`,
      'export AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1',
      'export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local',
      `export AWS_CA_BUNDLE=${file} NODE_EXTRA_CA_CERTS=${file}`,
      `endpointOverride(URI.create("${endpoint}"))`,
      `setKinesisEndpoint("127.0.0.1").setKinesisPort(${port})`,
      `.setCaCertFile("${file}")`,
      `endpoints { kinesis = "${endpoint}" }`,
    ])
      assert.ok(engine.stderr.includes(line), `${line}\nis not in\n${engine.stderr}`)
    assert.ok(engine.stderr.split('\n').length <= 30, 'one screen')
    const env = { AWS_ENDPOINT_URL_KINESIS: endpoint, AWS_REGION: 'eu-west-1', NODE_EXTRA_CA_CERTS: file }
    const listed = await place.run(['stream', 'list'], { env })
    assert.deepEqual([listed.exitCode, listed.stdout], [0, ''], listed.stderr)
    engine.child.kill('SIGTERM')
    assert.equal((await engine.ended()).exitCode, 0)
  })

  test('wants certificate and key together', async () => {
    using place = new CliPlace()
    const [alone, missing] = await place.runMany([
      ['local', '--port', '0', '--tls-cert', 'own.pem'],
      ['local', '--port', '0', '--tls-cert', `${place.directory}/own.pem`, '--tls-key', `${place.directory}/own.key`],
    ])
    assert.deepEqual([alone?.exitCode, alone?.stdout], [2, ''])
    assert.match(alone?.stderr ?? '', /--tls-cert and --tls-key belong together/)
    assert.equal(missing?.exitCode, 1)
    assert.match(missing?.stderr ?? '', /^triton: cannot use TLS: the certificate cannot be read: ENOENT/)
  })
})
