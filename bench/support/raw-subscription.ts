import { type ClientHttp2Session, connect } from 'node:http2'

/** A SubscribeToShard over an HTTP/2 connection of its own, as the AWS SDK makes it; payloads are not decoded. */
export class RawSubscription {
  readonly #session: ClientHttp2Session
  /** Rejects when the subscription ends, for whatever reason, before `close`. */
  readonly ended: Promise<never>
  #isClosed = false

  /** `take` gets the payload of each event; `isOpen` resolves with the first message. */
  static open(port: number, place: object, take: (payload: Buffer) => void): Promise<RawSubscription> {
    return new Promise((resolve, reject) => {
      const subscription = new RawSubscription(port, place, take, () => resolve(subscription))
      subscription.ended.catch(reject)
    })
  }

  private constructor(port: number, place: object, take: (payload: Buffer) => void, opened: () => void) {
    this.#session = connect(`http://127.0.0.1:${port}`)
    this.ended = new Promise((_, reject) => {
      const fail = (why: unknown) => {
        if (!this.#isClosed) reject(why instanceof Error ? why : new Error(`a subscription ended: ${String(why)}`))
      }
      this.#session.on('error', fail)
      const stream = this.#session.request({
        ':method': 'POST',
        ':path': '/',
        'x-amz-target': 'Kinesis_20131202.SubscribeToShard',
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-date': '20260101T000000Z',
        authorization:
          'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0',
      })
      stream.on('response', (headers) => {
        if (headers[':status'] !== 200) fail(`it was answered with ${headers[':status']}`)
      })
      stream.on('error', fail)
      stream.on('close', () => fail('the stream was closed'))
      let held: Buffer = Buffer.alloc(0)
      stream.on('data', (chunk: Buffer) => {
        held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
        while (held.length >= 12 && held.length >= held.readUInt32BE(0)) {
          const totalBytes = held.readUInt32BE(0)
          const payload = held.subarray(12 + held.readUInt32BE(4), totalBytes - 4)
          held = held.subarray(totalBytes)
          // The first message has no content.
          if (payload.length <= 2) opened()
          else take(payload)
        }
      })
      stream.end(JSON.stringify(place))
    })
  }

  close(): void {
    this.#isClosed = true
    this.#session.destroy()
  }
}
