import { ConfigError } from '../../errors.ts'
import type { EngineCore } from '../engine-core.ts'
import type { FaultRule } from '../fault-rule.ts'
import type { MovableClock } from '../movable-clock.ts'
import type { ApiAnswer, ApiRequest } from '../wire/answer-request.ts'
import { checkIsLocal } from './check-caller.ts'
import { ConsoleRefusal, jsonAnswer } from './console-answer.ts'

/** A hundred years: beyond it, times no longer fit where they are written. */
const longestMoveMs = 100 * 366 * 24 * 3_600_000

/**
 * What lets tests misuse an engine from outside: its faults and its time. Only for an engine that was started for it,
 * never with real data by accident.
 *
 *     POST /_triton/faults   {"rules": [...], "seed": 1}   replaces all rules; [] ends the misbehaviour
 *     POST /_triton/clock    {"advanceMs": 86400000}       moves time ahead; what falls due happens at once
 */
export class TestControls {
  readonly #core: EngineCore
  readonly #clock: MovableClock

  constructor(core: EngineCore, clock: MovableClock) {
    this.#core = core
    this.#clock = clock
  }

  setFaults(request: ApiRequest): ApiAnswer {
    const { rules, seed = 1 } = bodyOf(request, ['rules', 'seed'])
    if (!Array.isArray(rules))
      throw new ConsoleRefusal(400, 'Say in `rules` which faults there are: a list, or [] for none.')
    if (!Number.isSafeInteger(seed)) throw new ConsoleRefusal(400, 'The `seed` must be a whole number.')
    try {
      this.#core.faults.set(rules as FaultRule[], seed as number)
    } catch (error) {
      if (error instanceof ConfigError) throw new ConsoleRefusal(400, error.message)
      throw error
    }
    return jsonAnswer({ rules: rules.length, seed })
  }

  moveClock(request: ApiRequest): ApiAnswer {
    const { advanceMs } = bodyOf(request, ['advanceMs'])
    const isMove = typeof advanceMs === 'number' && advanceMs >= 0
    if (!isMove || this.#clock.offsetMs + advanceMs > longestMoveMs)
      throw new ConsoleRefusal(
        400,
        `Say in \`advanceMs\` by how many milliseconds time moves ahead: 0 or more, ${longestMoveMs} in all.`,
      )
    this.#clock.advance(advanceMs)
    return jsonAnswer({ now: new Date(this.#clock.now()).toISOString(), offsetMs: this.#clock.offsetMs })
  }
}

/** Only JSON, and labelled so: that a page of another site can't send without being asked about CORS first. */
function bodyOf(request: ApiRequest, known: readonly string[]): Readonly<Record<string, unknown>> {
  checkIsLocal(request)
  const type = String(request.headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim()
  if (type !== 'application/json') throw new ConsoleRefusal(415, 'Send JSON, with content-type: application/json.')
  let body: unknown
  try {
    body = JSON.parse(request.body.toString())
  } catch {
    throw new ConsoleRefusal(400, 'The body is no JSON.')
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ConsoleRefusal(400, `The body must be an object with ${known.join(' and ')}.`)
  const unknown = Object.keys(body).find((key) => !known.includes(key))
  if (unknown !== undefined)
    throw new ConsoleRefusal(400, `The body has a member '${unknown}'. Known are ${known.join(' and ')}.`)
  return body as Record<string, unknown>
}
