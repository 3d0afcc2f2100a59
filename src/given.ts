/** The options without those that are undefined: who passes `undefined` on has given nothing, and gets the default. */
export function given<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}
