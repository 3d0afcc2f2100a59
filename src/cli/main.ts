import { runTriton } from './triton.ts'

process.exitCode = await runTriton(process.argv.slice(2))
