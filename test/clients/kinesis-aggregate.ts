import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

/**
 * The data of user records in a record of the KPL: four bytes, a protobuf message of which field 3 are the records (and
 * field 3 of those the data), and the MD5 of the message. A record that is no aggregate is its own data. Read without
 * the product's code, whose mistakes it is to show.
 */
export function userRecordsIn(data: Buffer): Buffer[] {
  if (!data.subarray(0, 4).equals(magic)) return [data]
  const message = data.subarray(4, -16)
  assert.deepEqual(createHash('md5').update(message).digest(), data.subarray(-16), 'the MD5 of an aggregate')
  return fieldsOf(message, 3).flatMap((record) => fieldsOf(record, 3))
}

const magic = Buffer.from('f3899ac2', 'hex')

/** All values of a field that are bytes. */
function fieldsOf(message: Buffer, wanted: number): Buffer[] {
  const values: Buffer[] = []
  let at = 0
  const varint = () => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = message.readUInt8(at++)
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const head = varint()
    const length = varint()
    if ((head & 7) === 0) continue
    assert.equal(head & 7, 2, 'numbers and bytes are all that an aggregate holds')
    if (head >> 3 === wanted) values.push(message.subarray(at, at + length))
    at += length
  }
  return values
}
