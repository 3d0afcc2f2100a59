import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'

const root = resolve(import.meta.dirname, '..')

interface Manifest {
  bin: Readonly<Record<string, string>>
  exports: Readonly<Record<string, string | { types: string; default: string }>>
  dependencies: Readonly<Record<string, string>>
  version: string
}

/** What is published: npm installs it where nothing of this checkout is. */
describe('the package', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  const packed = packedFiles()

  test('holds every file that its exports and programs name, licence and README, and no tests', () => {
    const doors = Object.values(manifest.exports).flatMap((door) =>
      typeof door === 'string' ? [door] : [door.types, door.default],
    )
    for (const file of [...doors, ...Object.values(manifest.bin), 'LICENSE', 'README.md', 'CHANGELOG.md'])
      assert.ok(packed.has(file.replace(/^\.\//, '')), `${file} is not in the package`)
    for (const file of packed)
      assert.match(file, /^(bin|dist|docs|packaging)\/|^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/)
    assert.deepEqual(
      [...packed].filter((file) => /\.test\.|\.ts$/.test(file) && !file.endsWith('.d.ts')),
      [],
    )
  })

  test('depends on everything that it imports', () => {
    const imported = new Set<string>()
    for (const file of packed) {
      if (!file.startsWith('dist/')) continue
      const text = readFileSync(join(root, file), 'utf8')
      for (const [, statement, call] of text.matchAll(importPattern)) {
        const specifier = statement ?? call ?? ''
        if (!isBuiltin(specifier)) imported.add(packageOf(specifier))
      }
    }
    assert.ok(imported.has('zod') && imported.has('@aws-sdk/client-kinesis'), [...imported].join())
    assert.deepEqual([...imported].filter((name) => !Object.hasOwn(manifest.dependencies, name)).sort(), [])
  })

  test('brings programs that run', () => {
    for (const program of Object.values(manifest.bin)) {
      const printed = execFileSync(process.execPath, [join(root, program), '--version'], { encoding: 'utf8' })
      assert.equal(printed, `${manifest.version}\n`, program)
    }
  })
})

/** `import ... from 'name'` at the beginning of a line, `import('name')` anywhere; not those of the package's own files. */
const importPattern =
  /^(?:import|export|\})(?:.* from)? '([@a-z][\w@/.:-]*)';?$|\bimport\(['"]([@a-z][\w@/.:-]*)['"]\)/gm

/** `@scope/name/path` -> `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function packedFiles(): Set<string> {
  const npm = ['pack', '--dry-run', '--ignore-scripts', '--json']
  const [{ files }] = JSON.parse(
    execFileSync('npm', npm, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  ) as [{ files: { path: string }[] }]
  return new Set(files.map(({ path }) => path))
}
