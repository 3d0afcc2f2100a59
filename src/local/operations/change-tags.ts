import { invalidArgument } from '../api-error.ts'
import type { EngineCore } from '../engine-core.ts'
import type { Tags } from '../state/stream-state.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'

/** Tags of one resource (AWS: AddTagsToStream). The message about it still speaks of ten. */
const mostTags = 50

/** The tags with others added; a key that is there already gets its new value. */
export function addTags(
  core: EngineCore,
  streamName: string,
  present: Tags | undefined,
  added: ReadonlyMap<string, string>,
): Tags {
  const failed = `Failed to add tags to stream ${streamName} under account ${core.account} because`
  checkCharacters([...added.keys(), ...added.values()], failed)
  const tags = new Map([...Object.entries(present ?? {}), ...added])
  if (tags.size > mostTags)
    throw invalidArgument(`${failed} a given stream cannot have more than 10 tags associated with it.`)
  return Object.fromEntries(tags)
}

/** The tags without some; keys that are not there don't matter. */
export function removeTags(
  core: EngineCore,
  streamName: string,
  present: Tags | undefined,
  keys: readonly string[],
): Tags {
  checkCharacters(keys, `Failed to remove tags from stream ${streamName} under account ${core.account} because`)
  return Object.fromEntries(Object.entries(present ?? {}).filter(([key]) => !keys.includes(key)))
}

/** By code unit of their keys, as Kinesis sorts. */
export function listTags(tags: Tags | undefined): AnswerObject[] {
  return Object.entries(tags ?? {})
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([Key, Value]) => ({ Key, Value }))
}

/** A percent sign passes the first of Kinesis' two checks, and fails the second. */
function checkCharacters(texts: readonly string[], failed: string): void {
  if (texts.some((text) => /[^\u00C0-\u1FFF\u2C00-\uD7FF\w./\-=+_ @%]/.test(text)))
    throw invalidArgument(
      'Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @.',
    )
  if (texts.some((text) => text.includes('%')))
    throw invalidArgument(
      `${failed} some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.`,
    )
}
