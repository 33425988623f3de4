// Hundreds of balls at once: the loop of run.js over lanes. A lane that ends is handed out and its place closed up.

import { LANES, planOf } from "./plan.js";
import { execute } from "./program.js";
import { distanceToGo, initial, largest, LOST, SETTLED, SPENT } from "./run.js";

/** The balls of one block. */
export class Lanes {
  /**
   * @param {import("./model.js").Model} model
   * @param {string[]} names settings that differ from lane to lane
   * @param {number} longest rows of the last window
   */
  constructor(model, names, longest) {
    const { carried, variant, dimension } = model;
    const given = new Set([...names.map((name) => model.numbers[name]), ...model.position]);
    model.names.forEach((name, j) => {
      const start = variant.slots.find((/** @type {any} */ slot) => name.endsWith(`:${slot.name}`))?.start;
      if (start === "position" || (name.startsWith("schedule:") && names.some((one) => variant.start.inputs.includes(one)))) given.add(carried[j]);
    });
    this.model = model;
    this.plan = planOf(model, given);
    this.scalars = model.program.registers.slice();
    this.rows = longest + 1;
    const many = () => new Float64Array(LANES), each = (/** @type {() => Float64Array} */ make) => Array.from({ length: dimension }, make);
    this.settings = names.map((name) => this.plan.operand(model.numbers[name]));
    this.carried = carried.map((register) => this.plan.operand(register));
    this.next = model.next.map((register) => this.plan.operand(register));
    this.spare = this.next.map(({ lane }) => (lane && this.carried.some((one) => one.lane === lane) ? many() : null));
    this.value = this.plan.operand(model.value);
    this.slopes = model.slopes.map((register) => this.plan.operand(register));
    this.rests = model.rests.map((register) => this.plan.operand(register));
    this.rate = this.plan.operand(model.rate);
    this.defined = model.defined < 0 ? null : this.plan.operand(model.defined);
    this.low = each(many);
    this.high = each(many);
    this.highest = many();
    this.topRate = many();
    this.ids = new Int32Array(LANES);
    this.dead = new Uint8Array(LANES);
    this.finite = many(); // 0, or NaN where a number is not finite
    this.sharedRate = -Infinity;
    const ring = () => new Float64Array(this.rows * LANES);
    this.positions = each(ring);
    this.pulls = each(ring);
    this.values = ring();
    this.moving = [...this.settings, ...this.carried].flatMap(({ lane }) => (lane ? [lane] : [])).concat(this.low, this.high, this.highest, this.topRate);
  }

  /**
   * Put balls at their starts.
   * @param {number} count
   * @param {Record<string, number>} numbers the settings, changed by `put`
   * @param {number[]} start likewise
   * @param {(lane: number) => void} put
   * @param {{steps: number, tolerance: number, every: number}} options
   */
  begin(count, numbers, start, put, { steps, tolerance, every }) {
    const { model, carried, settings } = this, names = Object.keys(model.numbers);
    this.count = count;
    this.t = 0;
    this.steps = steps;
    this.tolerance = tolerance;
    this.every = every > 0 && tolerance > 0 ? every : Infinity;
    this.before = steps - Math.floor(Math.min(this.rows - 1, steps) / 4) * 4;
    for (let lane = 0; lane < count; lane++) {
      put(lane);
      const state = initial(model, numbers, start);
      carried.forEach((one, j) => (one.lane ? (one.lane[lane] = state[j]) : (this.scalars[one.register] = state[j])));
      for (const one of settings) {
        const name = names.find((known) => model.numbers[known] === one.register);
        if (one.lane) one.lane[lane] = numbers[/** @type {string} */ (name)];
      }
      for (let i = 0; i < model.dimension; i++) this.low[i][lane] = this.high[i][lane] = start[i];
      this.highest[lane] = -Infinity;
      this.topRate[lane] = -Infinity;
      this.ids[lane] = lane;
    }
    for (const name in model.numbers) this.scalars[model.numbers[name]] = numbers[name];
    this.dead.fill(0);
    this.sharedRate = -Infinity;
  }

  /**
   * Observe all balls, hand out those that end, and let the others step.
   * @param {(lane: number, code: number) => void} ended
   * @returns {boolean} whether any are left
   */
  step(ended) {
    const { model, plan, scalars, count } = this, t = /** @type {number} */ (this.t);
    if (!count) return false;
    scalars[model.t] = t;
    execute(plan.scalarsFirst, scalars, 0, plan.scalarsFirst.length);
    this.run(plan.observe);
    this.note(t);
    if (this.end(t, ended)) return false;
    execute(plan.scalarsThen, scalars, 0, plan.scalarsThen.length);
    this.run(plan.advance);
    this.sum(t);
    this.commit();
    this.close();
    this.t = t + 1;
    return true;
  }

  /** @param {import("./plan.js").Loop[]} loops */
  run(loops) {
    const { scalars } = this, n = (/** @type {number} */ (this.count) + 3) & ~3;
    for (const { kernel, o, a, b, c } of loops) kernel(n, o, a.lane ?? scalars[a.register], b.lane ?? scalars[b.register], c.lane ?? scalars[c.register]);
  }

  /** Write the row down, each lane in its own column. @param {number} t */
  note(t) {
    const from = (t % this.rows) * LANES, { ids } = this, n = /** @type {number} */ (this.count);
    this.model.position.forEach((_, i) => {
      scattered(this.positions[i], from, ids, n, this.carried[i].lane ?? this.scalars[this.carried[i].register]);
      scattered(this.pulls[i], from, ids, n, this.rests[i].lane ?? this.scalars[this.rests[i].register]);
    });
    scattered(this.values, from, ids, n, this.value.lane ?? this.scalars[this.value.register]);
  }

  /** Hand out the lanes that end here; whether all do. @param {number} t @param {(lane: number, code: number) => void} ended */
  end(t, ended) {
    const { dead, scalars, slopes, defined, value, finite } = this, n = /** @type {number} */ (this.count);
    const due = t > 0 && t % /** @type {number} */ (this.every) === 0, over = t === this.steps;
    finite.fill(0, 0, n);
    for (const { lane, register } of [value, ...slopes]) {
      const shared = scalars[register] - scalars[register];
      if (lane) missing(finite, lane, n);
      else if (shared !== 0) finite.fill(shared, 0, n);
    }
    if (defined) for (let lane = 0; lane < n; lane++) if ((defined.lane ? defined.lane[lane] : scalars[defined.register]) === 0) finite[lane] = NaN;
    for (let lane = 0; lane < n; lane++) {
      let code = -1;
      if (finite[lane] !== 0) code = LOST;
      else if (due && this.settles(t, lane)) code = SETTLED;
      else if (over) code = SPENT;
      if (code < 0) continue;
      dead[lane] = 1;
      ended(lane, code);
    }
    return over;
  }

  /** The stopping test of run.js. @param {number} t @param {number} lane */
  settles(t, lane) {
    const now = (t % this.rows) * LANES + this.ids[lane], past = ((t - 1) % this.rows) * LANES + this.ids[lane];
    const first = ((t > 1 ? t - 2 : t - 1) % this.rows) * LANES + this.ids[lane];
    let displacement = -Infinity, before = -Infinity, gradient = -Infinity, change = -Infinity, extent = -Infinity;
    for (let i = 0; i < this.model.dimension; i++) {
      const x = this.positions[i], g = this.pulls[i], here = x[now], low = this.low[i][lane], high = this.high[i][lane];
      displacement = largest(displacement, Math.abs(here - x[past]));
      before = largest(before, Math.abs(x[past] - x[first]));
      gradient = largest(gradient, Math.abs(g[now]));
      change = largest(change, Math.abs(g[now] - g[past]));
      extent = largest(extent, (high > here ? high : here) - (low < here ? low : here));
    }
    const near = /** @type {number} */ (this.tolerance) * extent;
    return largest(displacement, before) <= near && distanceToGo(gradient, displacement, change) <= near;
  }

  /** The box, the largest rate and the largest f before the last row. @param {number} t */
  sum(t) {
    const { low, high, highest, topRate, rate, value, scalars } = this, n = /** @type {number} */ (this.count);
    for (let i = 0; i < low.length; i++) widened(low[i], high[i], /** @type {Float64Array} */ (this.carried[i].lane), n);
    if (rate.lane) raised(topRate, rate.lane, n);
    else this.sharedRate = t === 0 ? scalars[rate.register] : largest(scalars[rate.register], this.sharedRate);
    if (value.lane && t < /** @type {number} */ (this.before)) raised(highest, value.lane, n);
  }

  /** What is carried becomes what was computed. */
  commit() {
    const { carried, next, spare, scalars } = this, n = /** @type {number} */ (this.count);
    next.forEach(({ lane }, j) => spare[j]?.set(/** @type {Float64Array} */ (lane).subarray(0, n)));
    const single = next.map(({ register }) => scalars[register]);
    carried.forEach((one, j) => {
      const from = spare[j] ?? next[j].lane;
      if (!one.lane) scalars[one.register] = single[j];
      else if (from) one.lane.set(n === LANES ? from : from.subarray(0, n));
      else one.lane.fill(single[j], 0, n);
    });
  }

  /** Close up the places of lanes that have ended. */
  close() {
    const { dead, ids, moving } = this, n = /** @type {number} */ (this.count);
    let kept = 0;
    while (kept < n && !dead[kept]) kept++;
    if (kept === n) return;
    for (let lane = kept; lane < n; lane++) {
      if (dead[lane]) continue;
      for (const numbers of moving) numbers[kept] = numbers[lane];
      ids[kept++] = ids[lane];
    }
    dead.fill(0);
    this.count = kept;
  }

  /**
   * A lane that has just ended, as a path that holds its last rows only.
   * @param {number} lane @param {number} code @param {Record<string, number>} numbers of that lane
   * @returns {import("./run.js").Path}
   */
  path(lane, code, numbers) {
    const { model, rows, ids, carried, scalars } = this, { program, split, dimension: n } = model, r = program.registers, t = /** @type {number} */ (this.t);
    for (const name in model.numbers) r[model.numbers[name]] = numbers[name];
    r[model.t] = t;
    carried.forEach((one) => (r[one.register] = one.lane ? one.lane[lane] : scalars[one.register]));
    program.run(0, split);
    const count = Math.min(code === SPENT ? rows : 3, t + 1), first = t + 1 - count, positions = new Float64Array(count * n), rests = new Float64Array(count * n);
    const values = new Float64Array(count), slopes = new Float64Array(count * n), estimates = new Float64Array(count * n), rates = new Float64Array(count);
    for (let k = 0; k < count; k++) {
      const from = ((first + k) % rows) * LANES + ids[lane];
      for (let i = 0; i < n; i++) {
        positions[k * n + i] = this.positions[i][from];
        rests[k * n + i] = this.pulls[i][from];
      }
      values[k] = this.values[from];
    }
    const at = (count - 1) * n;
    for (let i = 0; i < n; i++) {
      slopes[at + i] = r[model.slopes[i]];
      estimates[at + i] = r[model.estimates[i]];
    }
    rates[count - 1] = r[model.rate];
    return {
      code, step: t, steps: /** @type {number} */ (this.steps), dimension: n, positions, rests, slopes, values, rates, estimates, first,
      states: new Float64Array(0), names: [], highest: this.highest[lane], low: this.low.map((side) => side[lane]), high: this.high.map((side) => side[lane]),
      topRate: t === 0 ? largest(r[model.rate], 0) : largest(r[model.rate], this.rate.lane ? this.topRate[lane] : this.sharedRate),
    };
  }
}

/** Boxes that hold the place too. @param {Float64Array} low @param {Float64Array} high @param {Float64Array} x @param {number} n */
function widened(low, high, x, n) {
  for (let i = 0; i < n; i += 2) {
    const a = x[i], b = x[i + 1];
    if (a < low[i]) low[i] = a;
    if (a > high[i]) high[i] = a;
    if (b < low[i + 1]) low[i + 1] = b;
    if (b > high[i + 1]) high[i + 1] = b;
  }
}

/** The larger of both. @param {Float64Array} top @param {Float64Array} x @param {number} n */
function raised(top, x, n) {
  for (let i = 0; i < n; i++) top[i] = x[i] > top[i] ? x[i] : top[i];
}

/** NaN where x is not finite. @param {Float64Array} sum @param {Float64Array} x @param {number} n */
function missing(sum, x, n) {
  for (let i = 0; i < n; i += 4) {
    sum[i] += x[i] - x[i];
    sum[i + 1] += x[i + 1] - x[i + 1];
    sum[i + 2] += x[i + 2] - x[i + 2];
    sum[i + 3] += x[i + 3] - x[i + 3];
  }
}

/** @param {Float64Array} ring @param {number} from @param {Int32Array} ids @param {number} n @param {any} numbers of the lanes, or one for all */
function scattered(ring, from, ids, n, numbers) {
  if (typeof numbers === "number") for (let i = 0; i < n; i++) ring[from + ids[i]] = numbers;
  else if (ids[n - 1] === n - 1) ring.set(n === LANES ? numbers : numbers.subarray(0, n), from);
  else for (let i = 0; i < n; i++) ring[from + ids[i]] = numbers[i];
}
