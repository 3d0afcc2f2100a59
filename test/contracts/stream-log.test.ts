import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { RecentBytes } from '../../src/journal/recent-bytes.ts'
import { type JournalStreamLogOptions, openJournalStreamLog } from '../../src/local/journal-stream-log.ts'
import { createMemoryStreamLog } from '../../src/local/memory-stream-log.ts'
import { streamLogContract } from './stream-log.contract.ts'

streamLogContract('in memory', async () => createMemoryStreamLog())

const root = mkdtempSync(join(tmpdir(), 'triton-log-'))
after(() => rmSync(root, { recursive: true, force: true }))
let logCount = 0

function onDisk(options: Omit<JournalStreamLogOptions, 'dir'>) {
  return () => openJournalStreamLog({ dir: join(root, String(logCount++)), ...options })
}

streamLogContract('on disk', onDisk({}))
streamLogContract('on disk, in small segments', onDisk({ segmentBytes: 1_000, sync: 'never' }))
streamLogContract(
  'on disk, synced always, nothing kept in memory',
  onDisk({ sync: 'always', recent: new RecentBytes(0) }),
)
