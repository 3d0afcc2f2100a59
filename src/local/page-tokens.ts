import type { Clock } from '../clock.ts'
import { ApiError, invalidArgument } from './api-error.ts'
import { macBytes, type Signer } from './signer.ts'

/** A token is good for this long (AWS: ListShards). */
const tokenLifeMs = 300_000

/** NextToken: where the next page of a listing begins, signed, so that nobody can make one up. */
export class PageTokens {
  readonly #signer: Signer
  readonly #clock: Clock

  constructor(signer: Signer, clock: Clock) {
    this.#signer = signer
    this.#clock = clock
  }

  /** `place` is plain JSON; `listing` keeps tokens of one operation from being used with another. */
  issue(listing: string, place: object): string {
    const payload = Buffer.from(JSON.stringify({ listing, issuedMs: this.#clock.now(), place }))
    const bytes = Buffer.concat([payload, Buffer.alloc(macBytes)])
    this.#signer.sign(bytes)
    return bytes.toString('base64')
  }

  /** The place that `issue` was given. */
  read(listing: string, token: string): unknown {
    const bytes = Buffer.from(token, 'base64')
    if (bytes.toString('base64') !== token || !this.#signer.isSigned(bytes)) throw invalidArgument('Invalid NextToken.')
    const payload = JSON.parse(bytes.toString('utf8', 0, bytes.length - macBytes))
    if (payload.listing !== listing) throw invalidArgument('Invalid NextToken.')
    if (this.#clock.now() - payload.issuedMs > tokenLifeMs)
      throw new ApiError('ExpiredNextTokenException', 'NextToken has expired. Start the listing again.')
    return payload.place
  }
}
