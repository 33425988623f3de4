// Many balls at once: the loop of run.js over lanes, a typed array of them for each register that differs between them.
// What all lanes share stays one number, computed once a step by the scalar machine.

import { ARITY, OPERATIONS } from "./functions.js";
import { COMMUTE, KERNELS, unsound } from "./kernels.js";
import { Builder, execute, WIDTH } from "./program.js";
import { initial, largest, LOST, SETTLED, settles, SPENT } from "./run.js";
import { windowLength } from "./verdict.js";

/** The most lanes of a block. */
export const LANES = 512;
/** From one column of the record to the next: no power of two, which a processor's caches would fold together. */
const STRIDE = LANES + 8;
const IN_PLACE = Int16Array.from({ length: LANES }, (_, lane) => lane);

/** @typedef {{name: string, target: number, args: number[], kernel: Function}} Line */
/** @typedef {{value: Float64Array, x: Float64Array[], rest: Float64Array[]}} Row what is kept of one step */

const lane = () => new Float64Array(LANES);

/** Mark what depends on what is marked. @param {ArrayLike<number>} code @param {Uint8Array} marks */
function spread(code, marks) {
  for (let at = 0; at < code.length; at += WIDTH)
    for (let k = 0; k < ARITY[code[at]]; k++) marks[code[at + 1]] |= marks[code[at + 2 + k]];
}

/** A rule on an objective for blocks of balls. A step is `observe`, then `view` for each of `ended`, then `advance`. */
export class Lanes {
  /**
   * @param {import("./model.js").Model} model
   * @param {string[]} settings that differ between balls
   * @param {number[]} starts coordinates of the start that differ
   * @param {{steps: number, tolerance: number, every: number, window: number}} options
   */
  constructor(model, settings, starts, { steps, tolerance, every, window }) {
    const { program, carried, numbers, dimension: n } = model;
    this.model = model;
    this.settings = settings;
    this.steps = steps;
    this.tolerance = tolerance;
    this.every = every > 0 && tolerance > 0 ? every : 0;
    /** The first step of the last window; before it, three rows take turns. */
    this.first = steps - windowLength(steps, window);
    /** Lanes wide: f, the position and what rests, row by row. */
    this.columns = 2 * n + 1;
    this.record = new Float64Array((steps - this.first + 4) * this.columns * STRIDE);
    /** @type {Row[]} */ this.rows = [];
    /** Row -> where a ball's lane was then. @type {Int16Array[]} */ this.places = [];
    this.now = IN_PLACE;
    this.r = program.registers.slice();
    this.count = 0;
    this.t = 0;
    this.top = 0;
    /** Lanes that end at this step, the last one first. @type {number[]} */ this.ended = [];
    /** Why the lanes in `ended` end. */
    this.codes = new Uint8Array(LANES);
    this.ball = new Int16Array(LANES);

    const varies = (this.varies = this.differing(settings, starts));
    /** @type {Float64Array[]} register -> lanes */ this.lanes = [];
    for (const name of settings) this.lanes[numbers[name]] = lane();
    this.moving = carried.map((_, j) => j).filter((j) => varies[carried[j]]);
    this.fixed = carried.map((_, j) => j).filter((j) => !varies[carried[j]]);
    this.moved = new Float64Array(carried.length);
    /** What the rule carries besides the position, now and next. */
    this.sides = [carried.map(lane), carried.map(lane)];
    this.low = model.position.map(lane);
    this.high = model.position.map(lane);
    this.peak = lane();
    this.tops = lane();
    const most = Math.max(steps - this.first, 2) + 1;
    this.room = { positions: new Float64Array(most * n), rests: new Float64Array(most * n), values: new Float64Array(most) };
    /** A ball's last rows as the stopping test reads them. @type {any} */
    this.last = { dimension: n, positions: new Float64Array(3 * n), rests: new Float64Array(3 * n), low: Array(n), high: Array(n), values: new Float64Array(3) };
    this.sharedSplit = this.split = 0;
    this.shared = new Int32Array(0);
    /** @type {Line[]} of the part that observes */ this.before = [];
    /** @type {Line[]} of the step */ this.after = [];
    this.valueHere = false;
    /** @type {boolean[]} */ this.restHere = [];
    /** @type {boolean[]} */ this.nextHere = [];
    this.compile();
  }

  /** Which registers differ between balls. @param {string[]} settings @param {number[]} starts */
  differing(settings, starts) {
    const { program, carried, next, numbers, names, variant } = this.model, varies = new Uint8Array(this.r.length);
    for (const name of settings) varies[numbers[name]] = 1;
    const builder = new Builder(), outputs = builder.add(variant.start), begun = new Uint8Array(builder.initial.length);
    for (const name of settings) if (name in builder.inputs) begun[builder.inputs[name]] = 1;
    spread(builder.code, begun);
    const slots = Object.fromEntries(variant.slots.map((/** @type {any} */ slot) => [slot.name, slot.start]));
    names.forEach((name, j) => {
      const [where, what] = name.split(":");
      const placed = what === "position" || slots[what] === "position";
      varies[carried[j]] = where === "schedule" ? begun[outputs[what]] : +(placed && starts.includes(Number(where)));
    });
    for (let more = true; more; ) {
      spread(program.code, varies);
      more = false;
      carried.forEach((register, j) => {
        if (varies[next[j]] && !varies[register]) more = !!(varies[register] = 1);
      });
    }
    return varies;
  }

  /** Sort the lines: shared ones for the scalar machine, the others with their loops and their places. */
  compile() {
    const { model, varies } = this, { program, split, carried, next, value, slopes, rests, rate, defined } = model;
    const { code } = program, uses = new Uint32Array(this.r.length), outputs = [value, ...slopes, ...rests, rate, ...next];
    if (defined >= 0) outputs.push(defined);
    for (const register of outputs) uses[register] += 2; // never folded into another line
    for (let at = code.length - WIDTH; at >= 0; at -= WIDTH)
      if (uses[code[at + 1]]) for (let k = 0; k < ARITY[code[at]]; k++) uses[code[at + 2 + k]]++;
    /** @type {number[]} */ const shared = [];
    /** @type {(Line | null)[]} */ const lines = [];
    /** @type {Map<number, number>} product -> its line */ const products = new Map();
    for (let at = 0; at < code.length; at += WIDTH) {
      if (at === split) [this.sharedSplit, this.split] = [shared.length, lines.length];
      const name = OPERATIONS[code[at]], target = code[at + 1], args = [...code.subarray(at + 2, at + 2 + ARITY[code[at]])];
      if (!uses[target]) continue;
      if (!varies[target]) shared.push(...code.subarray(at, at + WIDTH));
      else {
        if (name === "mul" && uses[target] === 1) products.set(target, lines.length);
        const found = name === "add" || name === "sub" ? args.findIndex((register) => products.has(register)) : -1;
        if (found >= 0) {
          const place = /** @type {number} */ (products.get(args[found])), product = /** @type {Line} */ (lines[place]);
          lines[place] = null;
          lines.push(line(name === "add" ? "muladd" : found ? "submul" : "mulsub", target, [...product.args, args[1 - found]], varies));
        } else lines.push(line(name, target, args, varies));
      }
    }
    if (split === code.length) [this.sharedSplit, this.split] = [shared.length, lines.length];
    this.shared = Int32Array.from(shared);
    this.before = /** @type {Line[]} */ (lines.slice(0, this.split).filter(Boolean));
    this.after = /** @type {Line[]} */ (lines.slice(this.split).filter(Boolean));

    // Where results go: into a row or the next state where nobody else claims them, else into an array of their own, or
    // into one of those that are passed on when their number is needed no more.
    const all = [...this.before, ...this.after], written = new Set(all.map((one) => one.target));
    const claimed = new Set();
    const claims = (/** @type {number} */ register) => {
      const free = written.has(register) && !claimed.has(register);
      if (free) claimed.add(register);
      return free;
    };
    this.valueHere = claims(value);
    this.restHere = rests.map(claims);
    this.nextHere = next.map((register, j) => varies[carried[j]] === 1 && claims(register));
    for (const register of outputs) if (claims(register)) this.lanes[register] = lane();
    const end = new Map();
    all.forEach((one, k) => one.args.forEach((register) => end.set(register, k)));
    /** @type {Float64Array[]} */ const free = [];
    all.forEach((one, k) => {
      for (const register of new Set(one.args))
        if (end.get(register) === k && written.has(register) && !claimed.has(register)) free.push(this.lanes[register]);
      if (!claimed.has(one.target)) this.lanes[one.target] = free.pop() ?? lane();
    });
  }

  /** The row of step t. @param {number} t */
  place(t) {
    return t < this.first ? t % 3 : 3 + t - this.first;
  }

  /** What is kept of step t, as arrays of lanes. @param {number} t */
  row(t) {
    const place = this.place(t), n = this.model.dimension;
    const column = (/** @type {number} */ k) => {
      const from = (place * this.columns + k) * STRIDE;
      return this.record.subarray(from, from + LANES);
    };
    return (this.rows[place] ??= {
      value: column(0), x: this.model.position.map((_, i) => column(1 + i)), rest: this.model.rests.map((_, i) => column(1 + n + i)),
    });
  }

  /** Begin a block. @param {{numbers: Record<string, number>, start: number[]}[]} balls */
  begin(balls) {
    const { model, lanes, moving, low, high } = this, { carried, dimension } = model, [now] = this.sides, { x } = this.row(0);
    this.count = balls.length;
    this.t = this.top = 0;
    this.now = IN_PLACE;
    this.ball.set(IN_PLACE);
    this.peak.fill(-Infinity);
    balls.forEach(({ numbers, start }, k) => {
      const state = initial(model, numbers, start);
      for (const j of moving) (j < dimension ? x : now)[j][k] = state[j];
      for (const name of this.settings) lanes[model.numbers[name]][k] = numbers[name];
      for (let i = 0; i < dimension; i++) low[i][k] = high[i][k] = start[i];
      if (k === 0) {
        for (const j of this.fixed) {
          this.r[carried[j]] = state[j];
          if (j < dimension) x[j].fill(state[j]);
        }
        for (const name in model.numbers) this.r[model.numbers[name]] = numbers[name];
      }
    });
    this.observe();
  }

  /** Look at step t, and find who ends there. */
  observe() {
    const { model, lanes, varies, r, t, nextHere } = this, { carried, next, value, rests, dimension } = model;
    const row = this.row(t), ahead = t < this.steps ? this.row(t + 1).x : row.x, now = this.sides[t & 1], then = this.sides[1 - (t & 1)];
    this.places[this.place(t)] = this.now;
    for (const j of this.moving) {
      lanes[carried[j]] = (j < dimension ? row.x : now)[j];
      if (nextHere[j]) lanes[next[j]] = (j < dimension ? ahead : then)[j];
    }
    if (this.valueHere) lanes[value] = row.value;
    for (let i = 0; i < dimension; i++) if (this.restHere[i]) lanes[rests[i]] = row.rest[i];
    r[model.t] = t;
    execute(this.shared, r, 0, this.sharedSplit);
    this.run(this.before);
    if (!this.valueHere) this.copy(value, row.value);
    for (let i = 0; i < dimension; i++) {
      if (!this.restHere[i]) this.copy(rests[i], row.rest[i]);
      if (!varies[carried[i]]) row.x[i].fill(r[carried[i]]);
    }
    this.find();
  }

  /** Who ends at this step, and why. */
  find() {
    const { model, codes, count, t, ended } = this, { value, slopes, defined } = model, seen = [value, ...slopes];
    ended.length = 0;
    let alarm = this.varies[defined] ? NaN : defined >= 0 && this.r[defined] === 0 ? NaN : 0;
    for (const register of seen) alarm += this.varies[register] ? unsound(count, this.lanes[register]) : this.r[register] - this.r[register];
    const due = this.every > 0 && t > 0 && t % this.every === 0;
    if (alarm === 0 && !due && t < this.steps) return;
    for (let k = count - 1; k >= 0; k--) {
      let finite = 0;
      if (alarm !== 0) for (const register of seen) finite += this.at(register, k) - this.at(register, k);
      if (finite !== 0 || (defined >= 0 && this.at(defined, k) === 0)) codes[k] = LOST;
      else if (due && settles(this.lately(k), Math.min(t, 2), this.tolerance)) codes[k] = SETTLED;
      else if (t === this.steps) codes[k] = SPENT;
      else continue;
      ended.push(k);
    }
  }

  /** A lane's number in a register. @param {number} register @param {number} k */
  at(register, k) {
    return this.varies[register] ? this.lanes[register][k] : this.r[register];
  }

  /** @param {Line[]} lines */
  run(lines) {
    const { lanes, r, varies, count } = this;
    for (const { kernel, target, args } of lines) {
      const [a, b, c] = args;
      kernel(lanes[target], count, varies[a] ? lanes[a] : r[a], varies[b] ? lanes[b] : r[b], varies[c] ? lanes[c] : r[c]);
    }
  }

  /** @param {number} register @param {Float64Array} to */
  copy(register, to) {
    if (this.varies[register]) to.set(this.lanes[register]);
    else to.fill(this.r[register]);
  }

  /** A lane's rows since a step, written into a path. @param {number} k @param {number} from @param {any} path */
  write(k, from, { positions, rests, values }) {
    const { record, columns, places } = this, n = (columns - 1) / 2, ball = this.ball[k];
    for (let s = from, to = 0; s <= this.t; s++) {
      const row = this.place(s);
      let at = row * columns * STRIDE + places[row][ball];
      values[s - from] = record[at];
      for (let i = 0; i < n; i++, to++) {
        positions[to] = record[(at += STRIDE)];
        rests[to] = record[at + n * STRIDE];
      }
    }
  }

  /** A lane's last three rows, or as many as there are, for the stopping test. @param {number} k */
  lately(k) {
    const { last, low, high, t } = this;
    for (let i = 0; i < last.dimension; i++) {
      last.low[i] = low[i][k];
      last.high[i] = high[i][k];
    }
    this.write(k, t < 2 ? 0 : t - 2, last);
    return last;
  }

  /** A lane that ends, as the judge wants a path: the rows that it asks for. Good until the next call. @param {number} k */
  view(k) {
    const { model, r, t, lanes, varies, first, room } = this, { carried, dimension: n, slopes, estimates, rate, numbers } = model;
    const code = this.codes[k], from = code === SPENT && first < t - 2 ? first : Math.max(0, t - 2), rows = t - from + 1;
    // Once more with the scalar machine, which also finds what no step needs.
    for (const name of this.settings) r[numbers[name]] = lanes[numbers[name]][k];
    for (const j of this.moving) r[carried[j]] = lanes[carried[j]][k];
    execute(model.program.code, r, 0, model.split);
    const path = {
      code, step: t, steps: this.steps, dimension: n, offset: from, highest: this.peak[k],
      topRate: largest(r[rate], varies[rate] ? (t > 0 ? this.tops[k] : 0) : this.top),
      positions: room.positions.subarray(0, rows * n), rests: room.rests.subarray(0, rows * n), values: room.values.subarray(0, rows),
      low: this.low.map((side) => side[k]), high: this.high.map((side) => side[k]), rates: [r[rate]],
      slopes: slopes.map((register) => r[register]), estimates: estimates.map((register) => r[register]),
    };
    this.write(k, from, path);
    for (let s = first; s < from; s++) {
      const row = this.place(s);
      path.highest = largest(this.record[row * this.columns * STRIDE + this.places[row][this.ball[k]]], path.highest);
    }
    return path;
  }

  /** Take a step with all who do not end. */
  advance() {
    const { model, r, t, lanes, varies, moved, ended, low, high } = this, { carried, next, rate, dimension } = model;
    if (ended.length === this.count) {
      this.count = ended.length = 0;
      return;
    }
    const { x, value } = this.row(t), ahead = this.row(t + 1).x, then = this.sides[1 - (t & 1)], n = this.count;
    execute(this.shared, r, this.sharedSplit, this.shared.length);
    this.run(this.after);
    for (const j of this.moving) if (!this.nextHere[j]) this.copy(next[j], (j < dimension ? ahead : then)[j]);
    for (let i = 0; i < dimension; i++) {
      KERNELS.lower(low[i], n, x[i]);
      KERNELS.raise(high[i], n, x[i]);
    }
    if (t < this.first) KERNELS.raise(this.peak, n, value);
    if (!varies[rate]) this.top = t === 0 ? r[rate] : largest(r[rate], this.top);
    else if (t === 0) this.copy(rate, this.tops);
    else KERNELS.largest(this.tops, n, lanes[rate]);
    for (const j of this.fixed) moved[j] = r[next[j]];
    for (const j of this.fixed) r[carried[j]] = moved[j];
    if (ended.length) this.remove([...this.settings.map((name) => lanes[model.numbers[name]]), ...low, ...high,
      this.peak, this.tops, ...this.moving.map((j) => (j < dimension ? ahead : then)[j])]);
    this.t++;
    this.observe();
  }

  /** The last lanes take the places of those that end. @param {Float64Array[]} arrays */
  remove(arrays) {
    const { ball, ended } = this, places = this.now.slice();
    for (const k of ended) {
      const end = --this.count;
      for (const array of arrays) array[k] = array[end];
      ball[k] = ball[end];
      places[ball[k]] = k;
    }
    this.now = places;
  }
}

/** A line with its loop. @param {string} name @param {number} target @param {number[]} args @param {Uint8Array} varies @returns {Line} */
function line(name, target, args, varies) {
  if (COMMUTE.has(name) && !varies[args[0]] && varies[args[1]]) args = [args[1], args[0], ...args.slice(2)];
  const kernels = /** @type {Record<string, any>} */ (KERNELS), kernel = kernels[`${name}_${args.map((register) => "sv"[varies[register]]).join("")}`];
  if (kernel) return { name, target, args, kernel };
  const whole = kernels[`${name}_${"v".repeat(args.length)}`], filled = args.map(lane);
  const spreading = (/** @type {Float64Array} */ o, /** @type {number} */ n, /** @type {any[]} */ ...given) =>
    whole(o, n, ...filled.map((array, k) => (varies[args[k]] ? given[k] : array.fill(given[k]))));
  return { name, target, args, kernel: spreading };
}
