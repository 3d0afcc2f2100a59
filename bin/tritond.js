#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const main = new URL('../dist/cli/tritond-main.js', import.meta.url)
if (existsSync(main)) {
  await import(main.href)
} else {
  const checkout = fileURLToPath(new URL('..', import.meta.url))
  process.stderr.write(`tritond: not built yet: run \`npm run build\` in ${checkout}\n`)
  process.exitCode = 1
}
