import { InvalidArgumentError } from 'commander'

/** `500`, `64KiB`, `256MiB`, `10GiB`. */
export function byteSize(text: string): number {
  const match = /^(\d{1,12})(?: ?([KMGT])iB)?$/.exec(text)
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** ' KMGT'.indexOf(match[2] ?? ' ')
  if (Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('It must be a number of bytes, such as 500000, 256MiB or 10GiB.')
}
