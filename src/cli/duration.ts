import { InvalidArgumentError } from 'commander'

/** `90s`, `15m`, `1h`, `1d`, or milliseconds: in milliseconds. */
export function duration(text: string): number {
  const match = /^(\d{1,9})(ms|s|m|h|d)?$/.exec(text)
  const ms = match === null ? Number.NaN : Number(match[1]) * (unitMs.get(match[2] ?? 'ms') as number)
  if (ms > 0) return ms
  throw new InvalidArgumentError('It must be a duration, such as 90s, 15m, 1h or 500ms.')
}

const unitMs = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])
