/** A logical stream name as the name of a file or directory: most are their own; others are `%` and their UTF-8 in hex. */
export function directoryNameOf(streamName: string): string {
  return /^[a-z0-9_][a-z0-9_.-]{0,99}$/.test(streamName) ? streamName : `%${Buffer.from(streamName).toString('hex')}`
}

export function streamNameOf(directoryName: string): string {
  return directoryName.startsWith('%') ? Buffer.from(directoryName.slice(1), 'hex').toString() : directoryName
}
