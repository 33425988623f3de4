// One ball: the loop observe, check, advance, every step written down. The twin of layda.program.loop.run_readably.

import { callable } from "./program.js";
import { number } from "./numbers.js";

export const SPENT = 0, SETTLED = 1, LOST = 2;

/**
 * @typedef {object} Path
 * @property {number} code why it ended @property {number} step t at the end @property {number} dimension
 * @property {number} steps the budget
 * @property {Float64Array} positions rows of coordinates, one for each step, the start first
 * @property {Float64Array} rests likewise: the gradient, with the weight decay's pull
 * @property {Float64Array} slopes likewise: the gradient
 * @property {Float64Array} values f at each row
 * @property {Float64Array} rates the learning rate at each row
 * @property {Float64Array} estimates the rule's answers
 * @property {Float64Array} states rows of everything that the rule carries, in the order of `names`
 * @property {string[]} names
 * @property {number[]} low @property {number[]} high the box around the path before its last position
 * @property {number} topRate the largest learning rate
 * @property {number} offset t of the first row that is kept
 * @property {number} highest the largest f of the rows before
 */

/**
 * The state before the first step, in the order of `model.carried`.
 * @param {import("./model.js").Model} model
 * @param {Record<string, number>} numbers
 * @param {number[]} start
 */
export function initial(model, numbers, start) {
  const { variant, dimension } = model;
  const schedules = starter(variant)(numbers);
  const values = start.slice(0, dimension);
  for (let i = 0; i < dimension; i++)
    for (const slot of variant.slots) values.push(slot.start === "position" ? start[i] : number(slot.start));
  for (const slot of variant.shared) values.push(number(slot.start));
  for (const name of variant.schedules) values.push(schedules[name]);
  return values;
}

/** @type {WeakMap<object, (values: Record<string, number>) => Record<string, number>>} */
const STARTERS = new WeakMap();

/** @param {any} variant */
function starter(variant) {
  let found = STARTERS.get(variant);
  if (!found) STARTERS.set(variant, (found = callable(variant.start)));
  return found;
}

/**
 * Roll one ball.
 * @param {import("./model.js").Model} model
 * @param {Record<string, number>} numbers setting -> value
 * @param {number[]} start
 * @param {{steps: number, tolerance: number, every: number}} options
 * @returns {Path}
 */
export function descend(model, numbers, start, { steps, tolerance, every }) {
  const { program, split, dimension, position, rests, slopes, estimates, carried, next, defined } = model;
  const r = program.registers, end = program.code.length, width = carried.length;
  const state = Float64Array.from(initial(model, numbers, start)), moved = new Float64Array(width);
  const rows = steps + 1;
  const path = {
    code: SPENT, step: 0, steps, dimension, names: model.names, topRate: 0, offset: 0, highest: -Infinity,
    positions: new Float64Array(rows * dimension), rests: new Float64Array(rows * dimension),
    slopes: new Float64Array(rows * dimension), estimates: new Float64Array(rows * dimension),
    values: new Float64Array(rows), rates: new Float64Array(rows), states: new Float64Array(rows * width),
    low: start.slice(0, dimension), high: start.slice(0, dimension),
  };
  for (const name in model.numbers) r[model.numbers[name]] = numbers[name];
  let due = every > 0 && tolerance > 0 ? every : -1;
  for (let t = 0; ; t++) {
    r[model.t] = t;
    for (let j = 0; j < width; j++) r[carried[j]] = state[j];
    path.states.set(state, t * width);
    program.run(0, split);
    let finite = r[model.value] - r[model.value];
    for (let i = 0; i < dimension; i++) {
      const at = t * dimension + i;
      path.positions[at] = r[position[i]];
      path.rests[at] = r[rests[i]];
      path.slopes[at] = r[slopes[i]];
      path.estimates[at] = r[estimates[i]];
      finite += r[slopes[i]] - r[slopes[i]];
    }
    path.values[t] = r[model.value];
    path.rates[t] = r[model.rate];
    path.step = t;
    if (finite !== 0 || (defined >= 0 && r[defined] === 0)) {
      path.code = LOST;
      break;
    }
    if (t === due) {
      due += every;
      if (settles(path, t, tolerance)) {
        path.code = SETTLED;
        break;
      }
    }
    if (t === steps) break;
    program.run(split, end);
    for (let j = 0; j < width; j++) moved[j] = r[next[j]];
    for (let i = 0; i < dimension; i++) {
      const x = state[i];
      if (x < path.low[i]) path.low[i] = x;
      if (x > path.high[i]) path.high[i] = x;
    }
    path.topRate = t === 0 ? r[model.rate] : largest(r[model.rate], path.topRate);
    state.set(moved);
  }
  path.topRate = largest(r[model.rate], path.topRate);
  return trimmed(path, width);
}

/** The stopping test of layda.measures.stopping, on the rows written so far. @param {Path} path @param {number} t @param {number} tolerance */
export function settles(path, t, tolerance) {
  const n = path.dimension, { positions, rests } = path;
  let displacement = -Infinity, before = -Infinity, gradient = -Infinity, change = -Infinity, extent = -Infinity;
  for (let i = 0; i < n; i++) {
    const at = t * n + i, x = positions[at], last = positions[at - n];
    const earlier = t > 1 ? positions[at - 2 * n] : last;
    displacement = largest(displacement, Math.abs(x - last));
    before = largest(before, Math.abs(last - earlier));
    gradient = largest(gradient, Math.abs(rests[at]));
    change = largest(change, Math.abs(rests[at] - rests[at - n]));
    const low = path.low[i] < x ? path.low[i] : x, high = path.high[i] > x ? path.high[i] : x;
    extent = largest(extent, high - low);
  }
  const near = tolerance * extent;
  return largest(displacement, before) <= near && distanceToGo(gradient, displacement, change) <= near;
}

/** select(a > b, a, b), as layda's maximum. @param {number} a @param {number} b */
export function largest(a, b) {
  return a > b ? a : b;
}

/** |g|·|Δx|/|Δg|. @param {number} gradient @param {number} displacement @param {number} change */
export function distanceToGo(gradient, displacement, change) {
  if (gradient === 0) return 0;
  return change > 0 ? gradient * (displacement / change) : Infinity;
}

/** Without the rows that were not reached. @param {Path} path @param {number} width @returns {Path} */
function trimmed(path, width) {
  const rows = path.step + 1, n = path.dimension;
  if (path.step === path.steps) return path;
  return {
    ...path, positions: path.positions.subarray(0, rows * n), rests: path.rests.subarray(0, rows * n),
    slopes: path.slopes.subarray(0, rows * n), estimates: path.estimates.subarray(0, rows * n),
    values: path.values.subarray(0, rows), rates: path.rates.subarray(0, rows),
    states: path.states.subarray(0, rows * width),
  };
}
