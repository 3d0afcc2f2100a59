/**
 * The text of a float, always recognizable as one: `3.0`, `-0.0`, `1e+22`, `1e-07`. These are the shortest digits that
 * read back as the same number, laid out as Python's `repr` does, so that the programs' texts can be compared.
 * NaN and infinities have no such text: callers handle them before.
 */
export function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const text = String(value)
  const magnitude = Math.abs(value)
  // In this range JavaScript and Python lay digits out alike, but for the `.0`.
  if (magnitude >= 1e-4 && magnitude < 1e16) return Number.isInteger(value) ? `${text}.0` : text
  if (magnitude === 0) return '0.0'
  return layOut(value.toExponential(), 16)
}

/**
 * Python 2's `str(float)`: twelve significant digits, an exponent below 1e-4 and from 1e11 on; `nan`, `inf`, `-inf`.
 * (Objects/floatobject.c: format code 'g' with precision 12 and Py_DTSF_ADD_DOT_0.)
 */
export function python2FloatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [, even = '', exponentText = ''] = halfway.exec(value.toExponential(60)) ?? []
  if (even === '') return layOut(value.toExponential(11).replace(trailingZeros, ''), 11)
  // C's dtoa strips no zeros where it rounds a halfway integer down.
  return layOut((Number.isInteger(value) ? even : even.replace(/\.?0+$/, '')) + exponentText, 11)
}

/** Halfway between two candidates C takes the one with the even last digit, JavaScript the larger: the even one is less. */
const halfway = /^(-?\d\.\d{10}[02468])50+(e.+)$/
const trailingZeros = /\.?0+(?=e)/

/** Python 2.7's `repr(float)`, as it stands inside the text of a list or dict. */
export function pythonFloatRepr(value: number): string {
  return Number.isFinite(value) ? floatText(value) : python2FloatText(value)
}

/** `d.ddde±x` -> Python's layout: exponent of two digits at least, used below 1e-4 and from 10^`firstExponent` on. */
function layOut(exponential: string, firstExponent: number): string {
  const [mantissa = '', exponentText = ''] = exponential.split('e')
  const exponent = Number(exponentText)
  const sign = mantissa.startsWith('-') ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < -4 || exponent >= firstExponent) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
    const width = String(Math.abs(exponent)).padStart(2, '0')
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? '-' : '+'}${width}`
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}
