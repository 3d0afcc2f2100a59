/** How long the random suites run: about 1 % of their full length in `make test`, all of it in `make soak`. */

const isSoak = process.env['TRITON_SOAK'] === '1'
const chosenSeed = Number(process.env['TRITON_SEED'] ?? (isSoak ? Date.now() % 0x7fff_ffff : 20_260_101))

/** The number of runs now, of a suite whose full length is `full`; never fewer than `least`. */
export function runs(full: number, least = 20): number {
  return isSoak ? full : Math.min(full, Math.max(least, Math.ceil(full / 100)))
}

/** How long something lasts, in milliseconds: its full length, or as much of it as tells the same in `make test`. */
export function lasts(fullMs: number, shortMs: number): number {
  return isSoak ? fullMs : shortMs
}

/** The seed of this run; `TRITON_SEED=<n>` repeats one. */
export function seed(): number {
  if (!isPrinted) console.log(`seed ${chosenSeed} (TRITON_SEED=${chosenSeed} repeats this run)`)
  isPrinted = true
  return chosenSeed
}

let isPrinted = false
