import { FormatError } from '../errors.ts'
import { isWellFormed } from './well-formed.ts'

/**
 * Reads JSON text from front to back (RFC 8259, strictly), token by token: numbers keep their own text, and nothing is
 * built. Positions count UTF-16 units.
 */
export class JsonScanner {
  readonly text: string
  position = 0

  constructor(text: string) {
    this.text = text
  }

  /** The character that begins the next token, or '' at the end. White space before it is passed. */
  peek(): string {
    while (isSpace(this.text.charCodeAt(this.position))) this.position++
    return this.text.charAt(this.position)
  }

  /** Passes `character` if it comes next. */
  accept(character: string): boolean {
    if (this.peek() !== character) return false
    this.position++
    return true
  }

  expect(character: string): void {
    if (!this.accept(character)) throw this.unexpected(`'${character}'`)
  }

  /** `true`, `false` or `null`. */
  expectWord(word: string): void {
    this.peek()
    if (!this.text.startsWith(word, this.position)) throw this.unexpected('a value')
    this.position += word.length
  }

  /** Throws unless nothing is left but white space. */
  expectEnd(): void {
    if (this.peek() !== '') throw this.unexpected('the end')
  }

  /** A string's value. Half a surrogate pair is refused: no UTF-8 can express it. */
  readString(): string {
    this.expect('"')
    const start = this.position - 1
    const hasEscapes = this.#passRestOfString(start)
    const value = hasEscapes
      ? (JSON.parse(this.text.slice(start, this.position)) as string)
      : this.text.slice(start + 1, this.position - 1)
    if (!isWellFormed(value)) throw new FormatError('the string holds half a surrogate pair', start)
    return value
  }

  /** A number's own text. */
  readNumber(): string {
    this.peek()
    const start = this.position
    if (this.text[this.position] === '-') this.position++
    if (this.text[this.position] === '0') this.position++
    else this.#passDigits(this.position === start ? 'a value' : 'a digit')
    if (this.text[this.position] === '.') {
      this.position++
      this.#passDigits('a digit')
    }
    if (this.text[this.position] === 'e' || this.text[this.position] === 'E') {
      this.position++
      if (this.text[this.position] === '+' || this.text[this.position] === '-') this.position++
      this.#passDigits('a digit')
    }
    return this.text.slice(start, this.position)
  }

  unexpected(wanted: string): FormatError {
    const found = this.position < this.text.length ? JSON.stringify(this.text.charAt(this.position)) : 'the text ends'
    return new FormatError(`${found} stands at character ${this.position} where ${wanted} should be`, this.position)
  }

  #passRestOfString(start: number): boolean {
    const { text } = this
    let hasEscapes = false
    for (let at = this.position; ; at++) {
      const code = text.charCodeAt(at)
      if (code === 0x22) {
        this.position = at + 1
        return hasEscapes
      }
      if (Number.isNaN(code)) throw new FormatError('the string does not end', start)
      if (code < 0x20 || code === 0x5c) {
        this.position = at
        if (code !== 0x5c) throw this.unexpected('a character of a string')
        hasEscapes = true
        this.#passEscape()
        at = this.position - 1
      }
    }
  }

  #passEscape(): void {
    this.position++
    const character = this.text.charAt(this.position)
    const isUnicode = /^u[0-9a-fA-F]{4}$/.test(this.text.slice(this.position, this.position + 5))
    if (!isUnicode && (character === '' || !'"\\/bfnrt'.includes(character))) throw this.unexpected('an escape of JSON')
    this.position += isUnicode ? 5 : 1
  }

  #passDigits(wanted: string): void {
    const start = this.position
    while (isDigit(this.text.charCodeAt(this.position))) this.position++
    if (this.position === start) throw this.unexpected(wanted)
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}
