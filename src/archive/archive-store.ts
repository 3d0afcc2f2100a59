/**
 * Where archives lie: S3 or a directory, one contract suite over both (test/contracts/). Keys have `/` between their
 * parts. What becomes visible under a key is a whole object, or nothing.
 *
 * Every call waits out what passes, within the store's bound, and then rejects with an `UnavailableError`; with a
 * `NotFoundError` where there is no such bucket, directory or key; with a `RefusedError` where access is denied; with a
 * `ClosedError` when its signal fires.
 */
export interface ArchiveStore extends AsyncDisposable {
  /** As it was opened: `s3://bucket/prefix`, `file:///dir`. */
  readonly address: string
  /** All objects whose key begins so, in the order of their keys' bytes; pages are followed. */
  list(prefix: string, signal?: AbortSignal): Promise<StoredObject[]>
  /** The days that any object lies under, in order. */
  listDays(signal?: AbortSignal): Promise<string[]>
  /** The object's bytes, from `start` on and before `end`, as they arrive. */
  read(key: string, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Begins an object. Nothing is visible before it is completed. */
  begin(key: string, signal?: AbortSignal): Promise<ObjectUpload>
  /**
   * Gives up every upload that was begun, by anybody, for a key that fits: it can't be completed any more. Answers how
   * many there were.
   */
  abortUploads(fits: (key: string) => boolean, signal?: AbortSignal): Promise<number>
  /** Fine when there is none. */
  remove(key: string, signal?: AbortSignal): Promise<void>
  /** May be called twice. */
  close(): Promise<void>
}

export interface StoredObject {
  key: string
  bytes: number
  /** Epoch milliseconds. */
  modifiedMs: number
}

export interface ByteRange {
  start?: number
  /** The first byte that is not wanted. */
  end?: number
}

/** An object on its way. Who begins one completes or aborts it. */
export interface ObjectUpload {
  readonly key: string
  /** Resolves when more may be written; the pieces belong to the upload from then on. */
  write(pieces: Uint8Array[]): Promise<void>
  /** Sends what was written; all of it is in the store when this resolves, though under no name. */
  flush(): Promise<void>
  /** The object is there, in whole. Rejects when the upload was given up meanwhile, by whomever. */
  complete(): Promise<void>
  /** Nothing of it stays. May be called twice, and after `complete`, when it does nothing. */
  abort(): Promise<void>
}
