import { readFileSync } from 'node:fs'
import type { ApiAnswer } from '../wire/answer-request.ts'
import { textAnswer } from './console-answer.ts'

const contentTypes = {
  'page.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
} as const

/** A file of the page, which lies beside this one; read when somebody looks, so that starting an engine costs nothing. */
export function pageFile(name: keyof typeof contentTypes): ApiAnswer {
  return textAnswer(contentTypes[name], readFileSync(new URL(`./page/${name}`, import.meta.url)))
}
