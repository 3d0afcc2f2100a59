import { CommanderError } from 'commander'
import { TritonError } from '../errors.ts'
import { isTlsFailure, KinesisCallError, tlsAdvice } from '../kinesis/retry-class.ts'

/** The command line asks for what cannot be done: exit code 2. */
export class UsageError extends Error {}

/** The reader of our stdout has gone, as `head` does when it has enough: a quiet end. */
export class OutputClosedError extends Error {}

/** A command's work is over and has told what failed already. */
export class FailedError extends Error {}

/** Tells on stderr what went wrong, in words and not in stack frames, and answers the exit code. */
export function exitCodeOf(error: unknown, program: 'triton' | 'tritond' = 'triton'): number {
  if (error instanceof CommanderError) return error.exitCode
  if (error instanceof OutputClosedError) return 0
  if (error instanceof FailedError) return 1
  const exitCode = error instanceof UsageError ? 2 : 1
  process.stderr.write(`${program}: ${describeFailure(error)}\n`)
  if (process.env['TRITON_DEBUG']) process.stderr.write(`${stackOf(error)}\n`)
  return exitCode
}

function describeFailure(error: unknown): string {
  if (error instanceof UsageError) return error.message
  if (error instanceof TritonError) return error.message.trimEnd()
  if (error instanceof KinesisCallError) return describeCallFailure(error)
  const code = (error as { code?: unknown } | null)?.code ?? (error instanceof Error ? error.name : typeof error)
  const message = error instanceof Error ? error.message : String(error)
  return `${message.split('\n')[0]} (${String(code)}; this is a bug, and TRITON_DEBUG=1 shows where)`
}

function describeCallFailure({ message, errorCode, retryClass }: KinesisCallError): string {
  const told = message.includes(errorCode) ? message : `${message} (${errorCode})`
  if (retryClass !== 'denied') return told
  return `${told}. ${isTlsFailure(errorCode) ? tlsAdvice : 'Are the AWS credentials and permissions right?'}`
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
