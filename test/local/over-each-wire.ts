import { describe, type TestContext, test } from 'node:test'
import { runOverWire, type Wire, wires } from './wire-client.ts'

/** As `test` of node:test. */
export type WireTest = (name: string, tell: (context: TestContext) => Promise<void> | void) => void

/**
 * A part of the specification, checked over every wire: each test is run once for each, and what it asks without
 * naming a wire goes over that one.
 */
export function overEachWire(section: string, define: (test: WireTest, wire: Wire) => void): void {
  for (const wire of wires)
    describe(`${section}, over ${wire.name}`, () => {
      define((name, tell) => {
        test(name, (context) => runOverWire(wire, () => tell(context)))
      }, wire)
    })
}
