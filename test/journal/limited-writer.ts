/** Appends to the journal in the directory given until the file size limit of its process refuses; prints how many were kept and why it ended. */
import { Journal } from '../../src/journal/journal.ts'

const [dir = ''] = process.argv.slice(2)
const journal = await Journal.open({ dir })
let count = 0
let refusal = ''
while (refusal === '' && count < 1_000) {
  await journal.append(Buffer.alloc(0), [Buffer.alloc(1_000, count)]).then(
    () => count++,
    (error: unknown) => {
      refusal = String(error)
    },
  )
}
await journal.append(Buffer.alloc(0), [Buffer.from('a small one still fits')]).then(
  () => count++,
  () => {},
)
await journal.close()
console.log(`${count}\n${refusal.replaceAll('\n', ' ')}`)
