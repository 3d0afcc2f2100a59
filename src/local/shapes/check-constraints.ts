import { validationError } from '../api-error.ts'
import type { Shape, StructureShape } from './shape.ts'

/** Throws the ValidationException that lists what the input breaks, at most ten of it. */
export function checkConstraints(shape: StructureShape, input: object): void {
  const violations: string[] = []
  collectStructure(shape, input, '', violations)
  if (violations.length > 0) throw violationsError(violations)
}

/** The ValidationException for these violations, as Kinesis words it. */
export function violationsError(violations: readonly string[]): Error {
  const listed = violations.slice(0, mostListed)
  const noun = listed.length === 1 ? 'error' : 'errors'
  return validationError(`${listed.length} validation ${noun} detected: ${listed.join('; ')}`)
}

/** One violation's text; `value` is what messages print, undefined for a missing one. */
export function violationText(value: string | undefined, path: string, constraint: string): string {
  const printed = value === undefined ? 'null' : `'${value}'`
  return `Value ${printed} at '${path}' failed to satisfy constraint: ${constraint}`
}

const mostListed = 10

function collectStructure(shape: StructureShape, input: object, prefix: string, violations: string[]): void {
  const values = new Map(Object.entries(input))
  for (const [name, member] of Object.entries(shape.members)) {
    if (violations.length >= mostListed) return
    const value = values.get(name)
    const path = prefix + lowerFirst(name)
    if (value !== undefined) collect(member, value, path, violations)
    else if (member.required || member.requiredUnless?.(values) === false)
      violations.push(violationText(undefined, path, 'Member must not be null'))
  }
}

function collect(shape: Shape, value: unknown, path: string, violations: string[]): void {
  const broken = (constraint: string) => {
    violations.push(violationText(printed(shape, value), path, constraint))
  }
  switch (shape.type) {
    case 'String':
      checkString(shape, value as string, broken)
      break
    case 'Integer':
    case 'Long':
      if (shape.min !== undefined && !((value as number) >= shape.min))
        broken(`Member must have value greater than or equal to ${shape.min}`)
      if (shape.max !== undefined && !((value as number) <= shape.max))
        broken(`Member must have value less than or equal to ${shape.max}`)
      break
    case 'Blob':
      checkLength((value as Buffer).length, { maxLength: shape.maxLength }, broken)
      break
    case 'List':
      collectList(shape, value as unknown[], path, violations, broken)
      break
    case 'Map':
      checkMap(shape, value as Map<string, string>, broken)
      break
    case 'Structure':
      collectStructure(shape, value as object, `${path}.`, violations)
      break
    case 'Boolean':
    case 'Timestamp':
      break
  }
}

type Broken = (constraint: string) => void

function checkString(shape: Shape & { type: 'String' }, value: string, broken: Broken): void {
  if (shape.pattern !== undefined && !fitsPattern(shape.pattern, value, shape.maxLength))
    broken(`Member must satisfy regular expression pattern: ${shape.pattern}`)
  checkLength(codePoints(value, shape.maxLength), shape, broken)
  if (shape.values !== undefined && !shape.values.includes(value))
    broken(`Member must satisfy enum value set: [${shape.values.join(', ')}]`)
}

function checkLength(
  length: number,
  bounds: { minLength?: number | undefined; maxLength?: number | undefined },
  broken: Broken,
): void {
  if (bounds.minLength !== undefined && length < bounds.minLength)
    broken(`Member must have length greater than or equal to ${bounds.minLength}`)
  if (bounds.maxLength !== undefined && length > bounds.maxLength)
    broken(`Member must have length less than or equal to ${bounds.maxLength}`)
}

function collectList(
  shape: Shape & { type: 'List' },
  items: unknown[],
  path: string,
  violations: string[],
  broken: Broken,
): void {
  checkLength(items.length, shape, broken)
  const { member } = shape
  if (member.type === 'String' && member.maxLength !== undefined) {
    const bounds = [member.minLength ?? 0, member.maxLength] as const
    if (!items.every((item) => isWithin(String(item), bounds))) broken(innerLengths('Member', bounds))
  }
  if (member.type === 'String' && member.values !== undefined) {
    const { values } = member
    if (!items.every((item) => item === undefined || values.includes(String(item))))
      broken(`Member must satisfy constraint: [Member must satisfy enum value set: [${values.join(', ')}]]`)
  }
  for (const [index, item] of items.entries()) {
    if (violations.length >= mostListed) return
    const itemPath = `${path}.${index + 1}.member`
    if (item === undefined) violations.push(violationText(undefined, itemPath, 'Member must not be null'))
    else if (member.type === 'Structure') collectStructure(member, item as object, `${itemPath}.`, violations)
  }
}

function checkMap(shape: Shape & { type: 'Map' }, entries: Map<string, string>, broken: Broken): void {
  checkLength(entries.size, shape, broken)
  if (![...entries.keys()].every((key) => isWithin(key, shape.keyLengths)))
    broken(innerLengths('Map keys', shape.keyLengths))
  if (![...entries.values()].every((value) => isWithin(value, shape.valueLengths)))
    broken(innerLengths('Map value', shape.valueLengths))
}

function innerLengths(what: string, [min, max]: readonly [number, number]): string {
  return `${what} must satisfy constraint: [Member must have length less than or equal to ${max}, Member must have length greater than or equal to ${min}]`
}

function isWithin(text: string, [min, max]: readonly [number, number]): boolean {
  const length = codePoints(text, max)
  return length >= min && length <= max
}

/** Exact only above `enough` UTF-16 units; below, no text can be too long. */
function codePoints(text: string, enough = Number.POSITIVE_INFINITY): number {
  if (text.length <= enough) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

function printed(shape: Shape, value: unknown): string {
  switch (shape.type) {
    case 'Blob': {
      const { length } = value as Buffer
      return `java.nio.HeapByteBuffer[pos=0 lim=${length} cap=${length}]`
    }
    case 'List':
      return `[${(value as unknown[]).map((item) => shape.memberText ?? String(item)).join(', ')}]`
    case 'Map':
      return `{${[...(value as Map<string, string>)].map(([key, item]) => `${key}=${item}`).join(', ')}}`
    default:
      return String(value)
  }
}

/** `StreamARN` prints as `streamARN`, `ShardId` as `shardId`. */
function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}

/**
 * A text that is far too long is not held against a pattern that has to try many places: the patterns of ARNs take time
 * by the square of the length and more, and a request may bring 16 MiB. Its length is told in any case.
 */
function fitsPattern(pattern: string, value: string, maxLength = Number.POSITIVE_INFINITY): boolean {
  if (value.length > maxLength * 2 && pattern.includes('.*')) return true
  return wholePattern(pattern).test(value)
}

const compiled = new Map<string, RegExp>()

function wholePattern(pattern: string): RegExp {
  let regExp = compiled.get(pattern)
  if (regExp === undefined) {
    regExp = new RegExp(`^(?:${pattern})$`)
    compiled.set(pattern, regExp)
  }
  return regExp
}
