import { text } from 'node:stream/consumers'

/**
 * Reads command lines as JSON from stdin, runs each, and prints what each printed and answered, as JSON. Its argument is
 * the module with `runTriton`.
 */
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
const { runTriton } = await import(process.argv[2])
const commandLines = JSON.parse(await text(process.stdin))
const write = process.stdout.write.bind(process.stdout)
const results = []
for (const args of commandLines) {
  const stdout = capture(process.stdout)
  const stderr = capture(process.stderr)
  const exitCode = await runTriton(args)
  results.push({ exitCode, stdout: stdout(), stderr: stderr() })
}
write(JSON.stringify(results))

/** Answers what was written to the stream since. */
function capture(stream) {
  const pieces = []
  stream.write = (piece, ...rest) => {
    pieces.push(Buffer.from(piece))
    rest.find((each) => typeof each === 'function')?.()
    return true
  }
  return () => Buffer.concat(pieces).toString()
}
