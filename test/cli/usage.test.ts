import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { CliPlace } from '../support/cli.ts'

const root = resolve(import.meta.dirname, '../..')

const commands = [
  ['put'],
  ['get'],
  ['shards'],
  ['stats'],
  ['local'],
  ['stream'],
  ['stream', 'create'],
  ['stream', 'delete'],
  ['stream', 'list'],
  ['stream', 'describe'],
  ['stream', 'split'],
  ['stream', 'merge'],
  ['stream', 'resize'],
  ['checkpoint'],
  ['checkpoint', 'init'],
  ['checkpoint', 'list'],
  ['checkpoint', 'reset'],
  ['store'],
  ['cat'],
  ['replay'],
  ['export'],
  ['sqlite'],
  ['archive'],
  ['archive', 'list'],
  ['archive', 'verify'],
  ['archive', 'stat'],
]

describe('help', () => {
  test('of the program and of every command tells what it does and gives an example', async () => {
    using place = new CliPlace()
    const results = await place.runMany([['--help'], ['help', 'get'], ...commands.map((words) => [...words, '--help'])])
    for (const [index, { exitCode, stdout, stderr }] of results.entries()) {
      const words = [[], ['get'], ...commands][index] ?? []
      assert.equal(exitCode, 0, words.join(' '))
      assert.equal(stderr, '', words.join(' '))
      assert.match(stdout, new RegExp(`^Usage: triton ${words.join(' ')}`))
      assert.deepEqual(brokenEarly(stdout.split('\nOptions:')[0] ?? ''), [], words.join(' '))
      assert.match(stdout, new RegExp(`Examples?:\\n  \\$ (.*\\| )?triton ${words.join(' ')}`), words.join(' '))
    }
    const [overview] = results
    for (const [name] of commands) assert.match(overview?.stdout ?? '', new RegExp(`^  ${name} `, 'm'))
  })
})

/** Lines of running text that end although the next word would have fitted. */
function brokenEarly(text: string): string[] {
  const lines = text.split('\n')
  return lines.filter((line, index) => {
    const next = lines[index + 1] ?? ''
    return /^[A-Z]/.test(line) && /^\S/.test(next) && line.length + 1 + (next.split(' ')[0] ?? '').length < 80
  })
}

describe('a command line that is not understood', () => {
  const cases: [args: string[], told: RegExp][] = [
    [[], /Usage: triton/],
    [['stream'], /Usage: triton stream/],
    [['pot'], /unknown command 'pot'\n\(Did you mean put\?\)\n\(triton --help tells/],
    [['stream', 'splt'], /Did you mean split\?\)\n\(triton stream --help/],
    [['put'], /required option '-s, --stream <name>' not specified\n\(triton put --help/],
    [['get', '-s', 'a', '--nope'], /unknown option '--nope'/],
    [['get', '-s', 'a', '--format', 'xml'], /Allowed choices are text, json, lossless/],
    [['get', '-s', 'a', '--from', 'yesterday'], /must be latest, all, checkpoint, a time such as/],
    [['get', '-s', 'a', '-d', 'first'], /must be a whole number, 0 or more/],
    [['get', 'extra', '-s', 'a'], /too many arguments/],
    [['stream', 'create', '-s', 'a', '--shards', '0'], /must be a whole number, 1 or more/],
    [['stream', 'split', '-s', 'a', '-d', '0', '--at', '-1'], /from 0 to 2\^128 - 1/],
    [['local', '--port', '70000'], /must be a port number/],
    [['local', '--stream', 'a:b'], /a name, a colon and a number of shards/],
    [['local', '--faults', '{'], /must be a list in JSON/],
    [['checkpoint', 'reset', '-s', 'a', '--checkpoint-db', 'memory:'], /whose checkpoints\? Give --client-name/],
    [
      ['checkpoint', 'reset', '-s', 'a', '--checkpoint-db', 'memory:', '--client-name', 'c'],
      /no terminal to ask on: add --yes/,
    ],
  ]

  test('ends with exit code 2, says on stderr what would be right, and prints nothing', async () => {
    using place = new CliPlace('a:\n  name: a\n  partition_key: msg\n  endpoint: http://127.0.0.1:1\n')
    const results = await place.runMany(cases.map(([args]) => args))
    for (const [index, [args, told]] of cases.entries()) {
      const result = results[index]
      assert.equal(result?.exitCode, 2, `${args.join(' ')}: ${result?.stderr}`)
      assert.match(result?.stderr ?? '', told)
      assert.equal(result?.stdout, '')
    }
  })
})

describe('the program file', () => {
  const program = join(root, 'bin/triton.js')
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

  test('answers --version at once: with 150 ms of a processor', () => {
    // What it takes of a processor, since the clock also counts whatever runs beside it on this machine.
    const tellCpuUs =
      'process.on("exit", () => process.stderr.write(String(process.cpuUsage().user + process.cpuUsage().system)))'
    const took: number[] = []
    for (let run = 0; run < 5; run++) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--import', `data:text/javascript,${tellCpuUs}`, program, '--version'],
        { encoding: 'utf8' },
      )
      assert.equal(status, 0)
      assert.equal(stdout, `${version}\n`)
      took.push(Number(stderr) / 1000)
    }
    assert.ok(Math.min(...took) < 150, `the fastest of ${took.map(Math.round)} ms`)
  })
})
