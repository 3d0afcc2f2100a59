import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ServiceManager } from '../../src/daemon/service-manager.ts'
import { type Diagnostic, observe } from '../../src/diagnostics.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { TritondPlace } from '../support/tritond.ts'
import { endpointOf, startTritondProgram } from '../support/tritond-program.ts'

/**
 * systemd itself can't run in a test: a program of systemd-notify's name writes down what it was asked to tell, and where.
 */
function standIn(place: TritondPlace): { environment: NodeJS.ProcessEnv; told: () => string[] } {
  const directory = join(place.directory, 'bin')
  const file = join(place.directory, 'told')
  mkdirSync(directory)
  writeFileSync(join(directory, 'systemd-notify'), `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> '${file}'\n`, {
    mode: 0o755,
  })
  return {
    environment: { PATH: `${directory}:${process.env['PATH']}`, NOTIFY_SOCKET: '/run/notify' },
    told: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []),
  }
}

describe('systemd', () => {
  test('hears from the program that it is ready, that its loop turns, and that it stops', async () => {
    await using place = await TritondPlace.open()
    const { environment, told } = standIn(place)
    const program = startTritondProgram(place, [], { ...environment, WATCHDOG_USEC: '20000' })
    const endpoint = await endpointOf(program)
    while (!told().includes('/run/notify WATCHDOG=1')) await nextTurn()
    assert.equal(told()[0], `/run/notify --ready --status=listening at ${endpoint}`)
    program.child.kill('SIGTERM')
    assert.equal((await program.ended()).exitCode, 0)
    while (!told().includes('/run/notify STOPPING=1')) await nextTurn()
  })

  test('hears nothing where it does not listen', () => {
    assert.equal(ServiceManager.of({ environment: {}, clock: new ManualClock() }), undefined)
  })

  test('hears a word at every half of its time, and none for another process', async () => {
    await using place = await TritondPlace.open()
    const { environment, told } = standIn(place)
    const clock = new ManualClock()
    const watchdog = { WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) }
    using manager = ServiceManager.of({ environment: { ...environment, ...watchdog }, clock })
    await manager?.ready('fine')
    assert.deepEqual(told(), ['/run/notify --ready --status=fine'])
    await clock.advance(14_999)
    assert.equal(told().length, 1)
    await clock.advance(1)
    while (told().length < 2) await nextTurn()
    // While one word is on its way no other is begun, so that it may take more than one turn of its time.
    while (told().length < 4) {
      await clock.advance(15_000)
      await nextTurn()
    }
    assert.equal(told().at(-1), '/run/notify WATCHDOG=1')
    const other = { ...environment, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }
    using deaf = ServiceManager.of({ environment: other, clock: new ManualClock() })
    await deaf?.ready('fine')
    assert.ok(deaf)
  })

  test('that cannot be told is told of once, and the daemon goes on', async () => {
    const news: Diagnostic[] = []
    const stop = observe((diagnostic) => news.push(diagnostic))
    try {
      const environment = { PATH: '/nowhere', NOTIFY_SOCKET: '/run/notify' }
      using manager = ServiceManager.of({ environment, clock: new ManualClock() })
      await manager?.ready('fine')
      await manager?.stopping()
    } finally {
      stop()
    }
    assert.deepEqual(
      news.map(({ type }) => type),
      ['service-manager-unreachable'],
    )
  })
})
