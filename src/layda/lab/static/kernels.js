// Loops over lanes, one for each operation and each way of mixing lanes (v) with numbers that all lanes share (s).
// Every loop stands by itself, so that the browser compiles it for its one operation. The busiest ones go four lanes at a
// time, which takes a third less, and so up to three lanes beyond the last; nobody reads those.

import * as named from "./functions.js";
import { bit, exponent, scale } from "./numbers.js";

/**
 * o = operation(a, b, c) for the first n lanes. What is not here with its mixture is done by the loop for lanes alone.
 * @type {Record<string, (o: Float64Array, n: number, a: any, b?: any, c?: any) => void>}
 */
export const KERNELS = {
  add_vv: (o, n, a, b) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] + b[i];
      o[i + 1] = a[i + 1] + b[i + 1];
      o[i + 2] = a[i + 2] + b[i + 2];
      o[i + 3] = a[i + 3] + b[i + 3];
    }
  },
  add_vs: (o, n, a, b) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] + b;
      o[i + 1] = a[i + 1] + b;
      o[i + 2] = a[i + 2] + b;
      o[i + 3] = a[i + 3] + b;
    }
  },
  sub_vv: (o, n, a, b) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] - b[i];
      o[i + 1] = a[i + 1] - b[i + 1];
      o[i + 2] = a[i + 2] - b[i + 2];
      o[i + 3] = a[i + 3] - b[i + 3];
    }
  },
  sub_vs: (o, n, a, b) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] - b;
      o[i + 1] = a[i + 1] - b;
      o[i + 2] = a[i + 2] - b;
      o[i + 3] = a[i + 3] - b;
    }
  },
  sub_sv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a - b[i]; },
  mul_vv: (o, n, a, b) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] * b[i];
      o[i + 1] = a[i + 1] * b[i + 1];
      o[i + 2] = a[i + 2] * b[i + 2];
      o[i + 3] = a[i + 3] * b[i + 3];
    }
  },
  mul_vs: (o, n, a, b) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] * b;
      o[i + 1] = a[i + 1] * b;
      o[i + 2] = a[i + 2] * b;
      o[i + 3] = a[i + 3] * b;
    }
  },
  div_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] / b[i]; },
  div_vs: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] / b; },
  div_sv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a / b[i]; },
  neg_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = -a[i]; },
  abs_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = Math.abs(a[i]); },
  sqrt_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = Math.sqrt(a[i]); },
  floor_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = Math.floor(a[i]); },
  lt_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] < b[i] ? 1 : 0; },
  lt_vs: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] < b ? 1 : 0; },
  lt_sv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a < b[i] ? 1 : 0; },
  le_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] <= b[i] ? 1 : 0; },
  le_vs: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] <= b ? 1 : 0; },
  le_sv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a <= b[i] ? 1 : 0; },
  eq_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] === b[i] ? 1 : 0; },
  eq_vs: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] === b ? 1 : 0; },
  bit_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = bit(a[i], b[i]) ? 1 : 0; },
  and_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 && b[i] !== 0 ? 1 : 0; },
  or_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 || b[i] !== 0 ? 1 : 0; },
  not_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? 0 : 1; },
  select_vvv: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b[i] : c[i]; },
  select_vvs: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b[i] : c; },
  select_vsv: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b : c[i]; },
  select_vss: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] !== 0 ? b : c; },
  scale_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = scale(a[i], b[i]); },
  exponent_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = exponent(a[i]); },
  sin_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.sin(a[i]); },
  cos_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.cos(a[i]); },
  tan_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.tan(a[i]); },
  arctan_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.arctan(a[i]); },
  exp_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.exp(a[i]); },
  log_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.log(a[i]); },
  sinh_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.sinh(a[i]); },
  cosh_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.cosh(a[i]); },
  tanh_v: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = named.tanh(a[i]); },
  power_vv: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = named.power(a[i], b[i]); },
  power_vs: (o, n, a, b) => { for (let i = 0; i < n; i++) o[i] = named.power(a[i], b); },
  // A product and a sum in one go, each rounded: the bits of the two lines.
  muladd_vvv: (o, n, a, b, c) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] * b[i] + c[i];
      o[i + 1] = a[i + 1] * b[i + 1] + c[i + 1];
      o[i + 2] = a[i + 2] * b[i + 2] + c[i + 2];
      o[i + 3] = a[i + 3] * b[i + 3] + c[i + 3];
    }
  },
  muladd_vvs: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b[i] + c; },
  muladd_vsv: (o, n, a, b, c) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] * b + c[i];
      o[i + 1] = a[i + 1] * b + c[i + 1];
      o[i + 2] = a[i + 2] * b + c[i + 2];
      o[i + 3] = a[i + 3] * b + c[i + 3];
    }
  },
  muladd_vss: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b + c; },
  mulsub_vvv: (o, n, a, b, c) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = a[i] * b[i] - c[i];
      o[i + 1] = a[i + 1] * b[i + 1] - c[i + 1];
      o[i + 2] = a[i + 2] * b[i + 2] - c[i + 2];
      o[i + 3] = a[i + 3] * b[i + 3] - c[i + 3];
    }
  },
  mulsub_vvs: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b[i] - c; },
  mulsub_vsv: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b - c[i]; },
  mulsub_vss: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = a[i] * b - c; },
  submul_vvv: (o, n, a, b, c) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = c[i] - a[i] * b[i];
      o[i + 1] = c[i + 1] - a[i + 1] * b[i + 1];
      o[i + 2] = c[i + 2] - a[i + 2] * b[i + 2];
      o[i + 3] = c[i + 3] - a[i + 3] * b[i + 3];
    }
  },
  submul_vvs: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = c - a[i] * b[i]; },
  submul_vsv: (o, n, a, b, c) => {
    for (let i = 0; i < n; i += 4) {
      o[i] = c[i] - a[i] * b;
      o[i + 1] = c[i + 1] - a[i + 1] * b;
      o[i + 2] = c[i + 2] - a[i + 2] * b;
      o[i + 3] = c[i + 3] - a[i + 3] * b;
    }
  },
  submul_vss: (o, n, a, b, c) => { for (let i = 0; i < n; i++) o[i] = c - a[i] * b; },
  // What is carried for the verdict.
  lower: (o, n, a) => { for (let i = 0; i < n; i++) if (a[i] < o[i]) o[i] = a[i]; },
  raise: (o, n, a) => { for (let i = 0; i < n; i++) if (a[i] > o[i]) o[i] = a[i]; },
  largest: (o, n, a) => { for (let i = 0; i < n; i++) o[i] = a[i] > o[i] ? a[i] : o[i]; },
};

/** Operations whose first two arguments may change places. */
export const COMMUTE = new Set(["add", "mul", "eq", "and", "or", "muladd", "mulsub", "submul"]);

/** 0 where all of the first n lanes are finite, NaN elsewhere (also where the one after them is not). @param {number} n @param {Float64Array} a */
export function unsound(n, a) {
  let even = 0, odd = 0;
  for (let i = 0; i < n; i += 2) {
    even += a[i] - a[i];
    odd += a[i + 1] - a[i + 1];
  }
  return even + odd;
}
