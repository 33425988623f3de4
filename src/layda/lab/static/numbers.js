// The operations that JavaScript lacks, exactly as Python's programs define them.

const POWERS = new Float64Array(2045);
POWERS[1022] = 1;
for (let k = 1; k <= 1022; k++) { // by doubling and halving, which is exact; Math.pow need not be
  POWERS[1022 + k] = POWERS[1021 + k] * 2;
  POWERS[1022 - k] = POWERS[1023 - k] * 0.5;
}

const BITS = new DataView(new ArrayBuffer(8));

/**
 * a · 2^k for a whole number k from −2044 to 2044, as (a·2^⌊k/2⌋)·2^(k − ⌊k/2⌋); NaN elsewhere.
 * @param {number} a
 * @param {number} k
 * @returns {number}
 */
export function scale(a, k) {
  if (!(k >= -2044 && k <= 2044)) return NaN;
  const half = Math.floor(k * 0.5);
  return (a * POWERS[half + 1022]) * POWERS[Math.trunc(k) - half + 1022];
}

/**
 * ⌊log2 |a|⌋ exactly; 0 for 0 and for what is not finite.
 * @param {number} a
 * @returns {number}
 */
export function exponent(a) {
  if (a - a !== 0 || a === 0) return 0;
  BITS.setFloat64(0, a);
  const field = (BITS.getUint16(0) >> 4) & 2047;
  if (field > 0) return field - 1023;
  BITS.setFloat64(0, a * 18014398509481984); // a subnormal number: 2^54 makes it a normal one
  return ((BITS.getUint16(0) >> 4) & 2047) - 1077;
}

/**
 * Whether bit `place` of the whole number a is set, in two's complement; |a| < 2^51.
 * @param {number} a
 * @param {number} place
 * @returns {boolean}
 */
export function bit(a, place) {
  if (a > -2147483649 && a < 2147483648 && place < 31) return (((a | 0) >> place) & 1) === 1; // as nearly always
  if (!(a > -2251799813685248 && a < 2251799813685248)) return false;
  return Math.abs(Math.floor(Math.trunc(a) / POWERS[place + 1022]) % 2) === 1;
}

/**
 * A number of a scene: those that are not finite come as words.
 * @param {number | string} value
 * @returns {number}
 */
export function number(value) {
  return typeof value === "number" ? value : value === "Infinity" ? Infinity : value === "-Infinity" ? -Infinity : NaN;
}
