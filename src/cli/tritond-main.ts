import { runTritond } from './tritond.ts'

// Our programs hush the SDK's note about old Node versions; the library leaves the user's environment alone.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
// What nobody listens to any more is no reason to end.
process.stderr.on('error', () => undefined)
process.exit(await runTritond(process.argv.slice(2)))
