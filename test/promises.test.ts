import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')

/** Rows of the tables whose last column says what shows them: what is promised, and the tests by file. */
function rowsOf(text: string): { promise: string; shownBy: { file: string; names: string[] }[] }[] {
  return text
    .split('\n## ')
    .flatMap((section) => section.split('\n\n').filter((part) => /^\|.*\| shown by \|$/m.test(part)))
    .flatMap((table) => table.trim().split('\n').slice(2))
    .map((row) => {
      const cells = row.split('|').map((cell) => cell.trim())
      const shownBy = (cells.at(-2) ?? '').split('; `').map((part) => {
        const [, file = '', names = ''] = /^`?(test\/[^`]+)` (\*.*\*)$/.exec(part) ?? []
        return { file, names: names.slice(1, -1).split('*, *') }
      })
      return { promise: cells[1] ?? '', shownBy }
    })
}

/** What stands behind `test(` in this file. */
function titlesIn(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/\btest\(\s*(['"`])(.*?)\1,/gs)].map(([, , title = '']) => title)
}

test('every promise of docs/promises.md names tests that are there', () => {
  const rows = rowsOf(readFileSync(join(root, 'docs/promises.md'), 'utf8'))
  assert.ok(rows.length > 25, `${rows.length} rows`)
  for (const { promise, shownBy } of rows) {
    assert.ok(shownBy.length > 0, promise)
    for (const { file, names } of shownBy) {
      assert.notEqual(file, '', `what shows this has another form: ${promise}`)
      const titles = titlesIn(file)
      for (const name of names) {
        const isThere = titles.some((title) => title.replace(/^in \$\{seedCount\} /, '').startsWith(name))
        assert.ok(isThere, `${file} has no test that is called "${name}": ${promise}`)
      }
    }
  }
})
