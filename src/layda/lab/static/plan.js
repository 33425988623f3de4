// A model as loops over lanes: which registers differ from lane to lane, what is computed once for all of them, and
// which registers may share their memory.

import { ARITY, OPERATIONS } from "./functions.js";
import { kernelOf } from "./kernels.js";

/** Lanes of a block: what fits into a processor's nearest memory. */
export const LANES = 512;

/** An operand: a lane's numbers, or the register of one number for all. @typedef {{lane: Float64Array | null, register: number}} Operand */
/** @typedef {{kernel: import("./kernels.js").Kernel, o: Float64Array, a: Operand, b: Operand, c: Operand}} Loop */

/**
 * @typedef {object} Plan
 * @property {Int32Array} scalarsFirst what is computed once: of the part that observes
 * @property {Int32Array} scalarsThen of the step
 * @property {Loop[]} observe @property {Loop[]} advance
 * @property {(register: number) => Operand} operand of a register that is kept
 */

/**
 * @param {import("./model.js").Model} model
 * @param {Set<number>} given registers that differ from lane to lane from the start
 * @returns {Plan}
 */
export function planOf(model, given) {
  const { program, split, carried, next, value, slopes, rests, rate, defined } = model, { code } = program;
  const lanes = new Set(given);
  for (let size = -1; size !== lanes.size; ) {
    size = lanes.size;
    for (let at = 0; at < code.length; at += 5) if (argumentsOf(code, at).some((arg) => lanes.has(arg))) lanes.add(code[at + 1]);
    next.forEach((register, j) => lanes.has(register) && lanes.add(carried[j]));
  }
  const kept = [value, ...slopes, ...rests, rate, ...(defined >= 0 ? [defined] : []), ...next];
  const needed = neededFor(code, kept), fused = fusedIn(code, split, needed, lanes, new Set(kept));
  /** @type {Map<number, number>} */ const last = new Map(kept.map((register) => [register, Infinity]));
  const lines = [];
  for (let at = 0; at < code.length; at += 5) {
    if (!needed.has(code[at + 1]) || fused.swallowed.has(at)) continue;
    const args = fused.made.get(at)?.args ?? argumentsOf(code, at);
    for (const arg of args) last.set(arg, Math.max(last.get(arg) ?? 0, at));
    lines.push({ at, args, operation: fused.made.get(at)?.operation ?? OPERATIONS[code[at]] });
  }
  /** @type {Map<number, Float64Array>} */ const memory = new Map();
  for (const register of lanes) if (carried.includes(register) || given.has(register)) memory.set(register, new Float64Array(LANES));
  const own = new Set(memory.keys());
  /** @type {Float64Array[]} */ const free = [];
  const operand = (/** @type {number} */ register) => ({ lane: memory.get(register) ?? null, register });
  /** @type {Loop[]} */ const observe = [], /** @type {Loop[]} */ advance = [];
  /** @type {number[]} */ const scalarsFirst = [], /** @type {number[]} */ scalarsThen = [];
  for (const { at, args, operation } of lines) {
    const target = code[at + 1];
    if (!lanes.has(target)) {
      (at < split ? scalarsFirst : scalarsThen).push(...code.subarray(at, at + 5));
      continue;
    }
    const [a, b, c] = [args[0], args[1] ?? 0, args[2] ?? 0].map(operand), kinds = args.map((arg) => (memory.has(arg) ? "L" : "S")).join("");
    for (const arg of new Set(args)) if (memory.has(arg) && !own.has(arg) && last.get(arg) === at) free.push(/** @type {any} */ (memory.get(arg)));
    const o = free.pop() ?? new Float64Array(LANES);
    memory.set(target, o);
    (at < split ? observe : advance).push({ kernel: kernelOf(operation, kinds), o, a, b, c });
  }
  return { scalarsFirst: Int32Array.from(scalarsFirst), scalarsThen: Int32Array.from(scalarsThen), observe, advance, operand };
}

/** @param {Int32Array} code @param {number} at */
const argumentsOf = (code, at) => [...code.subarray(at + 2, at + 2 + ARITY[code[at]])];

/** The registers that the kept ones are made of. @param {Int32Array} code @param {number[]} kept */
function neededFor(code, kept) {
  const needed = new Set(kept);
  for (let at = code.length - 5; at >= 0; at -= 5) if (needed.has(code[at + 1])) argumentsOf(code, at).forEach((arg) => needed.add(arg));
  return needed;
}

/** Products that only one sum of the same part takes: one loop for both. @param {Int32Array} code @param {number} split @param {Set<number>} needed @param {Set<number>} lanes @param {Set<number>} kept */
function fusedIn(code, split, needed, lanes, kept) {
  /** @type {Map<number, number>} */ const uses = new Map(), /** @type {Map<number, number>} */ writes = new Map();
  for (let at = 0; at < code.length; at += 5) {
    if (!needed.has(code[at + 1])) continue;
    writes.set(code[at + 1], at);
    for (const arg of argumentsOf(code, at)) uses.set(arg, (uses.get(arg) ?? 0) + 1);
  }
  const swallowed = new Set(), /** @type {Map<number, {operation: string, args: number[]}>} */ made = new Map();
  for (const [target, at] of writes) {
    const operation = OPERATIONS[code[at]], [a, b] = argumentsOf(code, at);
    if ((operation !== "add" && operation !== "sub") || !lanes.has(target)) continue;
    for (const [product, rest] of operation === "add" ? [[b, a], [a, b]] : [[b, a]]) {
      const from = writes.get(product);
      if (from === undefined || OPERATIONS[code[from]] !== "mul" || uses.get(product) !== 1 || kept.has(product)) continue;
      if (!lanes.has(product) || from < split !== at < split || (operation === "sub" && !lanes.has(rest))) continue;
      let [left, right] = argumentsOf(code, from);
      if (!lanes.has(left)) [left, right] = [right, left]; // a product is the same either way round
      swallowed.add(from);
      made.set(at, { operation: operation === "add" ? "mulAdd" : "mulSub", args: [left, right, rest] });
      break;
    }
  }
  return { swallowed, made };
}
