import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import packed from '@sparticuz/chromium'
import { type Browser, chromium } from 'playwright-core'

/** Unpacked once for all runs; whole or not there. */
const place = resolve(import.meta.dirname, '../../.cache/chromium')

/** A real browser, from npm. On a machine that lacks one of its three libraries, with those that it brings along. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(place)) await unpack()
  const options = { executablePath: join(place, 'chromium'), args: ['--no-sandbox'], headless: true }
  try {
    return await chromium.launch(options)
  } catch (error) {
    if (!/shared libraries/.test(String(error))) throw error
    return chromium.launch({ ...options, env: { ...process.env, LD_LIBRARY_PATH: join(place, 'lib') } })
  }
}

async function unpack(): Promise<void> {
  mkdirSync(dirname(place), { recursive: true })
  const draft = mkdtempSync(`${place}-`)
  // The package unpacks to the directory for temporary files, where another process may be at the same work.
  const { TMPDIR } = process.env
  process.env['TMPDIR'] = draft
  try {
    await packed.executablePath()
    const libraries = join(
      dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')),
      '../../bin/al2023.tar.br',
    )
    execFileSync('tar', ['-xf', '-', '-C', draft], { input: brotliDecompressSync(readFileSync(libraries)) })
    renameSync(draft, place)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(place)) throw error
  } finally {
    if (TMPDIR === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = TMPDIR
  }
}
