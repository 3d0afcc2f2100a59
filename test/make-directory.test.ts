import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { makeDirectory } from '../src/make-directory.ts'

function newRoot() {
  const root = mkdtempSync(join(tmpdir(), 'triton-'))
  return { root, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

describe('a directory', () => {
  test('is made with those above it, and may be there already', () => {
    using made = newRoot()
    const path = join(made.root, 'a', 'b', 'c')
    makeDirectory(path, 0o700)
    makeDirectory(path)
    makeDirectory(`${path}/`)
    makeDirectory(relative(process.cwd(), join(path, 'd')))
    assert.ok(statSync(join(path, 'd')).isDirectory())
    if (process.platform !== 'win32') assert.equal(statSync(join(made.root, 'a')).mode & 0o777, 0o700)
  })

  test('behind a link is the one that the link names', () => {
    using made = newRoot()
    makeDirectory(join(made.root, 'real'))
    symlinkSync(join(made.root, 'real'), join(made.root, 'link'), 'junction')
    makeDirectory(join(made.root, 'link'))
    makeDirectory(join(made.root, 'link', 'below'))
    assert.ok(statSync(join(made.root, 'real', 'below')).isDirectory())
  })

  test('is refused with what is in the way', () => {
    using made = newRoot()
    const file = join(made.root, 'file')
    writeFileSync(file, 'x')
    symlinkSync(join(made.root, 'nowhere'), join(made.root, 'dangling'), 'file')
    assert.throws(() => makeDirectory(file), { code: 'EEXIST', message: /file/ })
    assert.throws(() => makeDirectory(join(file, 'below')), { code: 'ENOTDIR' })
    assert.throws(() => makeDirectory(join(made.root, 'dangling')), { code: 'ENOENT' })
    assert.throws(() => makeDirectory(join(made.root, 'n'.repeat(300))), { code: 'ENAMETOOLONG' })
  })
})
