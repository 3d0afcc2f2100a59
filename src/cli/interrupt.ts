import { tell } from './tell.ts'

/**
 * Calls `stop` at the first SIGINT or SIGTERM, and ends the process at the second: who presses Ctrl-C twice means it.
 * The function it answers gives the signals back to their default.
 */
export function onInterrupt(stop: () => void): () => void {
  let isStopping = false
  let slow: NodeJS.Timeout | undefined
  const interrupt = () => {
    if (isStopping) process.exit(interruptedExitCode)
    isStopping = true
    slow = setTimeout(() => tell('triton: still at work on what was read; Ctrl-C again ends at once'), patienceMs)
    slow.unref()
    stop()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return () => {
    clearTimeout(slow)
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** A stop that takes longer than this says why. */
const patienceMs = 1_000

/** What shells answer for a program that SIGINT ended: 128 + 2. */
const interruptedExitCode = 130
