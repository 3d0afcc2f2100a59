import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { encodeMsgpack } from '../../../src/record/msgpack-encode.ts'
import { launchChromium } from '../../support/chromium.ts'
import { startTestEngine } from '../../support/engine.ts'
import { subscribe } from '../event-stream-client.ts'
import { ask, jsonWire } from '../wire-client.ts'

/** The page at /_triton, in a real browser. */
const hostile = `</pre><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`
const half = (2n ** 127n).toString()
const isSupported = process.platform === 'linux' && process.arch === 'x64'

describe('the page at /_triton', { skip: isSupported ? false : 'the browser in npm is for Linux on x64' }, () => {
  let browser: Browser
  before(async () => {
    browser = await launchChromium()
  })
  after(() => browser.close())

  test('shows streams, shards with their lineage, consumers and records, and goes on by itself', async () => {
    await using it = await start([
      { name: 'orders', shardCount: 1 },
      { name: 'quiet', shardCount: 3 },
    ])
    const { endpoint } = it.engine
    const put = (key: string, Data: Uint8Array, ExplicitHashKey = '0') =>
      ask(endpoint, 'PutRecord', { StreamName: 'orders', PartitionKey: key, Data: Buffer.from(Data), ExplicitHashKey })
    await put('before', Buffer.from('first'))
    const { page, outside } = it
    await page.goto(`${endpoint}/_triton`)

    await page.locator('#streams li', { hasText: 'quiet' }).getByText('3 shards').waitFor()
    await page.locator('#name', { hasText: 'orders' }).waitFor()
    await page.locator('#records summary', { hasText: 'first' }).waitFor()
    await page.getByText('1 in all').first().waitFor()

    await put('msgpack', encodeMsgpack({ customer: 'ada', cents: 9007199254740993n }, {}))
    await put('json', Buffer.from('{"a":[1,{"b":null}]}'))
    await put('bytes', Buffer.of(0xff, 0xfe, 0))
    await page.locator('#records summary', { hasText: '{"customer":"ada","cents":9007199254740993}' }).waitFor()
    await page.locator('#records summary', { hasText: '{"a":[1,{"b":null}]}' }).waitFor()
    await page.locator('#records summary', { hasText: 'ff fe 00' }).waitFor()
    await page.getByText('4 in all').waitFor()

    await ask(endpoint, 'SplitShard', { StreamName: 'orders', ShardToSplit: '0', NewStartingHashKey: half })
    await page.getByText('2 open, 1 closed').waitFor()
    const boxes = await page.locator('.shard').evaluateAll((bars) =>
      bars.map((bar) => {
        const { left, top, width, bottom } = bar.getBoundingClientRect()
        return { left, top, width, bottom, isOpen: bar.classList.contains('open') }
      }),
    )
    const [parent, left, right] = boxes
    assert.ok(parent && left && right)
    assert.deepEqual([parent.isOpen, left.isOpen, right.isOpen], [false, true, true])
    assert.ok(near(left.top, parent.bottom) && near(right.top, parent.bottom), 'children stand below their parent')
    assert.ok(near(left.width, parent.width / 2) && near(right.left, left.left + left.width), 'each at its hash keys')

    const StreamARN = 'arn:aws:kinesis:us-east-1:000000000000:stream/orders'
    const { Consumer } = await ask(endpoint, 'RegisterStreamConsumer', { StreamARN, ConsumerName: 'billing' })
    await page.locator('#consumers li', { hasText: 'billing' }).getByText('listens to no shard').waitFor()
    const start1 = { ConsumerARN: Consumer.ConsumerARN, ShardId: '1', StartingPosition: { Type: 'LATEST' } }
    await using listener = await subscribed(endpoint, start1)
    await page.locator('#consumers li', { hasText: 'billing' }).getByText('listens to shard 1').waitFor()
    listener.vanish()

    await put('right', Buffer.from('in the right one'), half)
    await page.locator('.shard', { hasText: '2' }).click()
    await page.getByText('of shard 2').waitFor()
    await page.locator('#records summary', { hasText: 'in the right one' }).waitFor()
    await page.locator('#records summary', { hasText: 'first' }).waitFor({ state: 'detached' })
    assert.deepEqual(outside, [], 'everything comes from the engine')
  })

  test('shows rates of puts and gets', async () => {
    await using it = await start([{ name: 'busy', shardCount: 1 }])
    const { endpoint } = it.engine
    const Records = Array.from({ length: 500 }, () => ({ PartitionKey: 'k', Data: Buffer.alloc(100) }))
    const start1 = { StreamName: 'busy', ShardId: '0', ShardIteratorType: 'TRIM_HORIZON' }
    await it.page.goto(`${endpoint}/_triton`)
    await it.page.locator('#put-rate', { hasText: /^0\/s$/ }).waitFor()
    await using _ = repeatedly(async () => {
      await ask(endpoint, 'PutRecords', { StreamName: 'busy', Records })
      const { ShardIterator } = await ask(endpoint, 'GetShardIterator', start1)
      await ask(endpoint, 'GetRecords', { ShardIterator, Limit: 10 })
    })
    await it.page.locator('#put-rate', { hasText: /^[1-9]/ }).waitFor()
    await it.page.locator('#get-rate', { hasText: /^[1-9]/ }).waitFor()
    await it.page.locator('.shard', { hasText: /\/s/ }).waitFor()
  })

  test('shows hostile contents as the text that they are', async () => {
    await using it = await start([{ name: 'hostile', shardCount: 1 }])
    const { endpoint } = it.engine
    const { page } = it
    const contents = [hostile, JSON.stringify({ [hostile]: hostile }), `right\u202eto left\u0000`]
    for (const text of contents)
      await ask(endpoint, 'PutRecord', { StreamName: 'hostile', PartitionKey: hostile, Data: Buffer.from(text) })
    await page.goto(`${endpoint}/_triton#${new URLSearchParams({ stream: hostile })}`)
    await page.locator('#records summary', { hasText: 'right\\u202eto left\\u0000' }).waitFor()
    for (const row of await page.locator('#records details').all()) {
      await row.locator('summary').click()
      assert.ok((await row.textContent())?.includes(hostile))
    }
    assert.equal(await page.locator('#records img, #records script').count(), 0)
    assert.equal(await page.evaluate('window.pwned'), undefined)
    // And were there a hole, the browser would still run no script that is not the page's own.
    await page.evaluate(`document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.pwned=1">')`)
    await page.evaluate(`new Promise((done) => setTimeout(done))`)
    assert.equal(await page.evaluate('window.pwned'), undefined)
  })

  test('says when there is nothing to show, when a stream is gone, and when the engine is', async () => {
    await using it = await start([])
    const { endpoint } = it.engine
    const { page } = it
    await page.goto(`${endpoint}/_triton`)
    await page.getByText('No stream yet').waitFor()
    await ask(endpoint, 'CreateStream', { StreamName: 'made', ShardCount: 2 })
    await page.locator('#name', { hasText: 'made' }).waitFor()
    await ask(endpoint, 'DeleteStream', { StreamName: 'made' })
    await page.getByText('No stream yet').waitFor()
    await it.engine.close()
    await page.getByText('the engine does not answer').waitFor()
  })

  /** An engine, and a page in a browser of its own that notes what is asked for elsewhere. */
  async function start(streams: { name: string; shardCount: number }[]) {
    const engine = await startTestEngine({ streams })
    const page: Page = await browser.newPage()
    const outside: string[] = []
    page.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(engine.endpoint) && !url.startsWith('data:')) outside.push(url)
    })
    const dispose = async () => {
      await page.close()
      await engine.close()
    }
    return { engine, page, outside, [Symbol.asyncDispose]: dispose }
  }
})

async function subscribed(endpoint: string, input: object) {
  const subscription = await subscribe(endpoint, input, jsonWire)
  return { vanish: subscription.vanish, [Symbol.asyncDispose]: async () => subscription.vanish() }
}

/** Acts again and again, one after the other, until it is disposed of. */
function repeatedly(act: () => Promise<void>): AsyncDisposable {
  let isOver = false
  const acting = (async () => {
    while (!isOver) await act()
  })()
  return {
    [Symbol.asyncDispose]: () => {
      isOver = true
      return acting
    },
  }
}

function near(left: number, right: number): boolean {
  return Math.abs(left - right) < 2
}
