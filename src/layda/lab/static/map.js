// A map: what becomes of a ball over two of its settings or starts, coarse at first, in pieces.

import { Lanes } from "./lanes.js";
import { LANES } from "./plan.js";
import { SPENT } from "./run.js";

/** @typedef {{kind: string, path: string, index: number, low: number, high: number, log: boolean}} Side an axis of the map: from the border of its first cell to that of its last */

const UNKNOWN = 255, COARSEST = 8;

/** The work on one map. */
export class MapJob {
  /**
   * @param {import("./engine.js").Engine} engine @param {any} objective
   * @param {{rule: string, word?: string, numbers: Record<string, number>}} way
   * @param {{x: Side, y: Side, columns: number, rows: number, start: number[], steps: number, tolerance: number}} options
   */
  constructor(engine, objective, way, { x, y, columns, rows, start, steps, tolerance }) {
    const variant = engine.variant(way.rule, way.word ?? "");
    this.engine = engine;
    this.objective = objective;
    this.way = way;
    this.columns = columns;
    this.rows = rows;
    this.sides = [x, y];
    this.numbers = { ...variant.defaults, ...way.numbers };
    this.start = start.slice();
    this.options = { steps, tolerance, every: engine.every };
    this.names = [x, y].filter((side) => side.kind === "setting").map((side) => side.path);
    this.lanes = lanesOf(engine.model(objective, variant), this.names, engine.scene.constants.window);
    this.kinds = new Uint8Array(columns * rows).fill(UNKNOWN);
    this.steps = new Uint32Array(columns * rows);
    this.values = new Float64Array(columns * rows);
    this.codes = new Map(engine.scene.verdicts.map((/** @type {string} */ kind, /** @type {number} */ code) => [kind, code]));
    this.order = orderOf(columns, rows);
    this.taken = this.done = 0;
    this.block = new Int32Array(LANES);
    /** @type {number[]} lanes of a spent block that wait for their verdict */ this.waiting = [];
    this.open = false;
  }

  /** Work for about so many milliseconds; whether all is done. @param {number} milliseconds */
  work(milliseconds) {
    const until = performance.now() + milliseconds, { lanes } = this;
    if (this.lanes.owner !== this) this.claim();
    do {
      if (this.waiting.length) this.judge(/** @type {number} */ (this.waiting.pop()), SPENT);
      else if (this.open) this.open = lanes.step((lane, code) => (code === SPENT ? this.waiting.push(lane) : this.judge(lane, code)));
      else if (this.taken < this.order.length) this.begin();
      else return true;
    } while (performance.now() < until);
    return !this.open && !this.waiting.length && this.taken === this.order.length;
  }

  /** Take the lanes from a map that nobody looks at any more. */
  claim() {
    this.lanes.owner = this;
    this.taken = this.done;
    this.open = false;
    this.waiting = [];
  }

  /** The next cells as a block. */
  begin() {
    const count = Math.min(LANES, this.order.length - this.taken);
    this.block.set(this.order.subarray(this.taken, this.taken + count));
    this.taken += count;
    this.lanes.begin(count, this.numbers, this.start, (lane) => this.put(this.block[lane]), this.options);
    this.open = true;
  }

  /** Set the settings and the start to those of a cell. @param {number} cell */
  put(cell) {
    const places = [(cell % this.columns) + 0.5, Math.floor(cell / this.columns) + 0.5], counts = [this.columns, this.rows];
    this.sides.forEach((side, k) => {
      const value = valueOn(side, places[k] / counts[k]);
      if (side.kind === "start") this.start[side.index] = value;
      else this.numbers[side.path] = value;
    });
  }

  /** @param {number} lane @param {number} code */
  judge(lane, code) {
    const cell = this.block[this.lanes.ids[lane]];
    this.put(cell);
    const path = this.lanes.path(lane, code, this.numbers);
    this.kinds[cell] = /** @type {number} */ (this.codes.get(this.engine.verdict(this.objective, this.way, path, this.options.tolerance).kind));
    this.steps[cell] = path.step;
    this.values[cell] = path.values[path.step - path.first];
    this.done++;
  }

  /** The part that is done. */
  share() {
    return this.done / this.order.length;
  }

  /** The cell that stands for this one as long as it is not known; −1 where there is none. @param {number} column @param {number} row */
  shown(column, row) {
    for (let size = 1; size <= COARSEST; size *= 2) {
      const cell = (row - (row % size)) * this.columns + column - (column % size);
      if (this.kinds[cell] !== UNKNOWN) return cell;
    }
    return -1;
  }
}

/** A value on an axis; evenly spaced in its logarithm where it is one. @param {Side} side @param {number} part 0 to 1 */
export function valueOn({ low, high, log }, part) {
  return log ? Math.exp(Math.log(low) + part * (Math.log(high) - Math.log(low))) : low + part * (high - low);
}

/** Every eighth cell both ways, then every fourth, and so on. @param {number} columns @param {number} rows */
function orderOf(columns, rows) {
  const order = new Int32Array(columns * rows);
  let at = 0;
  for (let size = COARSEST; size >= 1; size /= 2)
    for (let row = 0; row < rows; row += size)
      for (let column = 0; column < columns; column += size)
        if (size === COARSEST || row % (2 * size) || column % (2 * size)) order[at++] = row * columns + column;
  return order;
}

/** @type {WeakMap<object, Map<string, any>>} */
const KNOWN_LANES = new WeakMap();

/** The lanes for a model, made once: their memory is large. @param {import("./model.js").Model} model @param {string[]} names @param {number} longest */
function lanesOf(model, names, longest) {
  const key = names.join();
  if (!KNOWN_LANES.has(model)) KNOWN_LANES.set(model, new Map());
  const known = /** @type {Map<string, any>} */ (KNOWN_LANES.get(model));
  if (!known.has(key)) known.set(key, Object.assign(new Lanes(model, names, longest), { owner: null }));
  return known.get(key);
}
