import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

/** A private key and the certificate that vouches for it, both PEM. */
export interface CertificatePair {
  readonly certificate: string
  readonly key: string
}

/** Apple's clients take no certificate that is good for longer (HT210176). */
const goodForDays = 825

const dayMs = 24 * 3_600_000

/**
 * A certificate for the loopback names of any machine: X.509 v3, ECDSA over P-256, signed by its own key. It vouches for
 * no other certificate (CA: FALSE): whoever trusts it trusts this key on `localhost`, and nothing else.
 *
 *     Certificate ::= SEQUENCE { TBSCertificate, signatureAlgorithm, signature BIT STRING }
 *     TBSCertificate ::= SEQUENCE {
 *       [0] version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, [3] extensions }
 *
 * RFC 5280 for the parts, X.690 for how DER writes them.
 */
export function selfSignedCertificate(nowMs: number): CertificatePair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.of(2))),
    // Positive whatever is drawn: the first bit of an INTEGER is its sign.
    integer(Buffer.concat([Buffer.of(0x01), randomBytes(15)])),
    ecdsaWithSha256,
    subject,
    // A clock that is a little behind ours finds it good already.
    sequence(time(nowMs - dayMs), time(nowMs + (goodForDays - 1) * dayMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions(publicKey))),
  )
  const certificate = sequence(toBeSigned, ecdsaWithSha256, bitString(sign('sha256', toBeSigned, privateKey)))
  return {
    certificate: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function extensions(publicKey: KeyObject): Buffer[] {
  const keyId = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
  const names = [
    contextual(2, Buffer.from('localhost')),
    contextual(7, Buffer.of(127, 0, 0, 1)),
    contextual(7, Buffer.of(...new Array<number>(15).fill(0), 1)),
  ]
  return [
    extension(oid(0x55, 0x1d, 0x11), sequence(...names)),
    // An empty sequence leaves cA at its default, FALSE.
    criticalExtension(oid(0x55, 0x1d, 0x13), sequence()),
    // digitalSignature, the first of the bits; seven are unused.
    criticalExtension(oid(0x55, 0x1d, 0x0f), value(tags.bitString, Buffer.of(7, 0x80))),
    extension(oid(0x55, 0x1d, 0x25), sequence(oid(0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01))),
    extension(oid(0x55, 0x1d, 0x0e), value(tags.octetString, keyId)),
    extension(oid(0x55, 0x1d, 0x23), sequence(contextual(0, keyId))),
  ]
}

function extension(id: Buffer, content: Buffer): Buffer {
  return sequence(id, value(tags.octetString, content))
}

function criticalExtension(id: Buffer, content: Buffer): Buffer {
  return sequence(id, value(tags.boolean, Buffer.of(0xff)), value(tags.octetString, content))
}

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))

/** `CN=Triton local engine` */
const subject = sequence(
  value(tags.set, sequence(oid(0x55, 0x04, 0x03), value(tags.utf8String, Buffer.from('Triton local engine')))),
)

function sequence(...parts: readonly Buffer[]): Buffer {
  return value(tags.sequence, Buffer.concat(parts))
}

/** An object identifier as its bytes: two numbers in the first, the others in base 128. */
function oid(...bytes: readonly number[]): Buffer {
  return value(tags.oid, Buffer.from(bytes))
}

function integer(bytes: Buffer): Buffer {
  return value(tags.integer, bytes)
}

/** Whole bytes: no bit is unused. */
function bitString(bytes: Buffer): Buffer {
  return value(tags.bitString, Buffer.concat([Buffer.of(0), bytes]))
}

/** Two digits of the year until 2049, four from then on. */
function time(epochMs: number): Buffer {
  const digits = `${new Date(epochMs).toISOString().slice(0, 19).replace(/\D/g, '')}Z`
  const isShort = digits < '2050'
  return value(isShort ? tags.utcTime : tags.generalizedTime, Buffer.from(isShort ? digits.slice(2) : digits))
}

/** A value that its place gives a meaning, in a tag of its own around it. */
function explicit(place: number, content: Buffer): Buffer {
  return value(0xa0 | place, content)
}

/** A value whose own tag is replaced by one that its place gives. */
function contextual(place: number, content: Buffer): Buffer {
  return value(0x80 | place, content)
}

function value(tag: number, content: Buffer): Buffer {
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content])
  const head = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...head), content])
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
