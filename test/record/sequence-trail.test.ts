import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, randomInteger, seededRandom } from '../../src/random.ts'
import { nextSequenceNumber, SequenceTrail } from '../../src/record/sequence-trail.ts'
import { VarintColumn, VarintCursor } from '../../src/record/varint-column.ts'
import { runs, seed } from '../support/soak.ts'

const counter = 1n << 80n
const second = 1n << 36n

/** Numbers as a shard issues them, with others in between that none does. */
function numbersOf(random: Random): string[] {
  const [leap, odd] = [[1, 3, 614, 615, 2 ** 31][randomInteger(random, 5)] as number, random.next() ** 3]
  let value = (2n << 184n) + (1_767_225_600n << 148n) + BigInt(randomInteger(random, 2 ** 31)) * counter
  return Array.from({ length: 1 + randomInteger(random, 300) }, () => {
    value += BigInt(1 + randomInteger(random, leap)) * counter
    if (random.next() >= odd) return value.toString()
    switch (randomInteger(random, 6)) {
      case 0:
        value += BigInt(randomInteger(random, 1_000)) * second
        break
      case 1:
        // The upper half of the digits only.
        value += 10n ** 28n
        break
      case 2:
        value -= 3n * counter
        break
      case 3:
        value += 1n
        break
      case 4:
        return String(randomInteger(random, 1_000))
      default:
        return `1${'0'.repeat(128)}`
    }
    return value.toString()
  })
}

function columnOf(numbers: readonly string[], isEachAlone: boolean): Buffer {
  const column = new VarintColumn()
  const trail = new SequenceTrail(numbers[0] as string)
  for (const number of numbers.slice(1)) {
    trail.step(number, column)
    if (isEachAlone) trail.settle(column)
  }
  trail.settle(column)
  return column.bytes()
}

test('numbers come back from their steps, which are the same for many at once as for each alone', () => {
  const random = seededRandom(seed())
  for (let run = 0; run < runs(20_000); run++) {
    const numbers = numbersOf(random)
    const bytes = columnOf(numbers, false)
    assert.deepEqual(bytes, columnOf(numbers, true))
    const column = new VarintCursor(bytes)
    let before = numbers[0] as string
    const found = [before]
    while (column.at < bytes.length) {
      before = nextSequenceNumber(before, column)
      found.push(before)
    }
    assert.deepEqual(found, numbers)
  }
})

test('a step of the counter takes one byte, also where digits carry into the upper half', () => {
  const first = 49_670_424_472_731_169_861_061_894_38n * 10n ** 28n - 10n ** 24n
  const numbers = [first, first + counter, first + 2n * counter, first + 3n * counter].map(String)
  assert.deepEqual([...columnOf(numbers, false)], [2, 2, 2])
})
