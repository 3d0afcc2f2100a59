import { createInterface } from 'node:readline/promises'
import { FailedError, UsageError } from './exit-code.ts'

/** Asks on the terminal, unless `--yes` answered already. Without a terminal nobody could answer: a usage error. */
export async function confirm(
  question: string,
  { yes }: { yes?: boolean },
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<void> {
  if (yes) return
  if (!input.isTTY) throw new UsageError(`${question} There is no terminal to ask on: add --yes`)
  const terminal = createInterface({ input, output })
  const gone = new AbortController()
  terminal.once('close', () => gone.abort())
  const answer = await terminal
    .question(`${question} [y/N] `, { signal: gone.signal })
    .catch(noAnswer)
    .finally(() => terminal.close())
  if (answer !== undefined && /^y(es)?$/i.test(answer.trim())) return
  output.write('nothing was changed\n')
  throw new FailedError()
}

export interface Terminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean }
  output: NodeJS.WritableStream
}

/** Ctrl-C and Ctrl-D mean no, and so does a terminal that has gone. */
function noAnswer(error: Error): undefined {
  if (error.name !== 'AbortError') throw error
}
