import { Composer, type Document, isScalar, Lexer, LineCounter, type Node, type Pair, Parser, visit } from 'yaml'
import { assert, ConfigError } from '../errors.ts'

/**
 * A YAML text that knows where everything in it stands, so that each problem is told with file, line and column.
 * Plain data only: no tag, known or not, ever makes an object.
 */
export class YamlText {
  readonly document: Document.Parsed
  private readonly lines = new LineCounter()
  private readonly file: string
  private readonly problems: { offset: number; message: string }[] = []

  /** Throws a `ConfigError` when the text is no YAML, or more than plain data. */
  constructor(source: string, file: string) {
    this.file = file
    this.document = this.compose(source)
    this.checkSyntax()
    this.checkNodes()
    this.throwProblems()
  }

  /** Remembers a problem; `throwProblems` tells all of them at once. */
  problem(where: number | YamlPair, message: string): void {
    this.problems.push({ offset: typeof where === 'number' ? where : startOf(where), message })
  }

  throwProblems(): void {
    if (this.problems.length === 0) return
    const inOrder = this.problems.toSorted((left, right) => left.offset - right.offset)
    const told = inOrder.slice(0, maxProblems).map(({ offset, message }) => {
      const { line, col } = this.lines.linePos(offset)
      return `${this.file}:${line}:${col}: ${message}`
    })
    const rest = this.problems.length - told.length
    throw new ConfigError([...told, ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n'))
  }

  /** What `parseDocument` does, with a bound: the composer calls itself for each level, and Node dies of a full stack. */
  private compose(source: string): Document.Parsed {
    this.lines.addNewLine(0)
    const parser = new Parser(this.lines.addNewLine)
    const tokens = []
    for (const lexeme of new Lexer().lex(source)) {
      tokens.push(...parser.next(lexeme))
      if (parser.stack.length > maxNesting) {
        this.problem(parser.offset, `maps and lists are nested more than ${maxNesting} deep here`)
        this.throwProblems()
      }
    }
    tokens.push(...parser.end())
    const composer = new Composer({ schema: 'core', resolveKnownTags: false, customTags: null, merge: true })
    const [first, second] = composer.compose(tokens, true, source.length)
    assert(first !== undefined, 'an empty text is a document, too')
    if (second) this.problem(second.range[0], 'a second document begins here (`---`): a configuration is one document')
    return first as Document.Parsed
  }

  private checkSyntax(): void {
    for (const { code, message, pos } of this.document.errors) {
      if (code === 'TAB_AS_INDENT') this.problem(pos[0], 'a tab stands in the indentation: YAML takes spaces only')
      else if (code === 'DUPLICATE_KEY')
        this.problem(pos[0], 'this key stands here a second time: keys must be unique, so take one of them out')
      else this.problem(pos[0], `no valid YAML: ${message.split('\n')[0]}`)
    }
  }

  private checkNodes(): void {
    visit(this.document, {
      Alias: (_, alias) => {
        if (alias.resolve(this.document)) return
        this.problem(
          alias.range?.[0] ?? 0,
          `nothing is called &${alias.source}, which the alias *${alias.source} stands for`,
        )
      },
      Node: (_, node) => {
        const { tag, range } = node as Node & { tag?: string }
        if (tag === undefined || plainTags.has(tag)) return
        const shown = JSON.stringify(tag.replace(standardTag, '!!').slice(0, 100))
        this.problem(
          range?.[0] ?? 0,
          `the tag ${shown} is not allowed: a configuration is plain data; leave the tag out`,
        )
      },
    })
  }
}

export type YamlPair = Pair<Node, Node | null>

/** Problems that one error tells at most. */
const maxProblems = 10

/** Levels of maps and lists; a configuration needs a handful. */
const maxNesting = 100

const standardTag = 'tag:yaml.org,2002:'

/** What a tag may be without changing that the value is plain data. */
const plainTags = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => standardTag + name))

/** Where the value stands, or its key when there is no value. */
function startOf({ key, value }: YamlPair): number {
  const told = value === null || (isScalar(value) && value.value === null) ? key : value
  return told.range?.[0] ?? 0
}
