import { execFile } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Has these packages of PyPI in a Python environment of their own at `place`; answers, and tells, why it cannot be had. */
export async function installPackages(place: string, packages: readonly string[]): Promise<string | undefined> {
  try {
    if (!existsSync(join(place, 'bin/python'))) {
      mkdirSync(dirname(place), { recursive: true })
      await run('python3', ['-m', 'venv', place], { timeout: 120_000 })
    }
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages]
    await run(join(place, 'bin/python'), pip, { timeout: 400_000 })
    return undefined
  } catch (error) {
    const { message, stderr = '' } = error as Error & { stderr?: string }
    const reason = `Python or its packages (${packages.join(', ')}) cannot be had here: ${(stderr || message).trim().split('\n').at(-1)}`
    console.log(`skipped: ${reason}`)
    return reason
  }
}
