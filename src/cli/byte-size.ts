import { InvalidArgumentError } from 'commander'

/** `500`, `64KiB`, `256MiB`, `10GiB`. */
export function byteSize(text: string): number {
  const match = /^(\d{1,12})(?: ?([KMGT])iB)?$/.exec(text)
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** ' KMGT'.indexOf(match[2] ?? ' ')
  if (Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('It must be a number of bytes, such as 500000, 256MiB or 10GiB.')
}

/** For flags that take no less than so many bytes. */
export function byteSizeFrom(leastBytes: number): (text: string) => number {
  return (text) => {
    const bytes = byteSize(text)
    if (bytes >= leastBytes) return bytes
    const least = leastBytes < 1024 ** 2 ? String(leastBytes) : `${leastBytes / 1024 ** 2}MiB`
    throw new InvalidArgumentError(`It must be ${least} or more.`)
  }
}
