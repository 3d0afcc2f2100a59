import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import * as tls from 'node:tls'
import { KinesisClient, ListStreamsCommand } from '@aws-sdk/client-kinesis'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { ConfigError } from '../../src/errors.ts'
import { openCertificate } from '../../src/local/tls/open-certificate.ts'
import { selfSignedCertificate } from '../../src/local/tls/self-signed-certificate.ts'
import { tlsCertificate } from '../checkpoint/tls-certificate.ts'
import { startTestEngine } from '../support/engine.ts'
import { ask, send, signed } from './wire-client.ts'

/** Section 1.5: TLS on the port that plain HTTP has. */
const streams = [{ name: 's', shardCount: 1 }]
const dayMs = 24 * 3_600_000
const headers = {
  ...signed,
  'x-amz-target': 'Kinesis_20131202.ListStreams',
  'content-type': 'application/x-amz-json-1.1',
}

describe('an engine with TLS', () => {
  test('serves HTTP/1.1 and HTTP/2 over TLS, as ALPN chooses, and plain HTTP, all on one port', async () => {
    await using engine = await startTestEngine({ tls: true, streams })
    assert.equal(engine.endpoint, `https://127.0.0.1:${engine.port}`)
    const { pem: ca = '' } = engine.certificate ?? {}
    for (const name of ['localhost', '127.0.0.1']) {
      assert.deepEqual(await listOverHttp1(`https://${name}:${engine.port}`, ca), ['s'])
      assert.deepEqual(await listOverHttp2(`https://${name}:${engine.port}`, ca), ['s'])
    }
    const plain = `http://127.0.0.1:${engine.port}`
    assert.deepEqual((await ask(plain, 'ListStreams', {})).StreamNames, ['s'])
  })

  test('serves HTTP/2 with prior knowledge within TLS, as the AWS SDK for Java begins it', async () => {
    await using engine = await startTestEngine({ tls: true, streams })
    const ca = engine.certificate?.pem ?? ''
    const socket = tls.connect({ port: engine.port, host: '127.0.0.1', ca })
    await once(socket, 'secureConnect')
    assert.equal(socket.alpnProtocol, false)
    // Node's client, too, wants to be told that it was chosen.
    socket.alpnProtocol = 'h2'
    const session = http2.connect(engine.endpoint, { createConnection: () => socket })
    const stream = session.request({ ':method': 'POST', ':path': '/', ...headers }, { endStream: false })
    stream.end('{}')
    assert.deepEqual(await namesIn(stream), ['s'])
    session.close()
  })

  test('serves the AWS SDK', async () => {
    await using engine = await startTestEngine({ tls: true, streams })
    const requestHandler = new NodeHttpHandler({ httpsAgent: new https.Agent({ ca: engine.certificate?.pem ?? '' }) })
    const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
    const kinesis = new KinesisClient({ endpoint: engine.endpoint, region: 'us-east-1', credentials, requestHandler })
    try {
      assert.deepEqual((await kinesis.send(new ListStreamsCommand({}))).StreamNames, ['s'])
    } finally {
      kinesis.destroy()
    }
  })

  test('is not trusted by a client that was not told to, and serves on', async () => {
    await using engine = await startTestEngine({ tls: true, streams })
    const stranger = selfSignedCertificate(Date.now()).certificate
    await assert.rejects(listOverHttp1(engine.endpoint, stranger), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    assert.deepEqual(await listOverHttp1(engine.endpoint, engine.certificate?.pem ?? ''), ['s'])
  })

  test('takes a greeting that comes byte by byte', async () => {
    await using engine = await startTestEngine({ tls: true, streams })
    const slow = connect({ port: engine.port, host: '127.0.0.1', noDelay: true })
    await once(slow, 'connect')
    const write = slow.write.bind(slow)
    slow.write = (chunk: Uint8Array | string, ...rest: unknown[]) => {
      const bytes = Buffer.from(chunk as Uint8Array)
      for (let at = 0; at < Math.min(8, bytes.length); at++) write(bytes.subarray(at, at + 1))
      return write(bytes.subarray(8), ...(rest as []))
    }
    const socket = tls.connect({ socket: slow, ca: engine.certificate?.pem, servername: 'localhost' })
    await once(socket, 'secureConnect')
    assert.equal(socket.authorized, true)
    socket.destroy()
  })

  test('ends idle connections and half greetings at once when it closes', async () => {
    await using engine = await startTestEngine({ tls: true, streams })
    const ca = engine.certificate?.pem ?? ''
    const silent = connect(engine.port, '127.0.0.1', () => silent.write(Buffer.of(0x16, 3, 1)))
    const idle = tls.connect({ port: engine.port, host: '127.0.0.1', ca })
    const session = http2.connect(engine.endpoint, { ca })
    for (const socket of [silent, idle, session]) socket.on('error', () => undefined)
    await Promise.all([once(silent, 'connect'), once(idle, 'secureConnect'), once(session, 'connect')])
    const ends = [silent, idle.resume(), session].map((socket) => once(socket, 'close'))
    const startedMs = performance.now()
    await engine.close()
    await Promise.all(ends)
    assert.ok(performance.now() - startedMs < 4_000, 'nobody waits for idle connections')
  })

  test('is asked for: without it, a client that greets with TLS is hung up on', async () => {
    await using engine = await startTestEngine({ streams })
    assert.equal(engine.certificate, undefined)
    await assert.rejects(listOverHttp1(`https://127.0.0.1:${engine.port}`, selfSignedCertificate(0).certificate))
  })
})

describe('the certificate', () => {
  test('is for the loopback names only, vouches for no other, and is good for as long as Apple allows', () => {
    const nowMs = Date.UTC(2026, 10, 25)
    const { certificate, key } = selfSignedCertificate(nowMs)
    const parsed = new X509Certificate(certificate)
    assert.match(key, /^-----BEGIN PRIVATE KEY-----\n/)
    assert.equal(parsed.subjectAltName, 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1')
    assert.equal(parsed.ca, false)
    assert.ok(parsed.verify(parsed.publicKey))
    assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.1'])
    assert.equal((Date.parse(parsed.validTo) - Date.parse(parsed.validFrom)) / dayMs, 825)
    assert.equal(Date.parse(parsed.validFrom), nowMs - dayMs)
    // Years of four digits are written in another way.
    assert.equal(
      new X509Certificate(selfSignedCertificate(Date.UTC(2060, 0, 2)).certificate).validFrom.slice(-8, -4),
      '2060',
    )
  })

  test('is handed out to those who want to trust it, over plain HTTP too', async () => {
    await using engine = await startTestEngine({ tls: true })
    const request = { method: 'GET', path: '/_triton/certificate.pem' }
    const { status, bytes } = await send(`http://127.0.0.1:${engine.port}`, request)
    assert.deepEqual([status, bytes.toString()], [200, engine.certificate?.pem])
    await using plain = await startTestEngine()
    assert.equal((await send(plain.endpoint, request)).status, 404)
  })

  test('is kept with the data, its key for nobody else to read', async () => {
    using place = new Place()
    await using first = await startTestEngine({ tls: true, dataDir: place.dir })
    await first.close()
    await using second = await startTestEngine({ tls: true, dataDir: place.dir, streams })
    assert.deepEqual(second.certificate, first.certificate)
    const file = join(place.dir, 'tls', 'certificate.pem')
    assert.equal(second.certificate?.file, file)
    assert.deepEqual(await listOverHttp1(second.endpoint, readFileSync(file, 'utf8')), ['s'])
    assert.equal(statSync(join(place.dir, 'tls', 'key.pem')).mode & 0o777, 0o600)
  })

  test('is made anew a month before its end, and when a start was cut off between key and certificate', () => {
    using place = new Place()
    const startMs = Date.UTC(2026, 10, 25)
    const first = openCertificate(true, place.dir, startMs)
    assert.equal(openCertificate(true, place.dir, startMs + 790 * dayMs).certificate, first.certificate)
    const renewed = openCertificate(true, place.dir, startMs + 800 * dayMs)
    assert.notEqual(renewed.certificate, first.certificate)
    writeFileSync(join(place.dir, 'tls', 'key.pem'), first.key)
    const mended = openCertificate(true, place.dir, startMs + 800 * dayMs)
    assert.ok(![first.certificate, renewed.certificate].includes(mended.certificate))
    assert.equal(readFileSync(join(place.dir, 'tls', 'certificate.pem'), 'utf8'), mended.certificate)
  })

  test('can be the user’s own, and what is wrong with it is told before anything is served', async () => {
    using place = new Place()
    const certFile = place.file('own.pem', tlsCertificate.certificate)
    const keyFile = place.file('own.key', tlsCertificate.key)
    await using engine = await startTestEngine({ tls: { certFile, keyFile }, streams })
    const asTriton = { ca: tlsCertificate.certificate, servername: 'triton.test' }
    const socket = tls.connect({ port: engine.port, host: '127.0.0.1', ...asTriton })
    await once(socket, 'secureConnect')
    assert.equal(socket.getPeerCertificate().subject.CN, 'triton.test')
    socket.destroy()

    const refused = async (files: { certFile: string; keyFile: string }, message: RegExp) => {
      await assert.rejects(startTestEngine({ tls: files }), (error: Error) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, message)
        return true
      })
    }
    const ours = selfSignedCertificate(Date.now())
    const ended = selfSignedCertificate(Date.now() - 900 * dayMs)
    await refused({ certFile, keyFile: join(place.dir, 'none') }, /the private key cannot be read: ENOENT/)
    await refused({ certFile: keyFile, keyFile }, /own\.key is no certificate in PEM/)
    await refused({ certFile, keyFile: certFile }, /own\.pem is no private key in PEM/)
    await refused({ certFile, keyFile: place.file('other.key', ours.key) }, /other\.key is not that of the certificate/)
    const endedFiles = {
      certFile: place.file('ended.pem', ended.certificate),
      keyFile: place.file('ended.key', ended.key),
    }
    await refused(endedFiles, /ended\.pem ended at/)
  })
})

class Place implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'triton-tls-'))

  file(name: string, text: string): string {
    const path = join(this.dir, name)
    writeFileSync(path, text)
    return path
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true })
  }
}

function listOverHttp1(endpoint: string, ca: string): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const request = https.request(endpoint, { method: 'POST', headers, ca, agent: false }, (response) => {
      namesIn(response).then(resolve, reject)
    })
    request.on('error', reject)
    request.end('{}')
  })
}

async function listOverHttp2(endpoint: string, ca: string): Promise<string[]> {
  const session = http2.connect(endpoint, { ca })
  try {
    const stream = session.request({ ':method': 'POST', ':path': '/', ...headers }, { endStream: false })
    stream.end('{}')
    const names = await namesIn(stream)
    assert.equal(session.alpnProtocol, 'h2')
    return names
  } finally {
    session.close()
  }
}

async function namesIn(answer: AsyncIterable<Buffer>): Promise<string[]> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  return (JSON.parse(Buffer.concat(chunks).toString()) as { StreamNames: string[] }).StreamNames
}
