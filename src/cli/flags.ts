import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { type Config, defaultConfigPath, definitionOf, loadConfig, type StreamDefinition } from '../config.ts'

/** Flags of every command that talks to Kinesis. */
export interface PlaceFlags {
  config?: string
  endpoint?: string
  region?: string
  verbose: number
}

export interface StreamFlags extends PlaceFlags {
  stream: string
}

/** Flags of every command that keeps or looks at checkpoints. */
export interface CheckpointFlags {
  checkpointDb?: string
  clientName?: string
}

/** Where a real stream is. */
export interface StreamPlace {
  name: string
  region?: string
  endpoint?: string
}

/** Flags of every command that looks after a spool of tritond. */
export interface SpoolFlags {
  spool: string
}

export function addSpoolFlag(command: Command): Command {
  return command.requiredOption('--spool <dir>', 'the spool of tritond, as its flag --spool names it')
}

export function addVerboseFlag(command: Command): Command {
  return command.option('-v, --verbose', 'log what happens on stderr; -vv logs every request', countUp, 0)
}

export function addPlaceFlags(command: Command): Command {
  return addVerboseFlag(
    command
      .option('-c, --config <file>', `triton.yaml; default TRITON_CONFIG, else ${defaultConfigPath}`)
      .option('--endpoint <url>', 'a Kinesis that is not AWS, such as http://127.0.0.1:4567')
      .option('--region <region>', 'AWS region'),
  )
}

export function addStreamFlags(command: Command): Command {
  return addPlaceFlags(command.requiredOption('-s, --stream <name>', 'stream, by its name in triton.yaml'))
}

export function addCheckpointFlags(command: Command): Command {
  return command
    .option('--checkpoint-db <address>', 'checkpoint database; default TRITON_DB')
    .option('--client-name <name>', 'whose checkpoints; default TRITON_CLIENT_NAME, else TRITON_CLIENT')
}

/** What triton.yaml says about the stream, the flags having the last word. */
export function definitionFrom(flags: StreamFlags): StreamDefinition {
  return withFlags(definitionOf(flags.stream, loadConfig(flags.config)), flags)
}

/**
 * The stream that a `triton stream` command means: a name in triton.yaml stands for what it says there, any other is
 * taken for the name in Kinesis. Streams are created before a configuration needs to exist.
 */
export function placeOf(streamName: string, flags: PlaceFlags): StreamPlace {
  const config = optionalConfig(flags)
  const defined = config && Object.hasOwn(config, streamName) ? config[streamName] : undefined
  return withFlags(defined ?? { name: streamName }, flags)
}

/** None is fine, unless somebody said where it is. A broken one is an error in either case. */
function optionalConfig({ config }: PlaceFlags): Config | undefined {
  const isNamed = config !== undefined || Boolean(process.env['TRITON_CONFIG'])
  return isNamed || existsSync(defaultConfigPath) ? loadConfig(config) : undefined
}

export function withFlags<Place extends StreamPlace>(place: Place, { endpoint, region }: PlaceFlags): Place {
  return { ...place, ...(endpoint !== undefined && { endpoint }), ...(region !== undefined && { region }) }
}

export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    if (/^\d{1,15}$/.test(text) && Number(text) >= least) return Number(text)
    throw new InvalidArgumentError(`It must be a whole number, ${least} or more.`)
  }
}

export function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text)
  throw new InvalidArgumentError('It must be a port number, 0 to 65535.')
}

/** For flags that take one or more numbers: `-d 0 1`, `-d 0 -d 1`, `-d 0,1`. */
export function wholeNumbers(text: string, sofar: number[] = []): number[] {
  return [...sofar, ...text.split(',').map(wholeNumber(0))]
}

function countUp(_: string, count: number): number {
  return count + 1
}

/** Of the flag `--stream` of commands that also take streams which triton.yaml doesn't know. */
export const streamHelp = 'stream, by its name in triton.yaml or else in Kinesis'
