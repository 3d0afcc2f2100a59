import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, StorageError } from '../../errors.ts'
import { makeDirectory } from '../../make-directory.ts'
import { type CertificatePair, selfSignedCertificate } from './self-signed-certificate.ts'

/** What the engine shows to clients that speak TLS. */
export interface Certificate extends CertificatePair {
  /** Where the certificate is kept, for `AWS_CA_BUNDLE` and the like; absent when it is in memory only. */
  readonly file?: string
}

/** PEM files of the user's own; the certificate may bring its chain. */
export interface CertificateFiles {
  certFile: string
  keyFile: string
}

/** A certificate that ends sooner is replaced at the next start. */
const renewBeforeMs = 30 * 24 * 3_600_000

/**
 * The user's files, or a pair of our own: made at the first start, in `tls/` of the data directory, and the same at every
 * later one, so that clients need to be told only once whom to trust. Clients judge it by the time of the machine, so
 * this does too, whatever clock the engine has.
 */
export function openCertificate(wanted: true | CertificateFiles, dataDir: string, nowMs = Date.now()): Certificate {
  if (wanted !== true) return { ...readPair(wanted, nowMs), file: wanted.certFile }
  if (dataDir === 'memory') return selfSignedCertificate(nowMs)
  const files = { certFile: join(dataDir, 'tls', 'certificate.pem'), keyFile: join(dataDir, 'tls', 'key.pem') }
  return { ...(keptPair(files, nowMs) ?? keepNewPair(files, dataDir, nowMs)), file: files.certFile }
}

function readPair({ certFile, keyFile }: CertificateFiles, nowMs: number): CertificatePair {
  const certificate = readText(certFile, 'the certificate')
  const key = readText(keyFile, 'the private key')
  const parsed = attempt(`${certFile} is no certificate in PEM`, () => new X509Certificate(certificate))
  const privateKey = attempt(`${keyFile} is no private key in PEM, or one that wants a passphrase`, () =>
    createPrivateKey(key),
  )
  if (!parsed.checkPrivateKey(privateKey))
    throw new ConfigError(`cannot use TLS: the key in ${keyFile} is not that of the certificate in ${certFile}.`)
  if (Date.parse(parsed.validTo) <= nowMs)
    throw new ConfigError(`cannot use TLS: the certificate in ${certFile} ended at ${parsed.validTo}. Renew it.`)
  return { certificate, key }
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`cannot use TLS: ${what} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

function attempt<T>(complaint: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw new ConfigError(`cannot use TLS: ${complaint} (${(error as Error).message}).`, { cause: error })
  }
}

/** Our own pair as it was kept; undefined when there is none that is good for a while: then a new one is due. */
function keptPair(files: CertificateFiles, nowMs: number): CertificatePair | undefined {
  if (!existsSync(files.certFile) || !existsSync(files.keyFile)) return undefined
  try {
    return readPair(files, nowMs + renewBeforeMs)
  } catch (error) {
    // It ends soon, or a start was cut off between the two files.
    if (error instanceof ConfigError) return undefined
    throw error
  }
}

function keepNewPair({ certFile, keyFile }: CertificateFiles, dataDir: string, nowMs: number): CertificatePair {
  const pair = selfSignedCertificate(nowMs)
  try {
    makeDirectory(join(dataDir, 'tls'))
    writeWhole(keyFile, pair.key, 0o600)
    writeWhole(certFile, pair.certificate, 0o644)
    return pair
  } catch (error) {
    throw new StorageError(
      `cannot keep the TLS certificate in ${dataDir}: ${(error as Error).message}. See that the directory can be written to and has room.`,
      { cause: error },
    )
  }
}

function writeWhole(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.new`, text, { mode })
  renameSync(`${file}.new`, file)
}
