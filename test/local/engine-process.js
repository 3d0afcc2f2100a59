/**
 * An engine in a process of its own, to be killed: `engine-process.js MODULE DIR [options as JSON]`. Tells its endpoint,
 * and on each message how many bytes of memory it has.
 */
const [, , module, dataDir = '', options = '{}'] = process.argv
const { startLocalEngine } = await import(module)
const instant = { createStreamMs: 0, updateStreamMs: 0, deleteStreamMs: 0 }
const engine = await startLocalEngine({ dataDir, ...instant, ...JSON.parse(options) })
process.send?.(engine.endpoint)
process.on('message', () => process.send?.(process.memoryUsage.rss()))
process.on('disconnect', () => process.exit())
