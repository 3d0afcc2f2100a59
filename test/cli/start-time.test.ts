import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseTime } from '../../src/cli/start-time.ts'

const nowMs = Date.UTC(2026, 10, 23, 12, 0, 0)

describe('a time on the command line', () => {
  const cases: [text: string, iso: string][] = [
    ['2026-11-23', '2026-11-23T00:00:00.000Z'],
    ['2026-11-23T10:00:00Z', '2026-11-23T10:00:00.000Z'],
    ['2026-11-23 10:00:00+02:00', '2026-11-23T08:00:00.000Z'],
    ['1795384800', '2026-11-22T22:00:00.000Z'],
    ['1795384800.25', '2026-11-22T22:00:00.250Z'],
    ['90s', '2026-11-23T11:58:30.000Z'],
    ['10m', '2026-11-23T11:50:00.000Z'],
    ['2h ago', '2026-11-23T10:00:00.000Z'],
    ['1.5d', '2026-11-22T00:00:00.000Z'],
  ]
  for (const [text, iso] of cases) {
    test(`may be ${text}`, () => assert.equal(parseTime(text, nowMs)?.toISOString(), iso))
  }

  for (const text of ['', 'now', '2026-13-01', '2026-11-23T99:00Z', '10 weeks', '-5m', '12', '9e9', '99999999999999']) {
    test(`can't be ${JSON.stringify(text)}`, () => assert.equal(parseTime(text, nowMs), undefined))
  }
})
