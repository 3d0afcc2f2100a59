import type { EngineCore } from '../engine-core.ts'
import type { BodyFormat } from '../shapes/read-input.ts'
import type { InputOf, StructureShape } from '../shapes/shape.ts'
import type { AnswerObject } from '../wire/encode-answer.ts'
import type { StreamedAnswer } from '../wire/streamed-answer.ts'

/**
 * What an operation gives back: members, nothing (an empty body), or a body that it wrote itself because an object for
 * each record would cost too much.
 */
export type Answer = AnswerObject | Buffer | StreamedAnswer | undefined

/** One operation of the API: what it takes, as data, and what it does. */
export interface Operation {
  readonly input: StructureShape
  /** Another shape to check an input by, when the stream that it names asks for one. */
  inputFor?(core: EngineCore, input: object): StructureShape | undefined
  /** The input has passed the shape's checks. Refusals are thrown as ApiError. */
  run(core: EngineCore, input: never, format: BodyFormat): Answer | Promise<Answer>
  /**
   * A short cut straight from the body, for the calls that carry the records; undefined when the body is anything but
   * plain, and then the checks and `run` do it.
   */
  runOnBody?(core: EngineCore, body: Buffer, format: BodyFormat): Promise<Answer> | undefined
}

/** Ties the type of `run`'s input to the shape. */
export function operation<const S extends StructureShape>(definition: {
  input: S
  inputFor?(core: EngineCore, input: object): StructureShape | undefined
  run(core: EngineCore, input: InputOf<S>, format: BodyFormat): Answer | Promise<Answer>
  runOnBody?(core: EngineCore, body: Buffer, format: BodyFormat): Promise<Answer> | undefined
}): Operation {
  return definition
}
