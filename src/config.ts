import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isAlias, isMap, isScalar, type Node } from 'yaml'
import * as z from 'zod'
import { closest } from './config/closest.ts'
import { type YamlPair, YamlText } from './config/yaml-text.ts'
import { ConfigError } from './errors.ts'

/**
 * triton.yaml: a map from logical stream name to a definition. Frozen, without a prototype, so that a stream may be
 * called `constructor`. `definitionOf` looks a name up and says what there is when it is missing.
 */
export interface Config {
  readonly [logicalName: string]: StreamDefinition
}

/** What triton.yaml says about one stream. */
export interface StreamDefinition {
  /** The logical name: the key in triton.yaml. */
  readonly streamName: string
  /** The stream's name in Kinesis. */
  readonly name: string
  /** The record field whose text is the partition key. */
  readonly partitionKey: string
  /** Whose text of numbers and booleans is the partition key's. @default 'javascript' */
  readonly partitionKeyText: PartitionKeyText
  /** AWS region; absent: what the AWS SDK finds (`AWS_REGION`, profile), else us-east-1. */
  readonly region?: string
  /** URL of a Kinesis that is not AWS's; absent: what the AWS SDK finds (`AWS_ENDPOINT_URL_KINESIS`), else AWS. */
  readonly endpoint?: string
  /** What the stream's records are. @default 'msgpack' */
  readonly format: StreamFormat
  /** The file it stands in, for messages. */
  readonly file: string
}

export type StreamFormat = (typeof streamFormats)[number]
export type PartitionKeyText = (typeof partitionKeyTexts)[number]

const streamFormats = ['msgpack', 'json', 'text', 'bytes'] as const
const partitionKeyTexts = ['javascript', 'python'] as const

/** Where triton.yaml is looked for when neither an argument nor TRITON_CONFIG says so. */
export const defaultConfigPath = '/etc/triton.yaml'

/**
 * Reads `path`, else the file that TRITON_CONFIG names, else /etc/triton.yaml.
 * What can't be used is a `ConfigError` that names file, line, column and key, and says what would be right.
 */
export function loadConfig(path?: string): Config {
  const fromEnvironment = process.env['TRITON_CONFIG'] || undefined
  const file = path ?? fromEnvironment ?? defaultConfigPath
  if (path !== undefined) return parseConfig(readConfigFile(file, 'the path that was asked for'), file)
  const origin = fromEnvironment === undefined ? 'the default path; TRITON_CONFIG is not set' : 'from TRITON_CONFIG'
  return parseConfig(readConfigFile(file, origin), file)
}

/** The same from text; `file` is what messages call it. */
export function parseConfig(text: string, file: string): Config {
  if (text.length > maxConfigBytes) throw tooLarge(file, `${text.length}`)
  const yaml = new YamlText(text.replace(/^\ufeff/, ''), file)
  const config = configOf(yaml, file)
  yaml.throwProblems()
  return config
}

/** The stream's definition, or a `ConfigError` that says which streams there are. */
export function definitionOf(streamName: string, config: Config): StreamDefinition {
  const definition = Object.hasOwn(config, streamName) ? config[streamName] : undefined
  if (definition) return definition
  const known = Object.keys(config)
  const file = Object.values(config)[0]?.file ?? 'the configuration'
  const close = closest(streamName, known)
  const listed = known.slice(0, 10).join(', ') + (known.length > 10 ? `, and ${known.length - 10} more` : '')
  throw new ConfigError(
    `no stream ${quote(streamName)} in ${file}, which defines ${listed || 'none'}` +
      (close ? `. Did you mean ${close}?` : ''),
  )
}

/** A file above this is surely no triton.yaml: ten thousand streams fit. */
const maxConfigBytes = 1024 * 1024

const example = `  my_stream:
    name: my_stream_v2       # its name in Kinesis
    partition_key: user_id   # the record field that decides the shard`

const text = (what: string) =>
  z
    .string({
      error: ({ input }) =>
        input === undefined ? `is missing: it must be ${what}` : `must be ${what}; it is ${describe(input)}`,
    })
    .refine((value) => value.trim() !== '', { error: `is empty: it must be ${what}`, abort: true })

const oneOf = <const Choices extends readonly string[]>(choices: Choices) =>
  z.enum(choices, {
    error: ({ input }) => {
      const close = typeof input === 'string' ? closest(input, choices) : undefined
      return `must be one of ${choices.join(', ')}; it is ${describe(input)}${close ? `. Is ${close} meant?` : ''}`
    },
  })

const isHttpUrl = (value: string) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)

/** Keys that nobody here knows are ignored: the file is shared with programs that have keys of their own. */
const definitionSchema = z.object({
  name: text("the stream's name in Kinesis, as text").regex(/^[a-zA-Z0-9_.-]{1,128}$/, {
    error: 'is no name that a Kinesis stream can have: 1 to 128 of a-z, A-Z, 0-9, `_`, `.` and `-`',
  }),
  partition_key: text('the name of the record field that decides the shard, as text'),
  region: text('an AWS region such as us-east-1, as text')
    .regex(/^[a-z0-9-]+$/, { error: 'is no AWS region: write one such as us-east-1' })
    .optional(),
  endpoint: text('a URL such as http://127.0.0.1:4567, as text')
    .refine(isHttpUrl, { error: 'is no URL: write one such as http://127.0.0.1:4567' })
    .optional(),
  format: oneOf(streamFormats).default('msgpack'),
  partition_key_text: oneOf(partitionKeyTexts).default('javascript'),
})

function configOf(yaml: YamlText, file: string): Config {
  const config: { [name: string]: StreamDefinition } = Object.create(null)
  const top = yaml.document.contents as Node | null
  if (!isMap(top)) {
    const found = isScalar(top) ? describe(top.value) : top === null ? 'empty' : 'a list'
    yaml.problem(
      top?.range?.[0] ?? 0,
      `must be a map from stream names to definitions; it is ${found}. For example:\n\n${example}\n`,
    )
    return config
  }
  for (const pair of top.items as YamlPair[]) {
    const name = streamNameOf(pair, yaml)
    const definition = name === undefined ? undefined : readDefinition(name, pair, yaml, file)
    if (name !== undefined && definition) config[name] = definition
  }
  if (top.items.length === 0) yaml.problem(top.range?.[0] ?? 0, `defines no stream. For example:\n\n${example}\n`)
  return Object.freeze(config)
}

function streamNameOf(pair: YamlPair, yaml: YamlText): string | undefined {
  const { key } = pair
  if (isScalar(key) && typeof key.value === 'string' && key.value !== '') return key.value
  const found = isScalar(key) ? describe(key.value) : 'a list or a map'
  yaml.problem(key.range?.[0] ?? 0, `a stream's name must be text; it is ${found}`)
  return undefined
}

function readDefinition(
  streamName: string,
  pair: YamlPair,
  yaml: YamlText,
  file: string,
): StreamDefinition | undefined {
  const shown = /^[\w.-]+$/.test(streamName) ? streamName : quote(streamName)
  const node = isAlias(pair.value) ? pair.value.resolve(yaml.document) : pair.value
  if (!isMap(node)) {
    const found = isScalar(node) ? describe(node.value) : node ? 'a list' : 'empty'
    yaml.problem(pair, `${shown} must be a stream's definition, a map with name and partition_key; it is ${found}`)
    return undefined
  }
  const values = plainValuesOf(node, (message) => yaml.problem(pair, `${shown} ${message}`), yaml)
  const parsed = definitionSchema.safeParse(values)
  if (!parsed.success) {
    for (const { path, message } of values ? parsed.error.issues : []) {
      const key = String(path[0])
      const written = (node.items as YamlPair[]).find((item) => isScalar(item.key) && item.key.value === key)
      const close = written ? undefined : closest(key, Object.keys(values ?? {}))
      yaml.problem(written ?? pair, `${shown}.${key} ${message}${close ? `. Is ${quote(close)} meant for it?` : ''}`)
    }
    return undefined
  }
  const { name, partition_key, partition_key_text, region, endpoint, format } = parsed.data
  return Object.freeze({
    streamName,
    name,
    partitionKey: partition_key,
    partitionKeyText: partition_key_text,
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    format,
    file,
  })
}

/** The definition's values, with aliases and merge keys followed; undefined when one of them leads nowhere. */
function plainValuesOf(node: Node, tell: (message: string) => void, yaml: YamlText): object | undefined {
  try {
    return node.toJS(yaml.document) as object
  } catch (cause) {
    tell(`can't be read: ${cause instanceof Error ? cause.message.split('\n')[0] : String(cause)}`)
    return undefined
  }
}

function readConfigFile(file: string, origin: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readAtMost(file, maxConfigBytes))
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    throw new ConfigError(unreadable(file, origin, cause as NodeJS.ErrnoException), { cause })
  }
}

/** A pipe or a device says nothing of its size before it is read, and may never end. */
function readAtMost(file: string, maxBytes: number): Uint8Array {
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    if (size > maxBytes) throw tooLarge(file, `${size}`)
    const bytes = Buffer.alloc(maxBytes + 1)
    let length = 0
    for (;;) {
      const readCount = readSync(descriptor, bytes, length, bytes.length - length, null)
      length += readCount
      if (length > maxBytes) throw tooLarge(file, `more than ${maxBytes}`)
      if (readCount === 0) return bytes.subarray(0, length)
    }
  } finally {
    closeSync(descriptor)
  }
}

function unreadable(file: string, origin: string, cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `no configuration at ${file} (${origin}). Say with TRITON_CONFIG where it is, or write one:\n\n${example}\n`
    case 'EISDIR':
      return `the configuration ${file} is a directory, not a file (${origin})`
    case 'EACCES':
    case 'EPERM':
      return `no permission to read the configuration ${file} (${origin})`
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return `the configuration ${file} is not UTF-8 text (${origin})`
    default:
      return `can't read the configuration ${file} (${origin}): ${cause.message}`
  }
}

function tooLarge(file: string, bytes: string): ConfigError {
  return new ConfigError(
    `the configuration ${file} has ${bytes} bytes, and ${maxConfigBytes} are room for ten thousand streams. Is it the right file?`,
  )
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'empty'
  if (typeof value === 'string') return `the text ${quote(value)}`
  if (typeof value === 'object') return Array.isArray(value) ? 'a list' : 'a map'
  return `the ${typeof value === 'boolean' ? 'boolean' : 'number'} ${value}, which quotes would make text`
}

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value)
}
