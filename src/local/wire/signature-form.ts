import { ApiError } from '../api-error.ts'

/**
 * Any credentials work: a signature's value is not checked. Its form is, as Kinesis does, so that a client which
 * forgot to sign learns it here and not in production.
 */
export function signatureComplaint(headers: RequestHeaders, url: string): ApiError | undefined {
  const authorization = headers['authorization']
  if (
    typeof authorization === 'string' &&
    plainHeader.test(authorization) &&
    headers['x-amz-date'] &&
    !url.includes('?')
  )
    return undefined
  const query = queryOf(url)
  const isInQuery = query.has('X-Amz-Algorithm')
  if (authorization && isInQuery)
    return new ApiError(
      'InvalidSignatureException',
      "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    )
  if (!authorization && !isInQuery)
    return new ApiError('MissingAuthenticationTokenException', 'Missing Authentication Token')
  const complaint = authorization ? headerComplaint(authorization, headers) : queryComplaint(query)
  return complaint === '' ? undefined : new ApiError('IncompleteSignatureException', complaint)
}

/** What nearly every client sends. */
const plainHeader = /^\S+ Credential=[^, =]+, ?SignedHeaders=[^, =]+, ?Signature=[^, =]+$/

export interface RequestHeaders {
  readonly [name: string]: string | string[] | undefined
}

function headerComplaint(authorization: string | string[], headers: RequestHeaders): string {
  const header = String(authorization)
  const given = new Map<string, string | undefined>()
  for (const parameter of header.split(/[, ]/).slice(1)) {
    const [name = '', value] = parameter.split('=')
    given.set(name, value)
  }
  let complaint = ''
  for (const name of ['Credential', 'Signature', 'SignedHeaders'])
    if (!given.get(name)) complaint += `Authorization header requires '${name}' parameter. `
  if (!headers['x-amz-date'] && !headers['date'])
    complaint += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
  return complaint && `${complaint}Authorization=${header}`
}

function queryComplaint(query: URLSearchParams): string {
  let complaint = ''
  for (const name of ['X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders', 'X-Amz-Date'])
    if (!query.get(name)) complaint += `AWS query-string parameters must include '${name}'. `
  return complaint && `${complaint}Re-examine the query-string parameters.`
}

function queryOf(url: string): URLSearchParams {
  const start = url.indexOf('?')
  return new URLSearchParams(start < 0 ? '' : url.slice(start + 1))
}
