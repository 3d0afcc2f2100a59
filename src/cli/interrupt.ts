/**
 * Calls `stop` at the first SIGINT or SIGTERM, and ends the process at the second: who presses Ctrl-C twice means it.
 * The function it answers gives the signals back to their default.
 */
export function onInterrupt(stop: () => void): () => void {
  let isStopping = false
  const interrupt = () => {
    if (isStopping) process.exit(interruptedExitCode)
    isStopping = true
    stop()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return () => {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** What shells answer for a program that SIGINT ended: 128 + 2. */
const interruptedExitCode = 130
