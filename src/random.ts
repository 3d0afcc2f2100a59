/** Chance as an argument: production passes `systemRandom`, tests a seeded one. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
}

export const systemRandom: Random = { next: () => Math.random() }

/** The same seed gives the same numbers on every machine: a failing run is repeated by its printed seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0
      let mixed = Math.imul(state ^ (state >>> 15), state | 1)
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
    },
  }
}

/** A whole number in [0, below). */
export function randomInteger(random: Random, below: number): number {
  return Math.floor(random.next() * below)
}
