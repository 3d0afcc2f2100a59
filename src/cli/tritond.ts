import { closeSync, openSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { systemClock } from '../clock.ts'
import { defaultConfigPath, loadConfig } from '../config.ts'
import { ServiceManager } from '../daemon/service-manager.ts'
import { damagedFiles, Spool } from '../daemon/spool.ts'
import { startTritond, type Tritond, type TritondOptions } from '../daemon/tritond.ts'
import { defaultHost, defaultPort, leastMemoryBytes, leastSpoolBytes } from '../daemon/tritond-options.ts'
import { StorageError } from '../errors.ts'
import { byteSizeFrom } from './byte-size.ts'
import { exitCodeOf, UsageError } from './exit-code.ts'
import { addVerboseFlag, portNumber, wholeNumber } from './flags.ts'
import { logDiagnostics } from './log-diagnostics.ts'
import { hostAndPort, metricsPlace } from './metrics-place.ts'
import { print } from './output.ts'
import { preferSmallHeap } from './small-heap.ts'
import { tell } from './tell.ts'

interface TritondFlags {
  verbose: number
  skipKinesis?: boolean
  output_file?: string
  config?: string
  host?: string
  port?: number
  flushMs?: number
  memoryMax?: number
  recordTtl?: number
  spool?: string
  spoolMax?: number
  sync?: 'interval' | 'always'
  durablePort?: number
  metrics?: { host?: string; port: number }
  statsd?: { host: string; port: number }
  check?: boolean
  drainMs: number
}

/** Runs the daemon until a signal ends it, and answers its exit code. Never rejects. */
export async function runTritond(args: readonly string[]): Promise<number> {
  try {
    const program = buildProgram()
    program.parse(args.map(modernSpelling), { from: 'user' })
    const flags = program.opts<TritondFlags>()
    return flags.check ? await check(flags) : await serve(flags)
  } catch (error) {
    return exitCodeOf(error, 'tritond')
  }
}

function buildProgram(): Command {
  const command = new Command('tritond')
    .description('Takes records from processes on this host at once, and puts them into Kinesis.')
    .version(versionOfPackage(), '-V, --version', 'print the version')
    .option('-c, --config <file>', `triton.yaml; default TRITON_CONFIG, else ${defaultConfigPath}`)
    .option('--host <address>', `address to listen at; default TRITON_ZMQ_HOST, else ${defaultHost}`)
    .option(
      '--port <port>',
      `port for records; 0 takes a free one; default TRITON_ZMQ_PORT, else ${defaultPort}`,
      portNumber,
    )
    .option('--flush-ms <ms>', 'how long a record waits for company (default: 100)', wholeNumber(0))
    .option('--memory-max <bytes>', 'memory for waiting records (default: 256MiB)', byteSizeFrom(leastMemoryBytes))
    .option('--record-ttl <seconds>', 'how long a record is tried (default: 600)', wholeNumber(1))
    .option('--spool <dir>', 'keep waiting records in this directory, where they outlive the daemon')
    .option('--spool-max <bytes>', 'room that the spool may take (default: 10GiB)', byteSizeFrom(leastSpoolBytes))
    .addOption(new Option('--sync <when>', 'when a record in the spool counts as kept').choices(['interval', 'always']))
    .option('--durable-port <port>', 'port of putDurable; default: the one after --port', portNumber)
    .option(
      '--metrics <port>',
      'answer /metrics, /healthz and /readyz there; [HOST:]PORT, else at --host',
      metricsPlace,
    )
    .option(
      '--statsd <host:port>',
      "send the old daemon's counters there; default STATSD_HOST, STATSD_PORT",
      (text: string) => hostAndPort(text),
    )
    .option('--check', 'tell what waits in the spool, or else whether triton.yaml is right, and end')
    .option('--drain-ms <ms>', 'how long waiting records are sent after SIGTERM', wholeNumber(0), 25_000)
    .option('--skip-kinesis', "write records to stdout instead, in the old daemon's format")
    .option('--output_file <file>', 'with --skip-kinesis: append to this file instead')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(tritond --help tells what there is)')
    .allowExcessArguments(false)
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : new CommanderError(2, error.code, error.message)
    })
    .configureOutput({ outputError: (text, write) => write(`tritond: ${text.replace(/^error: /, '')}`) })
  return addVerboseFlag(command).addHelpText('after', example)
}

/** Looks, sends nothing, and ends. */
async function check(flags: TritondFlags): Promise<number> {
  const { spool: dir, config: file, verbose } = flags
  if (dir === undefined || file !== undefined) {
    const config = loadConfig(file)
    const names = Object.keys(config)
    const path = file ?? (process.env['TRITON_CONFIG'] || defaultConfigPath)
    const count = names.length === 1 ? '1 stream' : `${names.length} streams`
    tell(`tritond: ${path} is right: ${count}${names.length > 0 ? `, ${names.join(', ')}` : ''}`)
  }
  if (dir === undefined) return 0
  const stopLog = logDiagnostics(verbose)
  try {
    await print(await checkedSpool(resolve(dir)))
    return 0
  } finally {
    stopLog()
  }
}

/** A line for each stream: how many records wait in how many bytes, for how long, and its name; then what was refused. */
async function checkedSpool(dir: string): Promise<string> {
  const { checkSpool, refusedFiles } = await import('../daemon/refused-files.ts')
  await checkSpool(dir)
  const nowMs = systemClock.now()
  const spool = await Spool.open({ dir, sync: 'interval', maxBytes: 1, flushMs: 0, clock: systemClock })
  let lines = ''
  try {
    for (const { streamName, recordCount, bytes, oldestAtMs } of await spool.check()) {
      const age = oldestAtMs === undefined ? '-' : `${Math.max(0, Math.round((nowMs - oldestAtMs) / 1000))}s`
      lines += `${recordCount} records ${bytes} bytes oldest ${age} ${streamName}\n`
    }
  } finally {
    spool.close()
  }
  let refusedCount = 0
  for await (const { records } of refusedFiles(dir)) refusedCount += records.length
  if (refusedCount > 0) lines += `${refusedCount} records refused: triton spool list --spool ${dir}\n`
  const damaged = await damagedFiles(dir)
  if (damaged.length > 0) lines += `${damaged.length} damaged stretches kept in ${join(dir, 'damaged')}\n`
  return lines
}

async function serve(flags: TritondFlags): Promise<number> {
  if (flags.skipKinesis && flags.spool !== undefined)
    throw new UsageError('--skip-kinesis writes records out, and --spool keeps them for Kinesis: choose one')
  // The old daemon says nothing.
  if (flags.output_file !== undefined && !flags.skipKinesis)
    tell(
      `tritond: --output_file does nothing without --skip-kinesis: records go to Kinesis, none to ${flags.output_file}`,
    )
  preferSmallHeap()
  const stopLog = logDiagnostics(flags.verbose)
  const output = openOutput(flags)
  try {
    let daemon: Tritond | undefined
    // From the start on: without a listener the signal would end the process.
    process.on('SIGHUP', () => daemon?.reloadConfig())
    daemon = await startTritond(optionsOf(flags, output))
    using manager = ServiceManager.of({ environment: process.env, clock: systemClock })
    const ended = endedBySignal(daemon, flags.drainMs, manager)
    // Whoever reads this may send a signal at once.
    tell(`tritond: listening at ${daemon.endpoint}`)
    if (daemon.metricsEndpoint !== undefined) tell(`tritond: metrics at ${daemon.metricsEndpoint}/metrics`)
    await manager?.ready(`listening at ${daemon.endpoint}`)
    return await ended
  } finally {
    if (output !== undefined && output !== process.stdout.fd) closeSync(output)
    stopLog()
  }
}

/** Exit code 0 when nothing is lost. */
async function endedBySignal(daemon: Tritond, drainMs: number, manager: ServiceManager | undefined): Promise<number> {
  const { lostCount } = await new Promise<{ lostCount: number }>((resolve, reject) => {
    const stop = () => {
      void manager?.stopping()
      daemon.stop(drainMs).then(resolve, reject)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
  if (lostCount === 0) return 0
  tell(`tritond: ended before all was written: ${lostCount} records are lost`)
  return 1
}

function optionsOf(flags: TritondFlags, outputDescriptor: number | undefined): TritondOptions {
  const { config, host, port, durablePort, flushMs, memoryMax, recordTtl, spool, spoolMax, sync, metrics, statsd } =
    flags
  return {
    ...(config !== undefined && { config }),
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(flushMs !== undefined && { flushMs }),
    ...(memoryMax !== undefined && { memoryMaxBytes: memoryMax }),
    ...(recordTtl !== undefined && { recordTtlMs: recordTtl * 1000 }),
    ...(durablePort !== undefined && { durablePort }),
    ...(spool !== undefined && { spoolDir: resolve(spool) }),
    ...(spoolMax !== undefined && { spoolMaxBytes: spoolMax }),
    ...(sync !== undefined && { sync }),
    ...(metrics !== undefined && { metrics }),
    ...(statsd !== undefined && { statsd: { ...prefixOf(process.env), ...statsd } }),
    ...(outputDescriptor !== undefined && { outputDescriptor }),
  }
}

/** As in the old daemon, the file counts only where Kinesis is skipped. */
function openOutput({ skipKinesis, output_file: file }: TritondFlags): number | undefined {
  if (!skipKinesis) return undefined
  if (file === undefined) return process.stdout.fd
  try {
    return openSync(file, 'a')
  } catch (cause) {
    throw new StorageError(`can't write records to ${file}: ${(cause as Error).message}`, { cause })
  }
}

/** The old daemon's short form has two letters, which the parser would take for two flags. */
function modernSpelling(word: string): string {
  return word === '-cc' ? '--skip-kinesis' : word
}

/** A flag says where statsd is; what stands before every name is the environment's in either case. */
function prefixOf({ STATSD_PREFIX: prefix }: NodeJS.ProcessEnv): { prefix?: string } {
  return prefix ? { prefix } : {}
}

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const example = `
Example:
  $ TRITON_CONFIG=triton.yaml tritond -v
`
