// One step in numbers: the rule's own program, written out as formulas and with its values.

import { OPERATIONS } from "./functions.js";
import { bracketed, signed } from "./dom.js";

const SIGNS = /** @type {Record<string, [string, number]>} */ ({ add: [" + ", 1], sub: [" − ", 1], mul: ["·", 2], div: ["/", 2] });
const SLOTS = /** @type {Record<string, string>} */ ({
  velocity: "v", mean: "m", square: "s", fast: "z", average: "x̄", velocity_0: "v₁", velocity_1: "v₂", velocity_2: "v₃",
});
const SHARED = /** @type {Record<string, string>} */ ({
  beta1_power: "β₁ᵗ", beta2_power: "β₂ᵗ", mu_product: "Πμ", decay_power: "p", largest_rate: "α̂", weight_sum: "Σα̂²",
});

/** @typedef {{symbol: string, formula: string, numbers: string, result: string}} Term */

/**
 * What step k → k + 1 computes, coordinate by coordinate: every slot of the rule, then the position.
 * @param {import("./model.js").Model} model @param {any} rule of the scene @param {Record<string, number>} numbers
 * @param {import("./run.js").Path} path @param {number} k
 * @returns {Term[][]}
 */
export function stepTerms(model, rule, numbers, path, k) {
  const r = atStep(model, numbers, path, k), { variant, dimension, position, slopes, carried, next, names } = model;
  const writes = new Map();
  for (let at = 0; at < model.program.code.length; at += 5) writes.set(model.program.code[at + 1], at);
  return [...Array(dimension).keys()].map((i) => {
    /** @type {Map<number, string>} */ const leaves = new Map([[model.t, "t"]]);
    for (const setting of rule.settings) leaves.set(model.numbers[setting.path], setting.symbol);
    names.forEach((name, j) => {
      const [owner, ...rest] = name.split(":"), own = rest.join(":");
      if (owner === String(i)) leaves.set(carried[j], SLOTS[own] ?? own);
      if (owner === "shared") leaves.set(carried[j], SHARED[own] ?? own);
    });
    leaves.set(model.rate, "α").set(position[i], path.dimension ? model.objective.coordinates[i] : "").set(slopes[i], "g");
    /** @type {Term[]} */ const terms = [];
    const places = [...variant.slots.map((/** @type {any} */ slot) => slot.name), "position"];
    for (const place of places) {
      const target = next[names.indexOf(`${i}:${place}`)];
      if (leaves.has(target)) continue;
      const write = { r, code: model.program.code, writes, leaves };
      const symbol = place === "position" ? model.objective.coordinates[i] : SLOTS[place] ?? place;
      terms.push({
        symbol, formula: lineText(write, target, false)[0], numbers: lineText(write, target, true)[0], result: signed(r[target], 5),
      });
      leaves.set(target, symbol);
    }
    return terms;
  });
}

/**
 * The two parts of the displacement: where the ball goes without today's gradient, and what the gradient adds.
 * @param {import("./model.js").Model} model @param {Record<string, number>} numbers @param {import("./run.js").Path} path @param {number} k
 */
export function stepParts(model, numbers, path, k) {
  const r = atStep(model, numbers, path, k), { program, split, position, slopes, next } = model;
  const from = position.map((at) => r[at]), whole = position.map((_, i) => r[next[i]] - from[i]);
  for (const slope of slopes) r[slope] = 0;
  program.run(split);
  const memory = position.map((_, i) => r[next[i]] - from[i]);
  return { memory, force: whole.map((value, i) => value - memory[i]) };
}

/** The registers after step k → k + 1. @param {import("./model.js").Model} model @param {Record<string, number>} numbers @param {import("./run.js").Path} path @param {number} k */
function atStep(model, numbers, path, k) {
  const r = model.program.registers, width = path.names.length;
  for (const name in model.numbers) r[model.numbers[name]] = numbers[name];
  r[model.t] = k;
  model.carried.forEach((register, j) => (r[register] = path.states[k * width + j]));
  model.program.run();
  return r;
}

/**
 * A register as text, with how tightly its last sign binds: 1 sum, 2 product, 3 whole.
 * @param {{r: Float64Array, code: Int32Array, writes: Map<number, number>, leaves: Map<number, string>}} write
 * @param {number} register @param {boolean} asNumbers
 * @returns {[string, number]}
 */
function lineText(write, register, asNumbers) {
  const { r, code, writes, leaves } = write, at = writes.get(register);
  const name = leaves.get(register);
  if (name !== undefined) return [asNumbers ? bracketed(r[register]) : name, 3];
  if (at === undefined) return [bracketed(r[register]), 3];
  const operation = OPERATIONS[code[at]], [a, b, c] = [code[at + 2], code[at + 3], code[at + 4]];
  const part = (/** @type {number} */ of, /** @type {number} */ least) => {
    const [text, binds] = lineText(write, of, asNumbers);
    return binds < least ? `(${text})` : text;
  };
  if (operation in SIGNS) {
    const [sign, binds] = SIGNS[operation], tighter = operation === "sub" || operation === "div" ? 1 : 0;
    return [part(a, binds) + sign + part(b, binds + tighter), binds];
  }
  if (operation === "neg") return [`−${part(a, 2)}`, 1];
  if (operation === "sqrt") return [`√${part(a, 3)}`, 3];
  if (operation === "select") return lineText(write, r[a] !== 0 ? b : c, asNumbers);
  const takes = ["power", "lt", "le", "eq"].includes(operation) ? [a, b] : [a];
  return [`${operation}(${takes.map((of) => part(of, 0)).join(", ")})`, 3];
}
