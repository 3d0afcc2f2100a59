import { InvalidArgumentError } from 'commander'
import { portNumber } from './flags.ts'

/** `9100`; `0.0.0.0:9100` or `[::]:9100` to be reached from elsewhere. */
export function metricsPlace(text: string): { host?: string; port: number } {
  if (/^\d+$/.test(text)) return { port: portNumber(text) }
  return hostAndPort(text, 'a port, or an address of this host and a port, such as 9115 or 0.0.0.0:9115')
}

export function hostAndPort(
  text: string,
  what = 'a host and a port, such as 127.0.0.1:8125',
): { host: string; port: number } {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || portText === undefined) throw new InvalidArgumentError(`It must be ${what}.`)
  return { host, port: portNumber(portText) }
}
