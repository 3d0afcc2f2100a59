import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Bytes that clients carry for us and must not be able to change: a payload with an HMAC-SHA256 behind it. Each purpose
 * has its own key, so that what was signed for one means nothing to another.
 */
export class Signer {
  readonly #secret: Buffer

  constructor(secret: Buffer, purpose: 'iterator' | 'token') {
    this.#secret = createHmac('sha256', secret).update(purpose).digest()
  }

  /** Fills the last 32 bytes with the MAC of what stands before them. */
  sign(bytes: Buffer): void {
    this.#macOf(bytes).copy(bytes, bytes.length - macBytes)
  }

  isSigned(bytes: Buffer): boolean {
    return bytes.length > macBytes && timingSafeEqual(this.#macOf(bytes), bytes.subarray(bytes.length - macBytes))
  }

  #macOf(bytes: Buffer): Buffer {
    return createHmac('sha256', this.#secret)
      .update(bytes.subarray(0, bytes.length - macBytes))
      .digest()
  }
}

export const macBytes = 32
