/**
 * A point in time as people write it: ISO 8601 (a date alone is UTC; a time without a zone is local), epoch seconds, or
 * how long ago (`90s`, `10m`, `2h`, `1d`, each also with ` ago`). Undefined when it is none of these.
 */
export function parseTime(text: string, nowMs: number): Date | undefined {
  const ago = /^(\d+(?:\.\d+)?)\s*([smhd])(?:\s*ago)?$/.exec(text)
  if (ago) return validDate(nowMs - Number(ago[1]) * (unitMs.get(ago[2] ?? '') ?? Number.NaN))
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return validDate(Number(text) * 1000)
  if (/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$/.test(text)) return validDate(Date.parse(text.replace(' ', 'T')))
  return undefined
}

const unitMs = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

function validDate(ms: number): Date | undefined {
  const date = new Date(Math.max(ms, 0))
  return Number.isNaN(date.getTime()) ? undefined : date
}
