import type { StreamDefinition } from '../config.ts'
import { RecordError, RefusedError } from '../errors.ts'
import { createAwsKinesisApi } from '../kinesis/aws-kinesis-api.ts'
import type { KinesisApi, PutEntry } from '../kinesis/kinesis-api.ts'
import { Producer } from '../producer/producer.ts'
import { patientCall } from '../stream/patient-call.ts'
import { FailedError } from './exit-code.ts'
import type { StreamFlags } from './flags.ts'
import { onInterrupt } from './interrupt.ts'
import { type LineEncoder, type LineOptions, lineEncoder } from './line-entries.ts'
import { type Line, readLines } from './lines.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { Progress, withCommas } from './progress.ts'
import { tell } from './tell.ts'

/**
 * Puts every line of stdin. A line that is no record is told with its number and the others go on; when the stream
 * itself fails, reading ends, since what follows would fail alike.
 */
export async function putLines(definition: StreamDefinition, flags: StreamFlags & LineOptions): Promise<void> {
  const { name, region, endpoint } = definition
  const encode = lineEncoder(definition, flags)
  const stopLog = logDiagnostics(flags.verbose)
  const api = createAwsKinesisApi({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  })
  const ignoreInterrupts = onInterrupt(() => process.stdin.destroy())
  try {
    await checkStream(api, name)
    await using producer = new Producer(api, name)
    await new LinePutter(producer, encode).putAll(process.stdin)
  } finally {
    ignoreInterrupts()
    // A terminal, or a pipe that nobody closes, would keep the process alive.
    process.stdin.destroy()
    api.close()
    stopLog()
  }
}

/** Tells of a wrong name, or of a Kinesis that is not there, before a line is taken. Who may only put is not asked. */
async function checkStream(api: KinesisApi, name: string): Promise<void> {
  try {
    await patientCall(`put into stream "${name}"`, (signal) => api.describeStreamSummary(name, signal))
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error
  }
}

class LinePutter {
  readonly #producer: Producer
  readonly #encode: LineEncoder
  readonly #progress = new Progress('put')
  #putCount = 0
  #failedCount = 0
  #isBroken = false

  constructor(producer: Producer, encode: LineEncoder) {
    this.#producer = producer
    this.#encode = encode
  }

  async putAll(input: AsyncIterable<Buffer>): Promise<void> {
    const underWay = new Set<Promise<void>>()
    try {
      for await (const lines of readLines(input)) {
        const group = this.#putGroup(lines).finally(() => underWay.delete(group))
        underWay.add(group)
        if (underWay.size >= groupsUnderWay) await Promise.race(underWay)
        if (this.#isBroken) break
      }
    } catch (error) {
      if (!isInterrupted(error)) throw error
    } finally {
      await Promise.all(underWay)
      this.#progress.stop()
    }
    this.#tellOutcome()
  }

  async #putGroup(lines: readonly Line[]): Promise<void> {
    const numbers: number[] = []
    const entries: PutEntry[] = []
    for (const { number, bytes } of lines) {
      try {
        if (bytes === undefined) throw new RecordError('the line is longer than any record may be')
        const entry = this.#encode(bytes)
        if (entry === undefined) continue
        entries.push(entry)
        numbers.push(number)
      } catch (error) {
        this.#tellFailure(number, error)
      }
    }
    for (const outcome of await this.#producer.putMany(entries)) {
      const number = numbers[outcome.index] ?? 0
      if (outcome.ok) {
        this.#putCount++
        this.#progress.add(1, entries[outcome.index]?.data.length ?? 0)
      } else {
        this.#isBroken ||= !(outcome.error instanceof RecordError)
        this.#tellFailure(number, outcome.error)
      }
    }
  }

  #tellFailure(lineNumber: number, error: unknown): void {
    this.#failedCount++
    if (this.#failedCount > toldFailures) return
    tell(`triton: line ${lineNumber}: ${error instanceof Error ? error.message : String(error)}`)
    if (this.#failedCount === toldFailures) tell('triton: further lines that fail are only counted')
  }

  #tellOutcome(): void {
    if (this.#failedCount === 0) {
      if (process.stderr.isTTY) tell(`put ${this.#progress.describe()}`)
      return
    }
    tell(
      `triton: put ${withCommas(this.#putCount)} lines; failed: ${withCommas(this.#failedCount)}` +
        (this.#isBroken ? '; the lines after them were not read' : ''),
    )
    throw new FailedError()
  }
}

/** Ctrl-C closes the input; the line that it cut is not put. */
function isInterrupted(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** Groups of lines that may wait for their outcome: enough to keep requests full, few enough to stay small. */
const groupsUnderWay = 32

const toldFailures = 20
