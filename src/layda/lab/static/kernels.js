// One loop for every operation and kind of operand: `LS` takes a lane's numbers and one number for all lanes.
// Each is written out, because a loop over a function that is given sees all of them and becomes slow. The most frequent
// ones take four lanes at a time; n is a multiple of four, and what lies behind the last lane is nobody's.

import * as functions from "./functions.js";
import { bit, exponent, scale } from "./numbers.js";

/** @typedef {(n: number, o: Float64Array, a: any, b: any, c: any) => void} Kernel */

/* prettier-ignore */
/** @type {Record<string, Kernel>} */
export const KERNELS = {
  addLL: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] + b[i]; o[i + 1] = a[i + 1] + b[i + 1]; o[i + 2] = a[i + 2] + b[i + 2]; o[i + 3] = a[i + 3] + b[i + 3]; } },
  addLS: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] + b; o[i + 1] = a[i + 1] + b; o[i + 2] = a[i + 2] + b; o[i + 3] = a[i + 3] + b; } },
  addSL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a + b[i]; },
  subLL: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] - b[i]; o[i + 1] = a[i + 1] - b[i + 1]; o[i + 2] = a[i + 2] - b[i + 2]; o[i + 3] = a[i + 3] - b[i + 3]; } },
  subLS: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] - b; o[i + 1] = a[i + 1] - b; o[i + 2] = a[i + 2] - b; o[i + 3] = a[i + 3] - b; } },
  subSL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a - b[i]; },
  mulLL: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] * b[i]; o[i + 1] = a[i + 1] * b[i + 1]; o[i + 2] = a[i + 2] * b[i + 2]; o[i + 3] = a[i + 3] * b[i + 3]; } },
  mulLS: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] * b; o[i + 1] = a[i + 1] * b; o[i + 2] = a[i + 2] * b; o[i + 3] = a[i + 3] * b; } },
  mulSL: (n, o, a, b) => { for (let i = 0; i < n; i += 4) { o[i] = a * b[i]; o[i + 1] = a * b[i + 1]; o[i + 2] = a * b[i + 2]; o[i + 3] = a * b[i + 3]; } },
  divLL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] / b[i]; },
  divLS: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] / b; },
  divSL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a / b[i]; },
  negL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = -a[i]; },
  absL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = Math.abs(a[i]); },
  sqrtL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = Math.sqrt(a[i]); },
  floorL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = Math.floor(a[i]); },
  ltLL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] < b[i] ? 1 : 0; },
  ltLS: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] < b ? 1 : 0; },
  ltSL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a < b[i] ? 1 : 0; },
  leLL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] <= b[i] ? 1 : 0; },
  leLS: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] <= b ? 1 : 0; },
  leSL: (n, o, a, b) => { for (let i = 0; i < n; i++) o[i] = a <= b[i] ? 1 : 0; },
  selectLLL: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b[i] : c[i]; },
  selectLLS: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b[i] : c; },
  selectLSL: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b : c[i]; },
  selectLSS: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b : c; },
  sinL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = functions.sin(a[i]); },
  cosL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = functions.cos(a[i]); },
  expL: (n, o, a) => { for (let i = 0; i < n; i++) o[i] = functions.exp(a[i]); },
  // a·b + c and c − a·b, rounded twice as the two operations are.
  mulAddLLL: (n, o, a, b, c) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] * b[i] + c[i]; o[i + 1] = a[i + 1] * b[i + 1] + c[i + 1]; o[i + 2] = a[i + 2] * b[i + 2] + c[i + 2]; o[i + 3] = a[i + 3] * b[i + 3] + c[i + 3]; } },
  mulAddLLS: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b[i] + c; },
  mulAddLSL: (n, o, a, b, c) => { for (let i = 0; i < n; i += 4) { o[i] = a[i] * b + c[i]; o[i + 1] = a[i + 1] * b + c[i + 1]; o[i + 2] = a[i + 2] * b + c[i + 2]; o[i + 3] = a[i + 3] * b + c[i + 3]; } },
  mulAddLSS: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b + c; },
  mulSubLLL: (n, o, a, b, c) => { for (let i = 0; i < n; i++) o[i] = c[i] - a[i] * b[i]; },
  mulSubLSL: (n, o, a, b, c) => { for (let i = 0; i < n; i += 4) { o[i] = c[i] - a[i] * b; o[i + 1] = c[i + 1] - a[i + 1] * b; o[i + 2] = c[i + 2] - a[i + 2] * b; o[i + 3] = c[i + 3] - a[i + 3] * b; } },
};

const OTHERS = /** @type {Record<string, (a: number, b: number, c: number) => number>} */ ({
  ...functions, scale, exponent, bit: (a, b) => (bit(a, b) ? 1 : 0), eq: (a, b) => (a === b ? 1 : 0),
  and: (a, b) => (a !== 0 && b !== 0 ? 1 : 0), or: (a, b) => (a !== 0 || b !== 0 ? 1 : 0), not: (a) => (a !== 0 ? 0 : 1),
  select: (a, b, c) => (a !== 0 ? b : c),
});

/**
 * The loop of an operation; those that are rare or long share one.
 * @param {string} operation @param {string} kinds such as "LS"
 * @returns {Kernel}
 */
export function kernelOf(operation, kinds) {
  const found = KERNELS[operation + kinds];
  if (found) return found;
  const f = OTHERS[operation], [la, lb, lc] = [...kinds].map((kind) => kind === "L");
  return (n, o, a, b, c) => {
    for (let i = 0; i < n; i++) o[i] = f(la ? a[i] : a, lb ? b[i] : b, lc ? c[i] : c);
  };
}
