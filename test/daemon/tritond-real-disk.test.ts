import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodeHeader } from '../../src/daemon/message-frames.ts'
import { RunningCli, tritondWords } from '../support/cli.ts'
import { streamName, TritondPlace } from '../support/tritond.ts'
import { endpointOf, toldBy } from '../support/tritond-program.ts'

/**
 * A file system of its own, small or read-only, that only this daemon sees: Linux lets anybody make one in a namespace, where
 * it is not forbidden.
 */
const namespaceWords = ['unshare', '--user', '--map-root-user', '--mount']
const mayMount = spawnSync(namespaceWords[0] ?? '', [
  ...namespaceWords.slice(1),
  'mount',
  '-t',
  'tmpfs',
  'tmpfs',
  '/mnt',
])
const skip = mayMount.status === 0 ? false : 'this machine lets nobody mount a file system of their own'

describe('a spool on a disk', { skip }, () => {
  test('that is read-only is an error that says so', async () => {
    await using place = await TritondPlace.open()
    const { exitCode, stderr } = await startOn(place, 'ro').ended()
    assert.equal(exitCode, 1)
    assert.match(stderr, /^tritond: cannot make the spool directory \S+: EROFS: read-only file system/m)
  })

  test('that is full at the start is an error that says so', async () => {
    await using place = await TritondPlace.open()
    const { exitCode, stderr } = await startOn(place, 'size=1m', 'head -c 1m /dev/zero > "$0/ballast";').ended()
    assert.equal(exitCode, 1)
    assert.match(stderr, /^tritond: cannot .* the spool directory \S+: .*(full|space)/m)
  })

  test('that fills up refuses and waits, and goes on by itself when there is room', async () => {
    await using place = await TritondPlace.open()
    place.writeConfig({ [streamName]: 'user_activity_v2' }, [streamName])
    const program = startOn(place, 'size=6m', 'head -c 3m /dev/zero > "$0/ballast";')
    const push = place.push(await endpointOf(program))
    const body = Buffer.alloc(100_000, 'x')
    const recordCount = 45
    const sending = (async () => {
      for (let n = 0; n < recordCount; n++) await push.send([encodeHeader(streamName, `k${n}`), body])
    })()
    await program.until(() => toldBy(program, 'spool-blocked').length > 0)
    assert.match(String(toldBy(program, 'spool-blocked')[0]?.['reason']), /ENOSPC.*free some space/)
    unlinkSync(join('/proc', String(program.child.pid), 'root', diskOf(place), 'ballast'))
    await program.until(() => toldBy(program, 'spool-unblocked').length > 0)
    await sending
    place.writeConfig()
    await program.until(
      () => toldBy(program, 'records-sent').reduce((sum, { recordCount: n }) => sum + Number(n), 0) === recordCount,
    )
    program.child.kill('SIGTERM')
    assert.equal((await program.ended()).exitCode, 0)
    assert.deepEqual(
      new Set((await place.allRecords()).map(({ partitionKey }) => partitionKey)),
      new Set(Array.from({ length: recordCount }, (_, n) => `k${n}`)),
    )
  })
})

/** The daemon with its spool on a fresh tmpfs in the place's directory. */
function startOn(place: TritondPlace, mountOptions: string, before = ''): RunningCli {
  const { PATH } = process.env
  const mount = `mount -t tmpfs -o ${mountOptions} tmpfs "$0"`
  const script = `mkdir "$0" && ${mount} && ${before} exec "$@"`
  const words = [...namespaceWords, 'sh', '-c', script, diskOf(place), process.execPath, ...tritondWords]
  const child = spawn(words[0] ?? '', [...words.slice(1), '-vv', '--spool', join(diskOf(place), 'spool')], {
    env: { PATH, HOME: '/', TRITON_CONFIG: place.config, TRITON_ZMQ_PORT: '0' },
    stdio: 'pipe',
  })
  place.children.push(child)
  return new RunningCli(child)
}

function diskOf(place: TritondPlace): string {
  return join(place.directory, 'disk')
}
