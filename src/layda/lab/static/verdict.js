// How a path ended, in one word of the closed list: the twin of layda.run.judge for one and two coordinates.

import { callable } from "./program.js";
import { distanceToGo, LOST, SETTLED, SPENT } from "./run.js";

/**
 * @typedef {object} Verdict
 * @property {string} kind
 * @property {number} step
 * @property {Record<string, any>} evidence
 * @property {{position: number[], value: number} | null} better the best known minimum
 */

/** max and min that pass over NaN, as NumPy's fmax and fmin. @param {number} a @param {number} b */
const fmax = (a, b) => (a !== a || b > a ? b : a), fmin = (/** @type {number} */ a, /** @type {number} */ b) => (a !== a || b < a ? b : a);
/** A maximum that NaN takes over, as NumPy's. @param {number} a @param {number} b */
const most = (a, b) => (a !== a || b !== b ? NaN : a > b ? a : b);

/** The last n numbers. @param {ArrayLike<number>} rows @param {number} n */
function lastOf(rows, n) {
  const found = [];
  for (let i = rows.length - n; i < rows.length; i++) found.push(rows[i]);
  return found;
}

const QUARTERS = ["displacement", "distance", "high", "low"].flatMap((name) => [1, 2, 3, 4].map((quarter) => `${name}_${quarter}`));

/** How many of the last displacements the window holds. @param {number} steps @param {number} most_ */
export const windowLength = (steps, most_) => Math.floor(Math.min(most_, steps) / 4) * 4;

/**
 * A judge for the paths of one objective.
 * @param {any} scene @param {any} objective @param {(values: Record<string, number>) => Record<string, number>} ending
 * @returns {(path: import("./run.js").Path, variant: any, tolerance: number) => Verdict}
 */
export function judgeOf(scene, objective, ending) {
  const ground = groundOf(objective, scene.constants);
  return (path, variant, tolerance) => {
    const scalars = scalarsOf(path, objective, ground, tolerance || scene.constants.tolerance, scene.constants.window);
    let found = ending(scalars);
    if (found.stuck) {
      scalars.curved_distance = curvedDistance(path, ground, scalars.extent_before);
      found = ending(scalars);
    }
    const kind = scene.verdicts[found.code];
    /** @type {Verdict} */
    const verdict = { kind, step: path.step, evidence: { ...found, gradient: scalars.gradient }, better: null };
    if (scalars.window) verdict.evidence.period = periodOf(path, scalars.window);
    if (kind === "undefined") Object.assign(verdict.evidence, whereUndefined(path, objective));
    if (kind === "converged") settledWhere(verdict, path, variant, objective, ground, scene.constants, scalars);
    return verdict;
  };
}

/** What the judge asks of the objective at a place. @param {any} objective @param {Record<string, number>} constants */
function groundOf(objective, constants) {
  const value = callable(objective.value), slope = callable(objective.gradient), curve = callable(objective.hessian);
  const sign = callable(objective.sign), defined = objective.defined ? callable(objective.defined) : null;
  const names = objective.coordinates, n = names.length;
  const at = (/** @type {number[]} */ x) => Object.fromEntries(names.map((/** @type {string} */ name, /** @type {number} */ i) => [name, x[i]]));
  return {
    n, constants,
    value: (/** @type {number[]} */ x) => Object.values(value(at(x)))[0],
    gradient: (/** @type {number[]} */ x) => {
      const found = slope(at(x));
      return names.map((/** @type {string} */ name) => found[`d_${name}`]);
    },
    sign: (/** @type {number[]} */ x) => sign(at(x)).sign,
    isDefined: (/** @type {number[]} */ x) => !defined || Object.values(defined(at(x)))[0] !== 0,
    /** Eigenvalues, the smallest first, and eigenvectors. */
    spectrum: (/** @type {number[]} */ x) => {
      const found = curve(at(x));
      const h = (/** @type {number} */ i, /** @type {number} */ j) => found[`d_${names[i]}_${names[j]}`];
      return n === 1 ? { values: [h(0, 0)], vectors: [[1]] } : symmetric(h(0, 0), h(1, 0), h(1, 1));
    },
  };
}

/** The eigenvalues and eigenvectors of ((a, b), (b, c)). @param {number} a @param {number} b @param {number} c */
export function symmetric(a, b, c) {
  const half = (a - c) / 2, root = Math.hypot(half, b), middle = (a + c) / 2;
  const angle = 0.5 * Math.atan2(b, half);
  const big = [Math.cos(angle), Math.sin(angle)], small = [-big[1], big[0]];
  // The one that is larger in size has no cancellation; the other one from the determinant.
  const far = middle >= 0 ? middle + root : middle - root;
  const near = far === 0 ? 0 : (a / far) * c - (b / far) * b;
  return middle >= 0 ? { values: [near, far], vectors: [small, big] } : { values: [far, near], vectors: [small, big] };
}

/** The inputs of the verdict's program. @param {import("./run.js").Path} p @param {any} objective @param {any} ground @param {number} tolerance @param {number} longest */
function scalarsOf(p, objective, ground, tolerance, longest) {
  const n = p.dimension, k = p.step, row = k - p.offset, x = lastOf(p.positions, n);
  const move = (/** @type {number} */ at) => {
    let found = -Infinity;
    for (let i = at * n; i < (at + 1) * n; i++) found = most(found, Math.abs(p.positions[i] - p.positions[i - n]));
    return found;
  };
  const observed = [...lastOf(p.slopes, n), ...lastOf(p.values, 1)];
  let extent = -Infinity, before = -Infinity, outside = NaN, gradient = -Infinity, change = 0;
  if (k > 0) change = -Infinity;
  const sides = objective.box.map((/** @type {number[]} */ side) => side[1] - side[0]);
  for (let i = 0; i < n; i++) {
    const [left, right] = objective.box[i], rest = p.rests[row * n + i];
    extent = most(extent, most(p.high[i], x[i]) - -most(-p.low[i], -x[i]));
    before = most(before, p.high[i] - p.low[i]);
    const beyond = left - x[i] >= x[i] - right || x[i] !== x[i] ? left - x[i] : x[i] - right;
    outside = fmax(outside, beyond / sides[i]);
    gradient = most(gradient, Math.abs(rest));
    if (k > 0) change = most(change, Math.abs(rest - p.rests[(row - 1) * n + i]));
  }
  /** @type {Record<string, number>} */
  const found = {
    step: k, lost: +(p.code === LOST), stopped: +(p.code === SETTLED), finite: +observed.every(Number.isFinite),
    nan: +observed.some(Number.isNaN), place_finite: +x.every(Number.isFinite), defined: +ground.isDefined(x),
    displacement: k > 0 ? move(row) : 0, displacement_before: k > 1 ? move(row - 1) : 0, extent, extent_before: before,
    outside: fmax(outside, 0), gradient, gradient_change: change, curved_distance: 0, box_width: Math.max(...sides),
    highest_before: highestBefore(p, longest), rate: lastOf(p.rates, 1)[0], largest_rate: p.topRate, turns: 0, window: 0,
    steps: Math.max(p.steps, 1), tolerance, noisy: 0,
  };
  for (const name of QUARTERS) found[name] = 0;
  const length = p.code === SPENT ? windowLength(k, longest) : 0;
  if (length > 0) windowOf(found, p, length);
  return found;
}

/** The largest f before the window; of a run that ended early, before its end. @param {import("./run.js").Path} p @param {number} longest */
export function highestBefore(p, longest) {
  const rows = (p.code === SPENT ? p.step - windowLength(p.step, longest) : p.step) - p.offset;
  let found = p.highest;
  for (let t = 0; t < rows; t++) found = p.code === SPENT ? most(found, p.values[t]) : p.values[t] > found ? p.values[t] : found;
  return found;
}

/** The last window in four quarters. @param {Record<string, number>} scalars to add to @param {import("./run.js").Path} p @param {number} length */
function windowOf(scalars, p, length) {
  const n = p.dimension, end = p.step - p.offset, first = end - length;
  const { positions, rests, values } = p, found = new Array(16);
  let turned = 0;
  for (let quarter = 0; quarter < 4; quarter++) {
    let displacement = NaN, distance = NaN, high = NaN, low = NaN;
    for (let t = first + 1 + (quarter * length) / 4; t <= first + ((quarter + 1) * length) / 4; t++) {
      let moved = -Infinity, gradient = -Infinity, change = -Infinity;
      for (let at = t * n; at < (t + 1) * n; at++) {
        moved = most(moved, Math.abs(positions[at] - positions[at - n]));
        gradient = most(gradient, Math.abs(rests[at]));
        change = most(change, Math.abs(rests[at] - rests[at - n]));
      }
      displacement = fmax(displacement, moved);
      distance = fmin(distance, distanceToGo(gradient, moved, change));
      high = fmax(high, values[t]);
      low = fmin(low, values[t]);
    }
    found[quarter] = displacement;
    found[4 + quarter] = distance;
    found[8 + quarter] = high;
    found[12 + quarter] = low;
  }
  for (let i = 0; i < n; i++) {
    let turns = 0;
    for (let t = first + 2; t <= end; t++) {
      const at = t * n + i, last = positions[at - n];
      if ((positions[at] - last) * (last - positions[at - 2 * n]) < 0) turns++;
    }
    turned = Math.max(turned, turns);
  }
  scalars.window = length;
  scalars.turns = turned;
  QUARTERS.forEach((name, k) => (scalars[name] = found[k]));
}

/** The shortest period of the window's last half; 0 where it has none. @param {import("./run.js").Path} p @param {number} length */
function periodOf(p, length) {
  const n = p.dimension, end = p.step - p.offset, first = end - length, rows = length + 1, half = Math.floor(rows / 2);
  let extent = -Infinity;
  for (let i = 0; i < n; i++) {
    let low = Infinity, high = -Infinity;
    for (let t = first; t <= end; t++) {
      low = Math.min(low, p.positions[t * n + i]);
      high = Math.max(high, p.positions[t * n + i]);
    }
    extent = most(extent, high - low);
  }
  if (!(extent > 0 && extent < Infinity)) return 0;
  for (let period = 1; period <= half; period++) {
    let same = true;
    for (let t = first + half; same && t <= end; t++)
      for (let i = 0; i < n; i++)
        if (!(Math.abs(p.positions[t * n + i] - p.positions[(t - period) * n + i]) <= 1e-6 * extent)) same = false;
    if (same) return period;
  }
  return 0;
}

/** |g| over the curvature along g, by a difference of gradients. @param {import("./run.js").Path} p @param {any} ground @param {number} extent */
function curvedDistance(p, ground, extent) {
  const n = p.dimension, x = lastOf(p.positions, n), rest = lastOf(p.rests, n);
  const dot = (/** @type {number[]} */ a, /** @type {number[]} */ b) => (n === 1 ? a[0] * b[0] : a[0] * b[0] + a[1] * b[1]);
  const length = Math.sqrt(dot(rest, rest)), direction = rest.map((value) => value / length), size = 1e-6 * extent;
  const ahead = ground.gradient(x.map((value, i) => value + size * direction[i])), here = ground.gradient(x);
  const curvature = dot(direction, ahead.map((/** @type {number} */ value, /** @type {number} */ i) => value - here[i])) / size;
  return curvature > 0 ? length / curvature : Infinity;
}

/** The coordinate to look at: one that is not finite, else the one that moved most. @param {import("./run.js").Path} p @param {any} objective */
function whereUndefined(p, objective) {
  const n = p.dimension, x = lastOf(p.positions, n), before = lastOf(p.positions, 2 * n), slopes = lastOf(p.slopes, n);
  let index = 0, moved = -Infinity;
  for (let i = 0; i < n; i++) {
    const bad = Number.isFinite(slopes[i]) ? 0 : Infinity;
    const size = p.step > 0 ? Math.abs(x[i] - before[i]) : 0;
    if (bad + size > moved) [index, moved] = [i, bad + size];
  }
  return { coordinate: objective.coordinates[index], coordinate_value: x[index] };
}

/** Minimum, worse minimum, saddle or a long valley. @param {Verdict} verdict @param {import("./run.js").Path} p @param {any} variant @param {any} objective @param {any} ground @param {Record<string, number>} constants @param {Record<string, number>} scalars */
function settledWhere(verdict, p, variant, objective, ground, constants, scalars) {
  const n = p.dimension, seen = lastOf(p.positions, n);
  const place = variant.rests_at === "position" ? seen : lastOf(p.estimates, n);
  const sign = ground.sign(place), evidence = verdict.evidence;
  if (variant.level) {
    const way = flatWay(ground, place, scalars.extent_before, sign), near = scalars.tolerance * scalars.extent_before;
    if (way > constants.flat * near) {
      verdict.kind = "crawling";
      evidence.flat_way = way;
      evidence.steps_needed = (way / scalars.displacement) * Math.log(way / near);
      return;
    }
  }
  if (objective.convex) return;
  evidence.smallest_curvature = ground.spectrum(place).values[0];
  if (sign < 0 || (sign === 0 && looksDown(ground, place, objective, constants))) {
    verdict.kind = "saddle";
    return;
  }
  const best = objective.minima[0];
  if (!best) return;
  verdict.better = best;
  const value = ground.value(place);
  let aside = -Infinity, slope = evidence.gradient;
  for (let i = 0; i < n; i++) aside = most(aside, Math.abs(place[i] - seen[i]));
  if (aside > 0) for (const one of ground.gradient(place)) slope = most(slope, Math.abs(one));
  let gap = constants.gap * n * slope * (evidence.distance + aside);
  gap = gap + constants.rounding * most(Math.abs(value), Math.abs(best.value));
  evidence.above_best = value - best.value;
  if (value - best.value > gap) verdict.kind = "trapped";
}

/** How far the minimum is along directions that are flat next to the steepest one. @param {any} ground @param {number[]} place @param {number} extent @param {number} sign */
function flatWay(ground, place, extent, sign) {
  if (sign !== 0 && sign !== 0.5) return 0;
  const { values, vectors } = ground.spectrum(place), slopes = ground.gradient(place);
  if (!values.every(Number.isFinite)) return 0;
  const size = Math.max(...values.map(Math.abs)), reach = Math.max(...place.map(Math.abs)) + extent;
  let found = 0;
  values.forEach((/** @type {number} */ value, /** @type {number} */ k) => {
    let along = 0;
    slopes.forEach((/** @type {number} */ slope, /** @type {number} */ i) => (along += vectors[k][i] * slope));
    along = Math.abs(along);
    if (value <= ground.constants.valley * size && along > 1e-13 * size * reach)
      found = Math.max(found, along / Math.max(Math.abs(value), 1e-9 * size));
  });
  return Number.isFinite(found) ? found : 0;
}

/** Whether f falls a thousandth of the box to either side along a flat direction. @param {any} ground @param {number[]} place @param {any} objective @param {Record<string, number>} constants */
function looksDown(ground, place, objective, constants) {
  const { values, vectors } = ground.spectrum(place), usable = values.every(Number.isFinite);
  const size = Math.max(...values.map(Math.abs)), here = ground.value(place);
  const reach = 1e-3 * Math.max(...objective.box.map((/** @type {number[]} */ side) => side[1] - side[0]));
  return values.some((/** @type {number} */ value, /** @type {number} */ k) => {
    if (usable && !(value <= constants.negative * size)) return false;
    const direction = usable ? vectors[k] : place.map((_, i) => +(i === k));
    const ahead = ground.value(place.map((x, i) => x + reach * direction[i])) - here;
    const behind = ground.value(place.map((x, i) => x - reach * direction[i])) - here;
    const change = fmax(Math.abs(ahead), Math.abs(behind));
    return fmin(ahead, behind) < -fmax(1e-3 * change, 1e-12 * Math.abs(here));
  });
}
