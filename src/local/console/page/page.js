// @ts-check
/**
 * The page at /_triton: asks the engine once a second what there is, and shows it. Everything that comes from a stream is
 * written as text (`textContent`), never as HTML.
 *
 * @import { EngineView, StreamLine, StreamView, ShardView, ConsumerView } from '../engine-view.ts'
 * @import { ShownRecord } from '../latest-records.ts'
 */

const everyMs = 1000
const historyLength = 120
const rowHeight = 38

/** @type {{ atMs: number, view: EngineView } | undefined} */
let previous
/** Put and get rates of the stream that is shown, latest last. @type {{ stream: string, put: number[], get: number[] }} */
let history = { stream: '', put: [], get: [] }
/** Counts at the last look, by stream and shard, from which rates are made. @type {Map<string, number>} */
let shardPuts = new Map()
/** @type {AbortController | undefined} */
let asking

addEventListener('hashchange', () => void look())
document.addEventListener('visibilitychange', () => void look())
void keepLooking()

async function keepLooking() {
  for (;;) {
    if (!document.hidden) await look()
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

/** One look at the engine; a second one that begins meanwhile takes its place. */
async function look() {
  asking?.abort()
  const mine = new AbortController()
  asking = mine
  const { stream, shard } = chosen()
  const query = new URLSearchParams({ ...(stream && { stream }), ...(shard && { shard }) })
  try {
    const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(10_000)])
    const answer = await fetch(`/_triton/view?${query}`, { signal })
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    const view = /** @type {EngineView} */ (await answer.json())
    if (mine.signal.aborted) return
    show(view)
    document.body.classList.remove('lost')
    write('pulse', 'live')
  } catch {
    if (mine.signal.aborted) return
    document.body.classList.add('lost')
    write('pulse', 'the engine does not answer; asking again')
  }
}

/** What the address says after `#`: a stream, and perhaps one of its shards. */
function chosen() {
  const given = new URLSearchParams(location.hash.slice(1))
  return { stream: given.get('stream') ?? '', shard: given.get('shard') ?? '' }
}

/** @param {string} stream @param {string} [shard] */
function hashOf(stream, shard) {
  return `#${new URLSearchParams({ stream, ...(shard && { shard }) })}`
}

/** @param {EngineView} view */
function show(view) {
  write('place', `${view.region} · account ${view.account}`)
  showStreams(view)
  element('nothing').hidden = view.streamCount > 0
  element('stream').hidden = view.stream === undefined
  if (view.stream !== undefined) showStream(view.stream, view)
  previous = { atMs: view.atMs, view }
  const [first] = view.streams.toSorted((left, right) => right.putRecords - left.putRecords)
  // The busiest, also when the one that was chosen is gone.
  if (view.stream === undefined && first !== undefined) location.replace(hashOf(first.name))
}

/** @param {EngineView} view */
function showStreams(view) {
  const { stream: current } = chosen()
  write('stream-count', view.streamCount > 0 ? String(view.streamCount) : '')
  sync(
    element('streams'),
    view.streams,
    (line) => line.name,
    makeStreamLine,
    (item, line) => {
      const link = /** @type {HTMLAnchorElement} */ (item.firstElementChild)
      if (line.name === current) link.setAttribute('aria-current', 'true')
      else link.removeAttribute('aria-current')
      const put = rateOf(view, line, 'putRecords')
      const shards = `${line.openShardCount} ${line.openShardCount === 1 ? 'shard' : 'shards'}`
      const state = line.status === 'ACTIVE' ? `${amount(put)}/s` : line.status.toLowerCase()
      setText(link.querySelector('small'), `${shards} · ${state}`)
    },
  )
  const missing = view.streamCount - view.streams.length
  element('streams-more').hidden = missing <= 0
  write('streams-more', `and ${missing} more`)
}

/** @param {StreamLine} line */
function makeStreamLine(line) {
  const name = make('b', '', line.name)
  name.title = line.name
  const link = make('a', '', name, make('small'))
  link.href = hashOf(line.name)
  return make('li', '', link)
}

/** @param {StreamView} stream @param {EngineView} view */
function showStream(stream, view) {
  document.title = `${stream.name} · Kinesis, local`
  write('name', stream.name)
  element('name').title = stream.arn
  const facts = [
    stream.mode === 'ON_DEMAND' ? 'on demand' : 'provisioned',
    `kept for ${hours(stream.retentionHours)}`,
    ...(stream.isEncrypted ? ['encrypted'] : []),
    `since ${new Date(stream.createdMs).toLocaleString()}`,
  ]
  const status = make('span', stream.status === 'ACTIVE' ? '' : 'busy', stream.status.toLowerCase())
  element('facts').replaceChildren(status, ...facts.map((fact) => make('span', '', fact)))
  showRates(stream, view)
  showShards(stream, view)
  showConsumers(stream)
  showRecords(stream)
}

/** @param {StreamView} stream @param {EngineView} view */
function showRates(stream, view) {
  if (history.stream !== stream.name) history = { stream: stream.name, put: [], get: [] }
  const line = view.streams.find(({ name }) => name === stream.name)
  if (line === undefined) return
  const put = rateOf(view, line, 'putRecords')
  const get = rateOf(view, line, 'getRecords')
  history.put = [...history.put, put].slice(-historyLength)
  history.get = [...history.get, get].slice(-historyLength)
  write('put-rate', `${amount(put)}/s`)
  write('get-rate', `${amount(get)}/s`)
  write('put-bytes', `${bytes(rateOf(view, line, 'putBytes'))}/s · ${amount(line.putRecords)} in all`)
  write('get-bytes', `${bytes(rateOf(view, line, 'getBytes'))}/s · ${amount(line.getRecords)} in all`)
  drawChart(element('put-chart'), history.put)
  drawChart(element('get-chart'), history.get)
}

/** @param {Element} chart @param {number[]} values */
function drawChart(chart, values) {
  const top = Math.max(1, ...values)
  const points = values.map((value, at) => {
    const x = historyLength - values.length + at + 1
    return `${x.toFixed(1)},${(31 - (value / top) * 27).toFixed(2)}`
  })
  const line = points.length > 1 ? `M${points.join('L')}` : ''
  chart.querySelector('.line')?.setAttribute('d', line)
  const left = historyLength - values.length + 1
  chart.querySelector('.area')?.setAttribute('d', line && `${line}L${historyLength},32L${left},32Z`)
}

/**
 * Hash keys run from left to right, generations from top to bottom: a shard stands below its parents, and one that is
 * open reaches the ground.
 *
 * @param {StreamView} stream @param {EngineView} view
 */
function showShards(stream, view) {
  const box = element('shards')
  const open = stream.openShardCount
  const closed = stream.shardCount - open
  const hidden = stream.shardCount - stream.shards.length
  write('shard-count', `${open} open${closed ? `, ${closed} closed` : ''}${hidden ? ` (${hidden} not shown)` : ''}`)
  const { depth, until, depthCount } = placeShards(stream.shards)
  box.style.height = `${Math.max(2, depthCount) * rowHeight}px`
  const rows = Math.max(2, depthCount)
  const rates = shardRates(stream, view)
  const busiest = Math.max(1, ...rates.values())
  const width = box.clientWidth
  const { shard: pressed } = chosen()
  const makeShard = () => make('button', 'shard', make('span'), make('span'))
  sync(
    box,
    stream.shards,
    (shard) => `${stream.name}/${shard.index}`,
    makeShard,
    (button, shard) => {
      const top = depth.get(shard.index) ?? 0
      const bottom = shard.isOpen ? rows : (until.get(shard.index) ?? top + 1)
      const rate = rates.get(shard.index) ?? 0
      button.classList.toggle('open', shard.isOpen)
      button.classList.toggle('narrow', (shard.to - shard.from) * width < 44)
      button.style.left = `${shard.from * 100}%`
      button.style.width = `${(shard.to - shard.from) * 100}%`
      button.style.top = `${top * rowHeight}px`
      button.style.height = `${(bottom - top) * rowHeight}px`
      button.style.setProperty('--share', shard.isOpen ? String(rate / busiest) : '0')
      button.setAttribute('aria-pressed', String(pressed === String(shard.index)))
      setText(button.children[0] ?? null, String(shard.index))
      setText(button.children[1] ?? null, shard.isOpen && rate > 0 ? `${amount(rate)}/s` : '')
      button.title = [
        `${shard.id}, ${shard.isOpen ? 'open' : 'closed'}`,
        `hash keys ${shard.startingHashKey} to ${shard.endingHashKey}`,
        ...(shard.parents.length ? [`from ${shard.parents.join(' and ')}`] : []),
        `${amount(shard.putRecords)} records put, ${amount(shard.getRecords)} got`,
      ].join('\n')
      button.onclick = () => {
        const isPressed = chosen().shard === String(shard.index)
        location.replace(hashOf(stream.name, isPressed ? undefined : String(shard.index)))
      }
    },
  )
}

/** In which row each shard begins, and before which row a closed one ends. @param {ShardView[]} shards */
function placeShards(shards) {
  /** @type {Map<number, number>} */
  const depth = new Map()
  /** @type {Map<number, number>} */
  const until = new Map()
  let depthCount = 1
  // Parents have smaller indexes than their children.
  for (const shard of shards) {
    const parents = shard.parents.filter((index) => depth.has(index))
    const row = Math.max(-1, ...parents.map((index) => depth.get(index) ?? 0)) + 1
    depth.set(shard.index, row)
    depthCount = Math.max(depthCount, row + 1)
    for (const index of parents) until.set(index, Math.min(until.get(index) ?? row, row))
  }
  return { depth, until, depthCount }
}

/** Records put a second, by shard. @param {StreamView} stream @param {EngineView} view */
function shardRates(stream, view) {
  const seconds = secondsSince(view)
  /** @type {Map<number, number>} */
  const rates = new Map()
  const puts = new Map()
  for (const shard of stream.shards) {
    const key = `${stream.name}/${shard.index}`
    const before = shardPuts.get(key)
    puts.set(key, shard.putRecords)
    if (before !== undefined && seconds > 0) rates.set(shard.index, Math.max(0, shard.putRecords - before) / seconds)
  }
  shardPuts = puts
  return rates
}

/** @param {StreamView} stream */
function showConsumers(stream) {
  write('consumer-count', stream.consumers.length > 0 ? String(stream.consumers.length) : 'none registered')
  const makeConsumer = () => make('li', '', make('b'), make('small'))
  sync(
    element('consumers'),
    stream.consumers,
    (consumer) => consumer.arn,
    makeConsumer,
    (item, consumer) => {
      setText(item.children[0] ?? null, consumer.name)
      setText(item.children[1] ?? null, consumerText(consumer))
    },
  )
}

/** @param {ConsumerView} consumer */
function consumerText({ status, shardIndexes }) {
  if (status !== 'ACTIVE') return status.toLowerCase()
  if (shardIndexes.length === 0) return 'listens to no shard'
  const shown = shardIndexes.slice(0, 12).join(', ')
  const more = shardIndexes.length > 12 ? ` and ${shardIndexes.length - 12} more` : ''
  return `listens to ${shardIndexes.length === 1 ? 'shard' : 'shards'} ${shown}${more}`
}

/** @param {StreamView} stream */
function showRecords(stream) {
  const { shard } = chosen()
  const list = element('records')
  const scope = shard === '' ? '' : `of shard ${shard}`
  // Who reads one does not want it to run away.
  const isHeld = list.querySelector('details[open]') !== null && list.dataset['scope'] === `${stream.name}/${shard}`
  write('record-scope', isHeld ? `${scope} held while one is open` : scope)
  if (isHeld) return
  list.dataset['scope'] = `${stream.name}/${shard}`
  const keyOf = (/** @type {ShownRecord} */ record) => `${stream.name}/${record.sequenceNumber}`
  const known = new Set([...list.children].map((row) => /** @type {HTMLElement} */ (row).dataset['key']))
  const newCount = stream.records.filter((record) => !known.has(keyOf(record))).length
  // A glow for single ones; where all are new in every look, calm.
  const isFresh = known.size > 0 && newCount <= 5
  sync(
    list,
    stream.records,
    keyOf,
    (record) => makeRecord(record, isFresh),
    () => undefined,
  )
}

/** A record never changes. @param {ShownRecord} record @param {boolean} isFresh */
function makeRecord(record, isFresh) {
  const { kind, text, byteCount, isCut } = record
  const cell = (/** @type {string} */ name, /** @type {string} */ content) => {
    const span = make('span', name, content)
    span.dir = 'auto'
    return span
  }
  const time = new Date(record.arrivedMs)
  const summary = make(
    'summary',
    '',
    cell(
      'time',
      `${time.toLocaleTimeString([], { hour12: false })}.${String(time.getMilliseconds()).padStart(3, '0')}`,
    ),
    cell('shard-number', String(Number(record.shardId.slice(-12)))),
    cell('key', record.partitionKey ?? ''),
    cell('kind', kind),
    cell('data', text),
  )
  const about = [
    record.shardId,
    record.sequenceNumber,
    time.toISOString(),
    `${bytes(byteCount)}${isCut ? ', shown in part' : ''}`,
  ].join('  ')
  const key = record.partitionKey === undefined ? 'no partition key' : `key ${record.partitionKey}`
  const whole = make('pre', '', `${about}\n${key}\n\n${kind === 'json' || kind === 'msgpack' ? indented(text) : text}`)
  return make('details', `kind-${kind}${isFresh ? ' fresh' : ''}`, summary, whole)
}

/** Only where it stays the same record: parsing and writing again would lose digits of some. @param {string} text */
function indented(text) {
  try {
    const value = JSON.parse(text)
    return JSON.stringify(value) === text ? JSON.stringify(value, null, 2) : text
  } catch {
    return text
  }
}

/**
 * How much a count has grown a second since the last look.
 *
 * @param {EngineView} view @param {StreamLine} line
 * @param {'putRecords' | 'putBytes' | 'getRecords' | 'getBytes'} count
 */
function rateOf(view, line, count) {
  const before = previous?.view.streams.find(({ name }) => name === line.name)
  const seconds = secondsSince(view)
  // A count that fell belongs to an engine that was started again, or to a new stream of the name.
  return before === undefined || seconds <= 0 ? 0 : Math.max(0, line[count] - before[count]) / seconds
}

/** @param {EngineView} view */
function secondsSince(view) {
  return previous === undefined ? 0 : (view.atMs - previous.atMs) / 1000
}

/**
 * Makes the children of a list be what the items are, keeping those that are there already, and with them what a
 * person has opened or selected.
 *
 * @template Item
 * @template {HTMLElement} Node
 * @param {HTMLElement} list
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Node} create
 * @param {(node: Node, item: Item) => void} update
 */
function sync(list, items, keyOf, create, update) {
  const known = new Map(
    [...list.children].map((child) => [/** @type {Node} */ (child).dataset['key'], /** @type {Node} */ (child)]),
  )
  /** @type {Element | null} */
  let place = list.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let node = known.get(key)
    known.delete(key)
    if (node === undefined) {
      node = create(item)
      node.dataset['key'] = key
    }
    update(node, item)
    if (node === place) place = place.nextElementSibling
    else list.insertBefore(node, place)
  }
  for (const gone of known.values()) gone.remove()
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} [className] @param {(HTMLElement | string)[]} content
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, className = '', ...content) {
  const node = document.createElement(tag)
  if (className !== '') node.className = className
  node.append(...content)
  return node
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id))
}

/** @param {string} id @param {string} text */
function write(id, text) {
  setText(element(id), text)
}

/** @param {Element | null} node @param {string} text */
function setText(node, text) {
  if (node !== null && node.textContent !== text) node.textContent = text
}

/** @param {number} value */
function amount(value) {
  if (value >= 1_000_000) return `${(value / 1_000_000).toFixed(value < 10_000_000 ? 2 : 1)} M`
  if (value >= 10_000) return `${Math.round(value / 1000)} k`
  if (value >= 10 || Number.isInteger(value)) return Math.round(value).toLocaleString('en')
  return value.toFixed(1)
}

/** @param {number} value */
function bytes(value) {
  if (value >= 1024 * 1024) return `${(value / 1024 / 1024).toFixed(1)} MiB`
  if (value >= 1024) return `${(value / 1024).toFixed(value < 10_240 ? 1 : 0)} KiB`
  return `${Math.round(value)} B`
}

/** @param {number} value */
function hours(value) {
  return value % 24 === 0 && value > 24 ? `${value / 24} days` : `${value} hours`
}
