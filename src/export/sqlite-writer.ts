import { rename, rm } from 'node:fs/promises'
import Database from 'libsql'
import type { Cell, Column, ColumnType } from './infer-columns.ts'
import type { TableWriter } from './table-writer.ts'

/** Writes a SQLite database with one table. A row is inserted when it comes, in transactions of many. */
export class SqliteTable implements TableWriter {
  readonly #file: string
  readonly #database: Database.Database
  readonly #insert: Database.Statement
  #rowCount = 0

  constructor(file: string, table: string, columns: readonly Column[]) {
    this.#file = file
    const database = new Database(`${file}.partial`)
    this.#database = database
    // Nobody reads the file before it is renamed: a crash leaves nothing to be saved.
    database.exec('PRAGMA journal_mode = OFF')
    database.exec('PRAGMA synchronous = OFF')
    const names = uniqueNames(columns.map(({ name }) => name))
    const definitions = columns.map(({ type }, i) => `${quoted(names[i] as string)} ${sqliteTypes[type]}`)
    database.exec(`CREATE TABLE ${quoted(table)} (${definitions.join(', ') || 'value'})`)
    this.#insert = database.prepare(
      `INSERT INTO ${quoted(table)} VALUES (${columns.map(() => '?').join(', ') || 'NULL'})`,
    )
    database.exec('BEGIN')
  }

  add(row: readonly Cell[]): undefined {
    this.#insert.run(
      ...row.map((cell) =>
        typeof cell === 'boolean' ? Number(cell) : cell instanceof Uint8Array ? Buffer.from(cell) : cell,
      ),
    )
    if (++this.#rowCount % rowsOfTransaction !== 0) return
    this.#database.exec('COMMIT')
    this.#database.exec('BEGIN')
  }

  async finish(): Promise<void> {
    this.#database.exec('COMMIT')
    this.#database.close()
    await rename(`${this.#file}.partial`, this.#file)
  }

  async abort(): Promise<void> {
    if (this.#database.open) this.#database.close()
    await rm(`${this.#file}.partial`, { force: true })
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""').replaceAll('\0', '')}"`
}

/** SQLite's names don't tell upper from lower case. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    let unique = name
    for (let n = 2; taken.has(unique.toLowerCase()); n++) unique = `${name}_${n}`
    taken.add(unique.toLowerCase())
    return unique
  })
}

const sqliteTypes: Record<ColumnType, string> = {
  boolean: 'INTEGER',
  integer: 'INTEGER',
  float: 'REAL',
  text: 'TEXT',
  json: 'TEXT',
  bytes: 'BLOB',
}

const rowsOfTransaction = 10_000
