/**
 * What the API answers instead of a result. Operations throw it, the wire layer writes it; it never leaves the engine
 * as an exception. The messages are Kinesis' own, so they don't follow our rules for error texts.
 */
export class ApiError extends Error {
  readonly type: string
  readonly status: number
  /** The answer's body. */
  readonly body: Readonly<Record<string, string>>

  constructor(type: string, message?: string, status = 400) {
    super(message ?? type)
    this.name = 'ApiError'
    this.type = type
    this.status = status
    this.body = message === undefined ? { __type: type } : { __type: type, [messageMember(type)]: message }
  }
}

/** The body does not parse, or a member has the wrong type. */
export function serializationError(message?: string): ApiError {
  return new ApiError('SerializationException', message)
}

export function validationError(message: string): ApiError {
  return new ApiError('ValidationException', message)
}

export function invalidArgument(message: string): ApiError {
  return new ApiError('InvalidArgumentException', message)
}

export function resourceNotFound(message: string): ApiError {
  return new ApiError('ResourceNotFoundException', message)
}

export function resourceInUse(message: string): ApiError {
  return new ApiError('ResourceInUseException', message)
}

export function limitExceeded(message: string): ApiError {
  return new ApiError('LimitExceededException', message)
}

export function internalFailure(): ApiError {
  return new ApiError('InternalFailure', undefined, 500)
}

/** Real Kinesis spells this one type's member with a capital (observed by kinesalite's suite). */
function messageMember(type: string): 'Message' | 'message' {
  return type === 'SerializationException' ? 'Message' : 'message'
}
