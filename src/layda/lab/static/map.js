// The map's numbers: one ball for each cell, the coarse cells first, blocks of lanes at a time. Every cell has the kind,
// the steps and the last value of Engine.path and Engine.verdict on `cell(column, row)`.

import { LANES, Lanes } from "./lanes.js";

/** @typedef {{kind: "setting" | "start", path: string, index: number, log: boolean, low: number, high: number}} Side */

/** The work of one map, a slice at a time. */
export class MapJob {
  /**
   * @param {import("./engine.js").Engine} engine
   * @param {any} objective
   * @param {{rule: string, word?: string, numbers?: Record<string, number>}} way
   * @param {{x: Side, y: Side, columns: number, rows: number, start: number[], steps: number, tolerance?: number}} options
   */
  constructor(engine, objective, way, { x, y, columns, rows, start, steps, tolerance = engine.tolerance }) {
    this.engine = engine;
    this.objective = objective;
    this.way = way;
    this.sides = [x, y];
    this.columns = columns;
    this.rows = rows;
    this.start = start;
    this.tolerance = tolerance;
    const count = columns * rows, { scene } = engine;
    /** A verdict's place in the scene's list; 255: not yet. */
    this.kinds = new Uint8Array(count).fill(255);
    this.steps = new Uint32Array(count);
    /** f at the end. */
    this.values = new Float64Array(count);
    this.code = Object.fromEntries(scene.verdicts.map((/** @type {string} */ kind, /** @type {number} */ place) => [kind, place]));

    const variant = engine.variant(way.rule, way.word ?? "");
    this.numbers = { ...variant.defaults, ...way.numbers };
    const settings = this.sides.filter((side) => side.kind === "setting").map((side) => side.path);
    const starts = this.sides.filter((side) => side.kind === "start").map((side) => side.index);
    this.lanes = lanesFor(engine.model(objective, variant), settings, starts, { steps, tolerance, every: engine.every, window: scene.constants.window });
    /** Cells by passes; a block never holds cells of two. @type {number[][]} */
    this.blocks = [];
    for (const stride of [8, 4, 2, 1]) {
      const cells = [];
      for (let row = 0; row < rows; row += stride)
        for (let column = 0; column < columns; column += stride)
          if (stride === 8 || row % (2 * stride) || column % (2 * stride)) cells.push(row * columns + column);
      for (let at = 0; at < cells.length; at += LANES) this.blocks.push(cells.slice(at, at + LANES));
    }
    /** @type {number[]} */ this.block = [];
    this.next = this.judged = this.known = 0;
  }

  /** A cell's settings and start, at its centre. @param {number} column @param {number} row */
  cell(column, row) {
    const numbers = { ...this.numbers }, start = [...this.start];
    [(column + 0.5) / this.columns, (row + 0.5) / this.rows].forEach((share, k) => {
      const { kind, path, index, log, low, high } = this.sides[k];
      const value = log ? Math.exp(Math.log(low) + share * (Math.log(high) - Math.log(low))) : low + share * (high - low);
      if (kind === "start") start[index] = value;
      else numbers[path] = value;
    });
    return { numbers, start };
  }

  /** Work for about so many milliseconds; whether all is done. @param {number} ms */
  work(ms) {
    const end = performance.now() + ms;
    while (this.known < this.kinds.length) {
      this.unit();
      if (performance.now() >= end) break;
    }
    return this.known === this.kinds.length;
  }

  /** One verdict, one step of a block, or its beginning. */
  unit() {
    const { lanes } = this;
    if (this.judged < lanes.ended.length) this.judge(lanes.ended[this.judged++]);
    else if (lanes.count) {
      this.judged = 0;
      lanes.advance();
    } else {
      this.judged = 0;
      this.block = this.blocks[this.next++];
      lanes.begin(this.block.map((at) => this.cell(at % this.columns, Math.floor(at / this.columns))));
    }
  }

  /** @param {number} lane that ends */
  judge(lane) {
    const path = /** @type {any} */ (this.lanes.view(lane)), at = this.block[this.lanes.ball[lane]];
    this.kinds[at] = this.code[this.engine.verdict(this.objective, this.way, path, this.tolerance).kind];
    this.steps[at] = path.step;
    this.values[at] = path.values[path.step - path.offset];
    this.known++;
  }

  /** How much is known, from 0 to 1. */
  share() {
    return this.known / this.kinds.length;
  }

  /** The nearest coarser cell that is known, or −1. @param {number} column @param {number} row */
  shown(column, row) {
    for (const stride of [1, 2, 4, 8]) {
      const at = (row - (row % stride)) * this.columns + column - (column % stride);
      if (this.kinds[at] !== 255) return at;
    }
    return -1;
  }
}

/** @type {{model: object, key: string, lanes: Lanes} | null} the last lanes, whose memory is large */
let newest = null;

/** Lanes, cleared of the map that had them before: only the newest map may work. @param {import("./model.js").Model} model @param {string[]} settings @param {number[]} starts @param {any} options */
function lanesFor(model, settings, starts, options) {
  const key = JSON.stringify([settings, starts, options]);
  if (newest?.model !== model || newest.key !== key) newest = { model, key, lanes: new Lanes(model, settings, starts, options) };
  newest.lanes.count = newest.lanes.ended.length = 0;
  return newest.lanes;
}
