import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')

/** True when the package is built and none of its sources was changed since. */
export const isBuildFresh = ((): boolean => {
  const built = statSync(join(root, 'dist/cli/main.js'), { throwIfNoEntry: false })
  if (!built) return false
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  return sources.every((file) => statSync(join(root, 'src', file)).mtimeMs < built.mtimeMs)
})()

/**
 * What follows `node` on the command line of a program of the tests that imports the module it is given first: the built
 * one where that is fresh, which starts in a third of the time, else the source.
 */
export function wordsWith(module: string, program: string): string[] {
  if (isBuildFresh) return [program, join(root, 'dist', `${module}.js`)]
  return ['--import', 'tsx', program, join(root, 'src', `${module}.ts`)]
}
