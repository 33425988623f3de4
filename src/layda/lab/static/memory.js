// What a ball carries: its energies, and how much each past gradient still counts in its next step.

import { Builder, callable } from "./program.js";

/**
 * Potential, kinetic and total energy at every step, of a rule that takes the steps of a heavy ball:
 * E = f(x) + (β/2α)·|v|² with the α and β of that step; null for the others.
 * @param {import("./model.js").Model} model @param {Record<string, number>} numbers @param {import("./run.js").Path} path
 */
export function energiesOf(model, numbers, path) {
  const { variant } = model, rows = path.step + 1, n = path.dimension, width = path.names.length;
  if (!variant.ball) return null;
  const settings = ballSettings(variant), kinetic = new Float64Array(rows), total = new Float64Array(rows);
  /** @type {number[]} */ const places = variant.schedules.map((/** @type {string} */ name) => path.names.indexOf(`schedule:${name}`));
  /** @type {Record<string, number>} */ const known = { ...numbers };
  for (let k = 0; k < rows; k++) {
    known.t = k;
    known["before:t"] = Math.max(k - 1, 0);
    variant.schedules.forEach((/** @type {string} */ name, /** @type {number} */ j) => {
      known[name] = path.states[k * width + places[j]];
      known[`before:${name}`] = path.states[Math.max(k - 1, 0) * width + places[j]];
    });
    const { rate, momentum } = settings(known);
    let square = 0;
    for (let i = 0; k > 0 && i < n; i++) square += (path.positions[k * n + i] - path.positions[(k - 1) * n + i]) ** 2;
    kinetic[k] = ((momentum / rate) * square) / 2;
    total[k] = path.values[k] + kinetic[k];
  }
  return { potential: path.values, kinetic, total };
}

/** @type {WeakMap<object, any>} */
const BALLS = new WeakMap();

/** @param {any} variant */
function ballSettings(variant) {
  if (!BALLS.has(variant)) BALLS.set(variant, callable(variant.ball));
  return BALLS.get(variant);
}

/** @type {WeakMap<object, any>} */
const SLOPES = new WeakMap();

/** The derivatives of a rule's step, joined to one program. @param {any} variant */
function slopesOf(variant) {
  let found = SLOPES.get(variant);
  if (found) return found;
  const builder = new Builder(), carried = Object.keys(variant.slopes);
  /** @type {number[]} */ const outputs = [];
  for (const of of carried) {
    const seen = builder.add(variant.slopes[of]);
    for (const by of [...carried, "gradient"]) outputs.push(seen[`d_${by}`]);
  }
  SLOPES.set(variant, (found = { program: builder.finish(), carried, outputs }));
  return found;
}

/**
 * w_j = ∂(x_(k−1) − x_k)/∂g_(k−1−j) along this path, newest first: the twin of layda.measures.past_weights, for one
 * coordinate. Adjoints go from the last step back through the derivatives of the rule's own program.
 * @param {import("./model.js").Model} model @param {Record<string, number>} numbers @param {import("./run.js").Path} path
 * @param {number} k the step after which the ball is looked at @param {number} count at most so many @param {number} coordinate
 */
export function weightsOf(model, numbers, path, k, count, coordinate = 0) {
  const { program, carried, outputs } = slopesOf(model.variant), r = program.registers, size = carried.length;
  const width = path.names.length, n = path.dimension, many = Math.min(count, k), weights = new Float64Array(many);
  /** @type {[number, number][]} */ const bound = [];
  path.names.forEach((name, at) => {
    const [owner, ...rest] = name.split(":"), own = rest.join(":");
    if (own in program.inputs && (owner === String(coordinate) || owner === "shared" || owner === "schedule")) bound.push([program.inputs[own], at]);
  });
  for (const name in numbers) if (name in program.inputs) r[program.inputs[name]] = numbers[name];
  let adjoint = new Float64Array(size);
  adjoint[carried.indexOf("position")] = -1;
  for (let j = 0; j < many; j++) {
    const row = k - 1 - j;
    for (const [register, at] of bound) r[register] = path.states[row * width + at];
    if ("t" in program.inputs) r[program.inputs.t] = row;
    if ("gradient" in program.inputs) r[program.inputs.gradient] = path.slopes[row * n + coordinate];
    program.run();
    const before = new Float64Array(size);
    for (let a = 0; a < size; a++) {
      if (adjoint[a] === 0) continue;
      for (let b = 0; b < size; b++) before[b] += adjoint[a] * r[outputs[a * (size + 1) + b]];
      weights[j] += adjoint[a] * r[outputs[a * (size + 1) + size]];
    }
    if (j === 0) before[carried.indexOf("position")] += 1;
    adjoint = before;
  }
  return weights;
}
