import { isIP } from 'node:net'
import type { ApiRequest } from '../wire/answer-request.ts'
import { ConsoleRefusal } from './console-answer.ts'

/**
 * Lets in who means this engine. A page of some other site can make a browser send requests here: its name, made to
 * lead to 127.0.0.1, stands in `Host`, and its own address in `Origin`.
 */
export function checkCaller({ headers, connection }: ApiRequest, listeningHost: string): void {
  const authority = String(headers[':authority'] ?? headers['host'] ?? '')
  const host = hostIn(authority)
  const isOurs =
    isNameOfNeighbour(host) ||
    isLoopback(host) ||
    host === listeningHost.toLowerCase() ||
    host === plainAddress(connection.localAddress)
  if (!isOurs)
    throw new ConsoleRefusal(
      403,
      `The host '${authority}' is not this engine's. Ask for it as localhost, by the address at which it listens, or by a name without a dot.`,
    )
  const origin = headers['origin']
  if (origin !== undefined && !/^https?:\/\//.test(String(origin))) throw foreignOrigin(String(origin))
  if (origin !== undefined && String(origin).replace(/^https?:\/\//, '') !== authority)
    throw foreignOrigin(String(origin))
}

/** What changes the engine's behaviour is for this machine only. */
export function checkIsLocal({ connection }: ApiRequest): void {
  const from = plainAddress(connection.remoteAddress)
  if (!isLoopback(from))
    throw new ConsoleRefusal(403, `The controls of tests are for this machine only; this request came from ${from}.`)
}

function foreignOrigin(origin: string): ConsoleRefusal {
  return new ConsoleRefusal(403, `A page of ${origin} asked for this, and only the engine's own page may.`)
}

/** Without port and brackets; empty when there is none that makes sense. */
function hostIn(authority: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9_.-]+))(?::\d{1,5})?$/.exec(authority)
  return (match?.[1] ?? match?.[2] ?? '').toLowerCase()
}

/**
 * `localhost`, or the name of a container: nobody on the internet has a name without a dot, so none leads here that a
 * stranger made.
 */
function isNameOfNeighbour(host: string): boolean {
  return /^(?=.*[a-z])[a-z0-9_-]+$/.test(host)
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** IPv4 peers of a socket that listens on `::` are written as IPv6. */
function plainAddress(address = ''): string {
  return address.replace(/^::ffff:/, '')
}
