import { createInterface } from 'node:readline/promises'
import { FailedError, UsageError } from './exit-code.ts'

/** Asks on the terminal, unless `--yes` answered already. Without a terminal nobody could answer: a usage error. */
export async function confirm(question: string, { yes }: { yes?: boolean }): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) throw new UsageError(`${question} There is no terminal to ask on: add --yes`)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close())
  if (/^y(es)?$/i.test(answer.trim())) return
  process.stderr.write('nothing was changed\n')
  throw new FailedError()
}
