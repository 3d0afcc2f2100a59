import { resolve } from 'node:path'
import { type RefusedFile, readBodies, refusedFiles } from '../daemon/refused-files.ts'
import type { SpoolListFlags } from './commands/spool/list.ts'
import type { SpoolShowFlags } from './commands/spool/show.ts'
import { jsonForm } from './json-form.ts'
import { standardOutput } from './output.ts'

/** Prints a line for each file of refused records. */
export async function listRefused({ spool, json }: SpoolListFlags): Promise<void> {
  const output = standardOutput()
  for await (const file of refusedFiles(resolve(spool))) {
    const facts = factsOf(file)
    const { name, recordCount, bytes, refusedAt, stream, codes } = facts
    const text = `${name} ${recordCount} records ${bytes} bytes ${refusedAt} ${stream} ${codes.join(',')}`
    await output.write(`${json ? JSON.stringify(facts) : text}\n`)
  }
  await output.settle()
}

/** Prints refused records, a line each. */
export async function showRefused(names: readonly string[], { spool, format }: SpoolShowFlags): Promise<void> {
  const output = standardOutput()
  const { toLine } = jsonForm('msgpack', format === 'lossless')
  for await (const file of refusedFiles(resolve(spool), names)) {
    const bodies = await readBodies(resolve(spool), file)
    for (const [at, { stream, partitionKey, refusedAtMs, code, reason }] of file.records.entries()) {
      const refusedAt = new Date(refusedAtMs).toISOString()
      const facts = JSON.stringify({ file: file.name, stream, partitionKey, refusedAt, code, reason })
      const body = bodies[at] as Buffer
      const { data } = toLine(body)
      const content = data === undefined ? `"bytes":"${body.toString('base64')}"` : `"data":${data}`
      await output.write(`${facts.slice(0, -1)},${content}}\n`)
    }
  }
  await output.settle()
}

function factsOf({ name, records }: RefusedFile) {
  const [first] = records
  return {
    name,
    recordCount: records.length,
    bytes: records.reduce((sum, { length }) => sum + length, 0),
    refusedAt: new Date(first?.refusedAtMs ?? 0).toISOString(),
    stream: first?.stream ?? '',
    codes: [...new Set(records.map(({ code }) => code))],
  }
}
