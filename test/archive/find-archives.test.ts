import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { DirectoryStore } from '../../src/archive/directory-store.ts'
import { findArchives } from '../../src/archive/read-archives.ts'
import { observe } from '../../src/diagnostics.ts'

/** Archives of stream `a` of these days; listings are counted, and which days are told to be empty. */
async function placeOf(t: TestContext, days: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'triton-find-'))
  t.after(() => rm(directory, { recursive: true }))
  for (const day of days) {
    const file = join(directory, day, 'a-store-1.tri')
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, '')
  }
  const listed: string[] = []
  const store = new (class extends DirectoryStore {
    override list(prefix: string): ReturnType<DirectoryStore['list']> {
      listed.push(prefix)
      return super.list(prefix)
    }
  })(directory)
  const empty: string[] = []
  t.after(
    observe((news) => {
      if (news.type === 'archive-days-empty') empty.push(`${news.firstDay}-${news.lastDay}`)
    }),
  )
  const find = async (first: string, last: string) =>
    (await findArchives(store, 'a', first, last)).map(({ day }) => day)
  return { find, listed, empty }
}

test('days without an archive are told once for each gap', async (t) => {
  const { find, empty } = await placeOf(t, ['20251230', '20260102', '20260103'])
  assert.deepEqual(await find('20251229', '20260228'), ['20251230', '20260102', '20260103'])
  assert.deepEqual(empty, ['20251229-20251229', '20251231-20260101', '20260104-20260228'])
  empty.length = 0
  assert.deepEqual(await find('20260102', '20260103'), ['20260102', '20260103'])
  assert.deepEqual(empty, [])
})

test('a mistyped year lists the days that there are, and not a million others', async (t) => {
  const days = ['20240229', '20251230', '20260102']
  const { find, listed, empty } = await placeOf(t, days)
  assert.deepEqual(await find('00010101', '99991231'), days)
  assert.deepEqual(listed.sort(), ['20240229/a-', '20251230/a-', '20260102/a-'])
  assert.deepEqual(empty, ['00010101-20240228', '20240301-20251229', '20251231-20260101', '20260103-99991231'])
})
