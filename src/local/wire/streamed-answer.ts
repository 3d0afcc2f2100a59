/** An answer that goes on while its client listens. */
export class StreamedAnswer {
  readonly contentType: string
  /**
   * Its parts; the next one is asked for when the client has taken the last. Called once at most. When the signal fires
   * the client is gone, and nothing comes any more.
   */
  readonly parts: (gone: AbortSignal) => AsyncIterable<Buffer>

  constructor(contentType: string, parts: (gone: AbortSignal) => AsyncIterable<Buffer>) {
    this.contentType = contentType
    this.parts = parts
  }
}
