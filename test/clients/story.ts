import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One step of the story that every client plays: an operation, and what it must answer. */
export interface Step {
  operation: string
  /** `$name` stands for what an earlier step kept. */
  input: Record<string, unknown>
  /** Members of the answer, by their paths. */
  answer?: Record<string, unknown>
  /** Members to keep for later steps, by name. */
  keep?: Record<string, string>
  /** The type of the error that is expected instead. */
  error?: string
}

export const storyFile = join(import.meta.dirname, 'story.json')

export const story = JSON.parse(readFileSync(storyFile, 'utf8')) as Step[]

/** What a client answered, decoded: data is text. */
export type Outcome = { answer: unknown } | { error: string }

/** Plays the story in order with a client, and checks each step. Answers the operations that it called. */
export async function playStory(
  call: (operation: string, input: Record<string, unknown>) => Promise<Outcome>,
  steps: readonly Step[] = story,
): Promise<Set<string>> {
  const kept: Record<string, unknown> = {}
  const called = new Set<string>()
  for (const { operation, input, answer = {}, keep = {}, error } of steps) {
    called.add(operation)
    const outcome = await call(operation, filled(input, kept) as Record<string, unknown>)
    const where = `${operation} ${JSON.stringify(input)} gave ${JSON.stringify(outcome)}`
    assert.equal('error' in outcome ? outcome.error : undefined, error, where)
    if ('error' in outcome) continue
    for (const [path, wanted] of Object.entries(answer))
      assert.deepEqual(found(outcome.answer, path), filled(wanted, kept), `${path} of ${where}`)
    for (const [name, path] of Object.entries(keep)) kept[name] = found(outcome.answer, path)
  }
  return called
}

function filled(value: unknown, kept: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => filled(item, kept))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, kept)]))
  return typeof value === 'string' && value.startsWith('$') ? kept[value.slice(1)] : value
}

function found(answer: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], answer)
}
