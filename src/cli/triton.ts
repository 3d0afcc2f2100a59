import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { exitCodeOf } from './exit-code.ts'
import { standardOutput } from './output.ts'

/** One line of the command table. Its module is loaded only when the command is used. */
interface CommandEntry {
  name: string
  summary: string
  /** Gives the command its flags, its help and its action; absent when it only groups others. */
  load?: () => Promise<{ define: (command: Command) => void }>
  subcommands?: CommandEntry[]
  /** For the help of a group; other commands bring their own. */
  example?: string
}

const commands: CommandEntry[] = [
  { name: 'put', summary: 'put the lines of stdin into a stream', load: () => import('./commands/put.ts') },
  { name: 'get', summary: "print a stream's records", load: () => import('./commands/get.ts') },
  { name: 'store', summary: "keep a stream's records in S3 or a directory", load: () => import('./commands/store.ts') },
  { name: 'cat', summary: 'print archived records', load: () => import('./commands/cat.ts') },
  { name: 'replay', summary: 'play archived records again', load: () => import('./commands/replay.ts') },
  { name: 'shards', summary: "print a stream's shard ids", load: () => import('./commands/shards.ts') },
  { name: 'stats', summary: "print every checkpoint's age", load: () => import('./commands/stats.ts') },
  { name: 'local', summary: 'run a Kinesis on this machine', load: () => import('./commands/local.ts') },
  {
    name: 'stream',
    summary: 'create, delete, look at and reshard streams',
    example: 'triton stream create -s test_stream --shards 2',
    subcommands: [
      { name: 'create', summary: 'create a stream', load: () => import('./commands/stream/create.ts') },
      {
        name: 'delete',
        summary: 'delete a stream and all its records',
        load: () => import('./commands/stream/delete.ts'),
      },
      { name: 'list', summary: "print the streams' names", load: () => import('./commands/stream/list.ts') },
      { name: 'describe', summary: 'print what a stream is like', load: () => import('./commands/stream/describe.ts') },
      { name: 'split', summary: 'split a shard in two', load: () => import('./commands/stream/split.ts') },
      { name: 'merge', summary: 'merge two adjacent shards', load: () => import('./commands/stream/merge.ts') },
      { name: 'resize', summary: 'change the number of shards', load: () => import('./commands/stream/resize.ts') },
    ],
  },
  { name: 'worker', summary: 'have a program handle the records', load: () => import('./commands/worker.ts') },
  {
    name: 'workers',
    summary: 'look after a group of workers',
    example: 'triton workers status -s orders --client-name billing',
    subcommands: [
      { name: 'status', summary: 'print who reads what', load: () => import('./commands/workers/status.ts') },
      { name: 'release', summary: 'take a shard from its worker', load: () => import('./commands/workers/release.ts') },
      { name: 'reset', summary: 'have a shard read anew', load: () => import('./commands/workers/reset.ts') },
    ],
  },
  {
    name: 'dead-letter',
    summary: 'look after records that could not be handled',
    example: 'triton dead-letter list --store file:///var/dead',
    subcommands: [
      { name: 'list', summary: "print the letters' names", load: () => import('./commands/dead-letter/list.ts') },
      {
        name: 'show',
        summary: 'print letters with their reasons',
        load: () => import('./commands/dead-letter/show.ts'),
      },
      {
        name: 'resend',
        summary: 'put them into a stream again',
        load: () => import('./commands/dead-letter/resend.ts'),
      },
    ],
  },
  {
    name: 'spool',
    summary: 'look after what Kinesis refused of tritond',
    example: 'triton spool list --spool /var/lib/tritond',
    subcommands: [
      { name: 'list', summary: 'print which records were refused', load: () => import('./commands/spool/list.ts') },
      { name: 'show', summary: 'print refused records', load: () => import('./commands/spool/show.ts') },
      { name: 'resend', summary: 'send refused records again', load: () => import('./commands/spool/resend.ts') },
    ],
  },
  {
    name: 'export',
    summary: 'write archived records as CSV, Parquet or JSON lines',
    load: () => import('./commands/export.ts'),
  },
  {
    name: 'sqlite',
    summary: 'write archived records into a SQLite database',
    load: () => import('./commands/sqlite.ts'),
  },
  {
    name: 'archive',
    summary: 'look at archives, and verify them',
    example: 'triton archive verify -b triton-data -s orders -t 20261124',
    subcommands: [
      { name: 'list', summary: 'print which archives there are', load: () => import('./commands/archive/list.ts') },
      {
        name: 'verify',
        summary: 'read archives and print what is wrong',
        load: () => import('./commands/archive/verify.ts'),
      },
      { name: 'stat', summary: 'print sums by stream and client', load: () => import('./commands/archive/stat.ts') },
    ],
  },
  {
    name: 'checkpoint',
    summary: 'set up, look at and forget checkpoints',
    example: 'triton checkpoint list --checkpoint-db sqlite://triton.db',
    subcommands: [
      { name: 'init', summary: 'create the checkpoint table', load: () => import('./commands/checkpoint/init.ts') },
      { name: 'list', summary: 'print the checkpoints', load: () => import('./commands/checkpoint/list.ts') },
      { name: 'reset', summary: 'forget checkpoints', load: () => import('./commands/checkpoint/reset.ts') },
    ],
  },
]

/** Runs the program and answers its exit code: 0 done, 1 failed, 2 not understood. Never rejects. */
export async function runTriton(args: readonly string[]): Promise<number> {
  try {
    const [first, ...rest] = args
    const asked = first === 'help' ? [...rest, '--help'] : [...args]
    const program = await buildProgram(asked)
    await program.parseAsync(asked, { from: 'user' })
    return 0
  } catch (error) {
    // Help ends this way, too.
    await standardOutput()
      .settle()
      .catch(() => undefined)
    return exitCodeOf(error)
  }
}

async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = configured(new Command('triton'))
    .description('AWS Kinesis made pleasant: put records, read them back, carry on where you stopped.')
    .version(versionOfPackage(), '-V, --version', 'print the version')
    .addHelpText('after', programExample)
  await addCommands(program, commands, args)
  return program
}

/** Only the command that `args` names is loaded; the others are known by name and summary. */
async function addCommands(parent: Command, entries: readonly CommandEntry[], args: readonly string[]): Promise<void> {
  const [named, ...rest] = args
  for (const { name, summary, load, subcommands, example } of entries) {
    const command = configured(parent.command(name))
      .summary(summary)
      .description(upperFirst(`${summary}.`))
    if (example) command.addHelpText('after', `\nExample:\n  $ ${example}\n`)
    if (subcommands) await addCommands(command, subcommands, name === named ? rest : [])
    if (load && name === named) (await load()).define(command)
  }
}

function configured(command: Command): Command {
  return command
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError(false)
    .exitOverride((error) => {
      throw error.exitCode === 0 ? error : new CommanderError(2, error.code, error.message)
    })
    .configureOutput({
      // Not commander's own: it knows nothing of readers that have gone, such as `head`.
      writeOut: (text) => void standardOutput().write(text),
      outputError: (text, write) => {
        const path = command.parent
          ? `${command.parent.parent ? `${command.parent.name()} ` : ''}${command.name()} `
          : ''
        write(`triton: ${text.replace(/^error: /, '').trimEnd()}\n(triton ${path}--help tells what there is)\n`)
      },
    })
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

const programExample = `
Examples:
  $ triton local --stream test_stream:2                # a Kinesis of your own
  $ triton get -s test_stream                          # in one terminal
  $ echo hi | triton put -s test_stream                # in another

triton.yaml (TRITON_CONFIG, else /etc/triton.yaml) says which streams there are.
"triton <command> --help" tells more, with an example each.
`
