import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodeCbor } from '../../src/local/wire/encode-answer.ts'

/** A process that answers every PutRecords at once that all is well, and keeps nothing. */
export interface KinesisSink {
  readonly endpoint: string
  /** Resolves at the next request, with the time on this process' monotonic clock. */
  nextRequest(): Promise<number>
  close(): void
}

export async function startKinesisSink(): Promise<KinesisSink> {
  const child = fork(import.meta.filename, ['sink'], { execArgv: ['--import', 'tsx'] })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)))
    child.once('exit', (code) => reject(new Error(`the sink ended with exit code ${code}`)))
  })
  return {
    endpoint: `http://127.0.0.1:${port}`,
    nextRequest: () =>
      new Promise((resolve) => {
        child.once('message', () => resolve(performance.now()))
        child.send('tell')
      }),
    close: () => void child.kill(),
  }
}

if (process.argv[2] === 'sink') {
  const keyName = Buffer.from('PartitionKey')
  const answers = new Map<number, Buffer>()
  const answerTo = (body: Buffer): Buffer => {
    let recordCount = 0
    for (let at = body.indexOf(keyName); at >= 0; at = body.indexOf(keyName, at + 1)) recordCount++
    const known = answers.get(recordCount)
    if (known !== undefined) return known
    const record = {
      SequenceNumber: '49660000000000000000000000000000000000000000000000000001',
      ShardId: 'shardId-000000000000',
    }
    const answer = encodeCbor({ FailedRecordCount: 0, Records: Array.from({ length: recordCount }, () => record) })
    answers.set(recordCount, answer)
    return answer
  }
  let isAsked = false
  process.on('message', () => {
    isAsked = true
  })
  const server = createServer((request, response) => {
    if (isAsked) process.send?.('a request')
    isAsked = false
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const answer = answerTo(Buffer.concat(pieces))
      response.writeHead(200, { 'content-type': 'application/x-amz-cbor-1.1', 'content-length': answer.length })
      response.end(answer)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.once('disconnect', () => process.exit())
}
