/** A line for people, on stderr: stdout is for data. */
export function tell(message: string): void {
  process.stderr.write(`${message}\n`)
}
