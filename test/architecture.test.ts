import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, test } from 'node:test'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')

interface RoomRule {
  rooms: string[]
  allowed: (room: string) => boolean
}

describe('the room table of docs/architecture.md', () => {
  const rules = readRoomTable(readFileSync(join(root, 'docs/architecture.md'), 'utf8'))
  const ground = new Set(rules[0]?.rooms)
  const ruleOf = new Map(rules.flatMap((rule) => rule.rooms.map((room) => [room, rule] as const)))
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

  test('names every room that exists, and no other', () => {
    const existing = new Set(files.map(roomOf))
    assert.deepEqual([...existing].filter((room) => !ruleOf.has(room)).sort(), [], 'rooms that the table does not know')
    assert.deepEqual([...ruleOf.keys()].filter((room) => !existing.has(room)).sort(), [], 'rooms that do not exist')
  })

  test('allows every import that is made', () => {
    const forbidden: string[] = []
    for (const file of files) {
      const room = roomOf(file)
      for (const target of importsOf(file)) {
        const targetRoom = roomOf(target)
        if (targetRoom === room || ruleOf.get(room)?.allowed(targetRoom)) continue
        if (ground.has(targetRoom) && (!ground.has(room) || targetRoom === 'errors')) continue
        forbidden.push(`src/${file} imports src/${target}: room '${room}' may not import '${targetRoom}'`)
      }
    }
    assert.deepEqual(forbidden, [])
  })

  test('lets the local engine read records for its page only', () => {
    const readers = files.filter(
      (file) => roomOf(file) === 'local' && [...importsOf(file)].some((target) => roomOf(target) === 'record'),
    )
    assert.deepEqual(
      readers.filter((file) => !file.startsWith('local/console/')),
      [],
    )
    assert.ok(readers.length > 0)
  })

  test('is a table that can forbid', () => {
    assert.equal(ruleOf.get('journal')?.allowed('kinesis'), false)
    assert.equal(ruleOf.get('local')?.allowed('producer'), false)
    assert.equal(ruleOf.get('consumer')?.allowed('checkpoint'), true)
    assert.equal(ruleOf.get('stream')?.allowed('cli'), false)
  })

  test('finds the imports it judges', () => {
    const seen = files.flatMap((file) => [...importsOf(file)])
    assert.ok(seen.length > files.length, `${seen.length} imports in ${files.length} files`)
  })
})

/** `a.ts` -> `a`, `room/sub/a.ts` -> `room`. */
function roomOf(file: string): string {
  const [first = ''] = file.split('/')
  return first.replace(/\.ts$/, '')
}

function* importsOf(file: string): Generator<string> {
  const text = readFileSync(join(src, file), 'utf8')
  for (const match of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.{1,2}\/[^']+)'/g))
    yield relative(src, resolve(src, dirname(file), match[1] ?? ''))
}

function readRoomTable(page: string): RoomRule[] {
  const rows = page.split('\n').filter((line) => /^\|\s*`/.test(line))
  return rows.map((row) => {
    const [, names = '', , allowedText = ''] = row.split('|')
    const allowed = new Set(wordsIn(allowedText))
    const isAllBut = allowedText.trim().startsWith('all')
    return { rooms: wordsIn(names), allowed: (room) => (isAllBut ? !allowed.has(room) : allowed.has(room)) }
  })
}

function wordsIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => (match[1] ?? '').replace(/\/$/, '').replace(/\.ts$/, ''))
}
