#!/usr/bin/env node
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [first, ...others] = process.argv.slice(2)
if ((first === '--version' || first === '-V') && others.length === 0) {
  // Answered before anything is loaded: scripts ask this often.
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  process.stdout.write(`${version}\n`)
} else {
  const main = new URL('../dist/cli/main.js', import.meta.url)
  if (existsSync(main)) {
    await import(main.href)
  } else {
    const checkout = fileURLToPath(new URL('..', import.meta.url))
    process.stderr.write(`triton: not built yet: run \`npm run build\` in ${checkout}\n`)
    process.exitCode = 1
  }
}
