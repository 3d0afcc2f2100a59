import type { S3Client } from '@aws-sdk/client-s3'
import { crc32c } from '@node-rs/crc32'
import { retryUntil } from '../checkpoint/retry-until.ts'
import { type Clock, systemClock } from '../clock.ts'
import { report } from '../diagnostics.ts'
import { ClosedError, StorageError, TritonError } from '../errors.ts'
import { type Random, systemRandom } from '../random.ts'
import { isDay } from './archive-key.ts'
import type { ArchiveStore, ByteRange, ObjectUpload, StoredObject } from './archive-store.ts'
import { connectS3, type S3Connection } from './s3-connection.ts'
import { isPassing, storeErrorOf } from './s3-errors.ts'
import { S3Upload, type UploadCalls } from './s3-upload.ts'

export interface S3StoreOptions extends S3Connection {
  /** How long after its first try a request may be tried again, in milliseconds. @default 60_000 */
  retryMs?: number
  /** How long one try may take, in milliseconds. @default 60_000 */
  attemptMs?: number
  /** Bytes of a part of an upload, which is kept in memory until it is stored; S3 takes 5 MiB and more. @default 8 MiB */
  partBytes?: number
  /** @default systemClock */
  clock?: Clock
  /** @default systemRandom */
  random?: Random
}

const defaults = {
  retryMs: 60_000,
  attemptMs: 60_000,
  partBytes: 8 * 1024 * 1024,
  clock: systemClock,
  random: systemRandom,
} satisfies Partial<S3StoreOptions>

type Settings = S3StoreOptions & typeof defaults

/** What one request needs, once the SDK is there. */
interface S3 {
  sdk: typeof import('@aws-sdk/client-s3')
  client: S3Client
}

/** Archives in an S3 bucket, under a prefix or not. The AWS SDK is loaded when it is first needed. */
export class S3Store implements ArchiveStore {
  readonly address: string
  readonly #bucket: string
  /** With its slash; empty without one. */
  readonly #prefix: string
  readonly #settings: Settings
  readonly #closing = new AbortController()
  #s3: Promise<S3> | undefined

  constructor(bucket: string, prefix: string, options: S3StoreOptions = {}) {
    this.#bucket = bucket
    this.#prefix = prefix === '' ? '' : `${prefix.replace(/\/+$/, '')}/`
    this.#settings = { ...defaults, ...options }
    this.address = `s3://${bucket}${prefix === '' ? '' : `/${this.#prefix.slice(0, -1)}`}`
  }

  async list(prefix: string, signal?: AbortSignal): Promise<StoredObject[]> {
    const objects: StoredObject[] = []
    await this.#eachPage(prefix, undefined, signal, ({ Contents = [] }) => {
      for (const { Key = '', Size = 0, LastModified } of Contents)
        objects.push({ key: Key.slice(this.#prefix.length), bytes: Size, modifiedMs: LastModified?.getTime() ?? 0 })
    })
    return objects
  }

  async listDays(signal?: AbortSignal): Promise<string[]> {
    const days: string[] = []
    await this.#eachPage('', '/', signal, ({ CommonPrefixes = [] }) => {
      for (const { Prefix = '' } of CommonPrefixes) days.push(Prefix.slice(this.#prefix.length, -1))
    })
    return days.filter(isDay).sort()
  }

  /** A body that breaks off is asked for again from where it did, if the object is still the same. */
  async *read(key: string, { start = 0, end }: ByteRange = {}, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    let at = start
    let tag: string | undefined
    const { retryMs, clock } = this.#settings
    let progressMs = clock.monotonic()
    while (end === undefined || at < end) {
      const range = `bytes=${at}-${end === undefined ? '' : end - 1}`
      const isWhole = at === 0 && end === undefined
      const answer = await this.#call(`read ${key}`, signal, ({ sdk, client }, abortSignal) =>
        client.send(
          new sdk.GetObjectCommand({
            ...this.#place(key),
            ...(!isWhole && { Range: range }),
            ...(tag !== undefined && { IfMatch: tag }),
          }),
          { abortSignal },
        ),
      )
      tag = answer.ETag
      const body = answer.Body as AsyncIterable<Uint8Array> & { destroy?: () => void }
      const left = answer.ContentLength ?? 0
      const until = at + left
      try {
        for await (const piece of body) {
          at += piece.length
          yield piece
          // Who reads may take as long as he likes; a connection that waited for him may be gone.
          progressMs = clock.monotonic()
        }
      } catch (error) {
        if (signal?.aborted || this.#closing.signal.aborted) throw this.#closed()
        if (!isPassing(error) || clock.monotonic() - progressMs > retryMs)
          throw storeErrorOf(error, `read ${key}`, this.address)
      } finally {
        body.destroy?.()
      }
      if (at >= until) return
      report({
        type: 'store-retry',
        address: this.address,
        what: `read ${key}`,
        errorCode: 'broken off',
        attempt: 1,
        delayMs: 0,
      })
    }
  }

  async begin(key: string, signal?: AbortSignal): Promise<ObjectUpload> {
    const { UploadId: uploadId = '' } = await this.#call(`begin ${key}`, signal, ({ sdk, client }, abortSignal) =>
      client.send(
        new sdk.CreateMultipartUploadCommand({
          ...this.#place(key),
          ChecksumAlgorithm: 'CRC32C',
          ContentType: 'application/octet-stream',
        }),
        { abortSignal },
      ),
    )
    return new S3Upload(key, this.#settings.partBytes, this.#callsOf(key, uploadId, signal))
  }

  async abortUploads(fits: (key: string) => boolean, signal?: AbortSignal): Promise<number> {
    let count = 0
    let marker: { KeyMarker?: string; UploadIdMarker?: string } = {}
    for (;;) {
      const page = await this.#call('list the uploads', signal, ({ sdk, client }, abortSignal) =>
        client.send(new sdk.ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: this.#prefix, ...marker }), {
          abortSignal,
        }),
      )
      for (const { Key = '', UploadId = '' } of page.Uploads ?? []) {
        const key = Key.slice(this.#prefix.length)
        if (!Key.startsWith(this.#prefix) || !fits(key)) continue
        await this.#callsOf(key, UploadId, signal).abort()
        count += 1
      }
      if (!page.IsTruncated) return count
      marker = {
        ...(page.NextKeyMarker !== undefined && { KeyMarker: page.NextKeyMarker }),
        ...(page.NextUploadIdMarker !== undefined && { UploadIdMarker: page.NextUploadIdMarker }),
      }
    }
  }

  async remove(key: string, signal?: AbortSignal): Promise<void> {
    await this.#call(`remove ${key}`, signal, ({ sdk, client }, abortSignal) =>
      client.send(new sdk.DeleteObjectCommand(this.#place(key)), { abortSignal }),
    )
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    const s3 = await this.#s3?.catch(() => undefined)
    s3?.client.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #eachPage(
    prefix: string,
    delimiter: string | undefined,
    signal: AbortSignal | undefined,
    take: (page: import('@aws-sdk/client-s3').ListObjectsV2CommandOutput) => void,
  ): Promise<void> {
    let token: string | undefined
    do {
      const page = await this.#call('list the objects', signal, ({ sdk, client }, abortSignal) =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: `${this.#prefix}${prefix}`,
            ...(delimiter !== undefined && { Delimiter: delimiter }),
            ...(token !== undefined && { ContinuationToken: token }),
          }),
          { abortSignal },
        ),
      )
      take(page)
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  #callsOf(key: string, uploadId: string, signal: AbortSignal | undefined): UploadCalls {
    const place = { ...this.#place(key), UploadId: uploadId }
    return {
      putPart: async (number, bytes) => {
        const ChecksumCRC32C = checksumText(bytes)
        const { ETag = '' } = await this.#call(
          `store part ${number} of ${key}`,
          signal,
          ({ sdk, client }, abortSignal) =>
            client.send(new sdk.UploadPartCommand({ ...place, PartNumber: number, Body: bytes, ChecksumCRC32C }), {
              abortSignal,
            }),
        )
        return { PartNumber: number, ETag, ChecksumCRC32C }
      },
      complete: async (parts, bytes) => {
        let attempt = 0
        await this.#call(`complete ${key}`, signal, async ({ sdk, client }, abortSignal) => {
          attempt += 1
          try {
            const command = new sdk.CompleteMultipartUploadCommand({ ...place, MultipartUpload: { Parts: parts } })
            await client.send(command, { abortSignal })
          } catch (error) {
            // The answer to the first try may have been lost, and not the try.
            if (attempt === 1 || (error as Error).name !== 'NoSuchUpload') throw error
            const head = await client
              .send(new sdk.HeadObjectCommand(this.#place(key)), { abortSignal })
              .catch((failure: unknown) => {
                throw isPassing(failure) ? failure : error
              })
            if (head.ContentLength !== bytes) throw error
          }
        })
      },
      abort: async () => {
        try {
          await this.#call(`give up ${key}`, undefined, ({ sdk, client }, abortSignal) =>
            client.send(new sdk.AbortMultipartUploadCommand(place), { abortSignal }),
          )
        } catch (error) {
          if (!(error instanceof UploadGoneError)) throw error
        }
      },
    }
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: `${this.#prefix}${key}` }
  }

  #open(): Promise<S3> {
    this.#s3 ??= connectS3(this.#settings).catch((error: unknown) => {
      this.#s3 = undefined
      throw error
    })
    return this.#s3
  }

  /** One request, tried again while what comes of it passes, within the bound. */
  async #call<T>(
    what: string,
    signal: AbortSignal | undefined,
    act: (s3: S3, abortSignal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { retryMs, attemptMs, clock, random } = this.#settings
    const given = signal === undefined ? this.#closing.signal : AbortSignal.any([this.#closing.signal, signal])
    if (given.aborted) throw this.#closed()
    try {
      const s3 = await this.#open()
      return await retryUntil(() => act(s3, AbortSignal.any([given, AbortSignal.timeout(attemptMs)])), {
        ...{ clock, random, retryMs, firstDelayMs: 100, longestDelayMs: 5_000, signal: given },
        isTransient: (error) => !given.aborted && isPassing(error),
        onRetry: (error, attempt, delayMs) =>
          report({
            type: 'store-retry',
            address: this.address,
            what,
            errorCode: error instanceof Error ? error.name : String(error),
            attempt,
            delayMs,
          }),
      })
    } catch (error) {
      if (given.aborted) throw this.#closed()
      if (error instanceof TritonError) throw error
      if ((error as Error).name === 'NoSuchUpload') throw new UploadGoneError(what, this.address, error)
      throw storeErrorOf(error, what, this.address)
    }
  }

  #closed(): ClosedError {
    return new ClosedError(`what was asked of ${this.address} was called off`)
  }
}

/** Somebody gave the upload up, or it was completed. */
class UploadGoneError extends StorageError {
  constructor(what: string, address: string, cause: unknown) {
    super(`can't ${what} in ${address}: its upload was given up, as a store does that takes over`, { cause })
  }
}

function checksumText(bytes: Buffer): string {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32c(bytes))
  return checksum.toString('base64')
}
