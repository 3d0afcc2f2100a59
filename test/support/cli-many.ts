import { text } from 'node:stream/consumers'
import { runTriton } from '../../src/cli/triton.ts'

/** Reads command lines as JSON from stdin, runs each, and prints what each printed and answered, as JSON. */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
const commandLines = JSON.parse(await text(process.stdin)) as string[][]
const write = process.stdout.write.bind(process.stdout)
const results = []
for (const args of commandLines) {
  const stdout = capture(process.stdout)
  const stderr = capture(process.stderr)
  const exitCode = await runTriton(args)
  results.push({ exitCode, stdout: stdout(), stderr: stderr() })
}
write(JSON.stringify(results))

function capture(stream: NodeJS.WriteStream): () => string {
  const pieces: Buffer[] = []
  stream.write = ((piece: string | Uint8Array, ...rest: unknown[]) => {
    pieces.push(Buffer.from(piece as string))
    const done = rest.find((each) => typeof each === 'function') as (() => void) | undefined
    done?.()
    return true
  }) as typeof stream.write
  return () => Buffer.concat(pieces).toString()
}
