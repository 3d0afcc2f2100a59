/** Names a place inside a record for an error message: `$.a.b[3]["odd key"]`; a long one loses its middle. */
export function fieldPath(keys: readonly (string | number)[]): string {
  if (keys.length <= 20) return `$${keys.map(step).join('')}`
  return `$${keys.slice(0, 10).map(step).join('')} ... ${keys.slice(-10).map(step).join('')}`
}

function step(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `.${shorten(key)}` : `[${JSON.stringify(shorten(key))}]`
}

/** Something of the user's, fit for a message. */
export function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 50)}...` : text
}

/** `an instance of Point`, `a function`, `null`: what a value is, when it is not what was wanted. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  if (value instanceof Uint8Array) return 'bytes'
  if (typeof value !== 'object') return typeof value === 'string' ? 'text' : `a ${typeof value}`
  const made: unknown = value.constructor
  if (made === Object || made === undefined) return 'an object'
  return typeof made === 'function' && made.name !== '' ? `an instance of ${made.name}` : 'an instance of a class'
}
