/**
 * What an operation takes, as data: the service model's shapes with their constraints. `readInput` checks types by
 * them, `checkConstraints` constraints, and `InputOf` gives the TypeScript type of a checked input.
 */
export type Shape =
  | StringShape
  | IntegerShape
  | BooleanShape
  | BlobShape
  | TimestampShape
  | ListShape
  | MapShape
  | StructureShape

interface Member {
  /** Absent or null is a violation. */
  readonly required?: boolean
  /** As `required`, unless this holds for the members beside it. */
  readonly requiredUnless?: (siblings: ReadonlyMap<string, unknown>) => boolean
}

export interface StringShape extends Member {
  readonly type: 'String'
  /** Must match as a whole. Printed as it stands. */
  readonly pattern?: string
  /** In Unicode code points. */
  readonly minLength?: number
  readonly maxLength?: number
  /** All that are allowed, in the order in which the message lists them. */
  readonly values?: readonly string[]
}

export interface IntegerShape extends Member {
  readonly type: 'Integer' | 'Long'
  readonly min?: number
  readonly max?: number
  readonly legacy?: Pick<IntegerShape, 'required' | 'min' | 'max'>
}

export interface BooleanShape extends Member {
  readonly type: 'Boolean'
}

export interface BlobShape extends Member {
  readonly type: 'Blob'
  /** In bytes, decoded. */
  readonly maxLength?: number
  readonly legacy?: Pick<BlobShape, 'maxLength'>
}

/** Read as epoch milliseconds. */
export interface TimestampShape extends Member {
  readonly type: 'Timestamp'
}

export interface ListShape extends Member {
  readonly type: 'List'
  readonly member: Shape
  readonly minLength?: number
  readonly maxLength?: number
  /** How messages print a member that is not a scalar. */
  readonly memberText?: string
  readonly legacy?: Pick<ListShape, 'maxLength'>
}

/** Keys and values are strings. */
export interface MapShape extends Member {
  readonly type: 'Map'
  readonly minLength?: number
  readonly maxLength?: number
  readonly keyLengths: readonly [min: number, max: number]
  readonly valueLengths: readonly [min: number, max: number]
  readonly legacy?: Pick<MapShape, 'maxLength'>
}

export interface StructureShape extends Member {
  readonly type: 'Structure'
  readonly members: Readonly<Record<string, Shape>>
}

/** The type of an input that fulfils the shape. */
export type InputOf<S extends StructureShape> = {
  readonly [K in keyof S['members'] as S['members'][K] extends { required: true } ? K : never]: ValueOf<S['members'][K]>
} & {
  readonly [K in keyof S['members'] as S['members'][K] extends { required: true } ? never : K]?: ValueOf<
    S['members'][K]
  >
}

export type ValueOf<S extends Shape> = S extends StringShape
  ? S extends { values: readonly (infer V)[] }
    ? V
    : string
  : S extends IntegerShape | TimestampShape
    ? number
    : S extends BooleanShape
      ? boolean
      : S extends BlobShape
        ? Buffer
        : S extends ListShape
          ? ValueOf<S['member']>[]
          : S extends MapShape
            ? Map<string, string>
            : S extends StructureShape
              ? InputOf<S>
              : never

/** The shape with every `legacy` constraint in force: the limits of Kinesis as kinesalite's suite knew them. */
export function withLegacyLimits<S extends Shape>(shape: S): S {
  const strict = 'legacy' in shape && shape.legacy !== undefined ? { ...shape, ...shape.legacy } : shape
  if (strict.type === 'List') return { ...strict, member: withLegacyLimits(strict.member) }
  if (strict.type !== 'Structure') return strict
  const members = Object.entries(strict.members).map(([name, member]) => [name, withLegacyLimits(member)] as const)
  return { ...strict, members: Object.fromEntries(members) }
}
