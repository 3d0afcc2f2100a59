/** The choice that a typing error could have turned into `given`: at most a third of its letters differ. */
export function closest(given: string, choices: readonly string[]): string | undefined {
  const wanted = plain(given)
  let best: string | undefined
  let bestDistance = Math.floor(wanted.length / 3) + 1
  for (const choice of choices) {
    const distance = editDistance(wanted, plain(choice))
    if (distance < bestDistance) {
      best = choice
      bestDistance = distance
    }
  }
  return best
}

/** `My-Stream` and `my_stream` are the same to who types them. */
function plain(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[-_. ]/g, '')
    .slice(0, 64)
}

/** Levenshtein's distance, one row at a time. */
function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const change = left[row - 1] === right[column - 1] ? 0 : 1
      current[column] = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + change,
      )
    }
    previous = current
  }
  return previous[right.length] ?? 0
}
