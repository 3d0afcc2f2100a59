import { randomBytes } from 'node:crypto'
import { sleep } from '../clock.ts'
import { shardIdOf } from '../kinesis/shard.ts'
import { type ApiError, internalFailure, limitExceeded } from './api-error.ts'
import type { EngineCore } from './engine-core.ts'
import type { FaultRule } from './fault-rule.ts'
import { faultTargetOf } from './fault-target.ts'
import { delayMsOf } from './faults.ts'
import { rateExceeded } from './operations/rate-exceeded.ts'
import type { ApiAnswer } from './wire/answer-request.ts'

/** Operations that are throttled by shard; the others are by stream. */
const shardOperations = new Set(['PutRecord', 'PutRecords', 'GetRecords', 'GetShardIterator'])

/** What a fault does before the operation is carried out; throws when it is not to be. */
export async function misbehaveBefore(
  core: EngineCore,
  operation: string,
  fault: FaultRule,
  input: object,
): Promise<void> {
  if (fault.action === 'delay') await sleep(core.clock, delayMsOf(fault), core.closing)
  if (fault.action === 'internal-failure') throw internalFailure()
  if (fault.action === 'throttle') throw throttled(core, operation, fault, input)
}

/** What a fault does to an answer. */
export function misbehaveAfter(answer: ApiAnswer, fault: FaultRule): void {
  if (fault.action === 'cut-after') answer.delivery = 'cut'
  if (fault.action === 'answer-lost') answer.delivery = 'lost'
  if (fault.action === 'half-body') answer.delivery = 'half'
  if (fault.action === 'garbage-body') {
    answer.body = randomBytes(Math.max(16, Math.min(answer.body.length, 1024)))
    answer.stream = undefined
  }
}

function throttled(core: EngineCore, operation: string, fault: FaultRule, input: object): ApiError {
  const { stream, shardIndexes } = faultTargetOf(core, input)
  if (!shardOperations.has(operation))
    return limitExceeded(`Rate exceeded for stream ${stream ?? ''} under account ${core.account}.`)
  return rateExceeded(core, stream ?? '', fault.shard ?? shardIdOf(shardIndexes[0] ?? 0))
}
