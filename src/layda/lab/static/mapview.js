// The map: what becomes of this ball over two of its settings or starts, refined while nobody moves anything.

import { clamp, h, shown, signed, ticks } from "./dom.js";
import { knob, placed } from "./knob.js";
import { inksOf } from "./looks.js";
import { MapJob } from "./map.js";
import { within } from "./state.js";

const COLUMNS = 160, ROWS = 100, FINE = 3, MOST_MAPPED = 1000;
const M = { left: 52, right: 12, top: 8, bottom: 34 };
// Cividis (Nuñez, Anderton and Renslow 2018), every eighth of its length.
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 180, 105], [225, 204, 85]];

/** @typedef {{name: string, symbol: string, kind: "setting" | "start", path: string, index: number, log: boolean, low: number, high: number}} Axis */

/** The axes that a ball's map can have. @param {any} objective @param {any} rule @returns {Axis[]} */
export function axesOf(objective, rule) {
  /** @type {Axis[]} */
  const settings = rule.settings.map((/** @type {any} */ one) => {
    const log = isLog(one.path), [low, high] = spanOf(one);
    return { name: one.path, symbol: one.symbol, kind: "setting", path: one.path, index: -1, log, low: log ? Math.log10(low) : low, high: log ? Math.log10(high) : high };
  });
  return settings.concat(
    objective.coordinates.map((/** @type {string} */ symbol, /** @type {number} */ index) => ({
      name: `start.${index}`, symbol: `${symbol}₀`, kind: "start", path: "", index, log: false, low: objective.box[index][0], high: objective.box[index][1],
    })),
  );
}

/** Settings that people think of in powers of ten. @param {string} path */
export const isLog = (path) => path === "learning_rate.initial" || path === "epsilon";

/** What a slider spans. @param {any} setting of the scene @returns {[number, number]} */
export function spanOf(setting) {
  if (setting.path === "learning_rate.initial") return [1e-5, 100];
  if (setting.path === "epsilon") return [1e-12, 1];
  return [Math.max(Number(setting.low), -1), Math.min(Number(setting.high), 1)];
}

/** The panel of the map. */
export class MapView {
  /** @param {any} app */
  constructor(app) {
    this.app = app;
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { class: "map", "aria-hidden": "true" }));
    this.legend = h("ul", { class: "legend" });
    this.progress = h("span", { class: "soft" });
    this.tile = document.createElement("canvas");
    this.tile.width = COLUMNS * FINE;
    this.tile.height = ROWS * FINE;
    const context = /** @type {CanvasRenderingContext2D} */ (this.tile.getContext("2d"));
    this.context = context;
    this.image = context.createImageData(this.tile.width, this.tile.height);
    this.key = "";
    this.told = "";
    this.begun = -Infinity;
    /** @type {any} */ this.job = null;
    this.fresh = false;
    this.handle = knob(this.canvas, {
      label: app.say("Settings on the map; arrow keys move, + and − zoom"),
      to: (x, y) => this.go(...this.valuesAt(x, y)),
      by: (across, up) => this.nudge(across, up),
      key: (event) => this.zoomKey(event),
    });
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.shiftKey && document.activeElement !== this.handle) return; // the page scrolls
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 0.8 : 1.25, this.valuesAt(event.offsetX, event.offsetY));
    }, { passive: false });
  }

  /** The two axes, across and up. */
  axes() {
    const { state } = this.app, all = axesOf(this.app.objective, this.app.ruleOf(this.app.ball()));
    const [across, up] = state.axes.split(",").map((/** @type {string} */ name) => all.find((axis) => axis.name === name));
    const first = across ?? all[0], asked = across !== undefined && up !== undefined && up !== across;
    return { all, asked, across: first, up: up && up !== first ? up : all.find((axis) => axis !== first && !axis.path.endsWith("decay")) ?? all[1] };
  }

  /** Left, right, bottom, top; powers of ten on logarithmic axes. */
  window() {
    const { across, up, asked } = this.axes(), { window } = this.app.state;
    // A window is of the axes that were asked for, and numbers end at 1e±300.
    const fits = window && asked && [across, up].every((axis, k) => !axis.log || (window[2 * k] > -300 && window[2 * k + 1] < 300));
    return fits ? window : [across.low, across.high, up.low, up.high];
  }

  /** Where the ball is on an axis. @param {Axis} axis */
  here(axis) {
    const value = axis.kind === "start" ? this.app.state.start[axis.index] : this.app.ball().numbers[axis.path];
    return axis.log ? Math.log10(value) : value;
  }

  /** @param {number} x @param {number} y a pixel @returns {[number, number]} */
  valuesAt(x, y) {
    const [left, right, bottom, top] = this.window();
    const across = (x - M.left) / this.wide(), up = 1 - (y - M.top) / this.tall();
    return [left + (right - left) * clamp(across, 0, 1), bottom + (top - bottom) * clamp(up, 0, 1)];
  }

  /** Move the ball's settings there. @param {number} a across @param {number} b up */
  go(a, b) {
    const { across, up } = this.axes();
    this.app.edit((/** @type {import("./state.js").State} */ state) => {
      for (const [axis, value] of /** @type {[Axis, number][]} */ ([[across, a], [up, b]])) {
        const plain = axis.log ? Number((10 ** value).toPrecision(17)) : value;
        if (axis.kind === "start") state.start[axis.index] = plain;
        else state.balls[state.chosen].numbers[axis.path] = within(plain, this.app.limit(axis.path));
      }
    });
  }

  /** One cell per key. @param {number} cells @param {number} rows */
  nudge(cells, rows) {
    const { across, up } = this.axes(), [left, right, bottom, top] = this.window();
    this.go(this.here(across) + (cells * (right - left)) / COLUMNS, this.here(up) + (rows * (top - bottom)) / ROWS);
  }

  /** @param {KeyboardEvent} event */
  zoomKey(event) {
    if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else if (event.key === "0") this.app.edit((/** @type {any} */ state) => (state.window = null));
    else return false;
    return true;
  }

  /** Look at a part about a point; as deep as the numbers tell cells apart. @param {number} factor @param {[number, number]} [about] */
  zoom(factor, about) {
    const { across, up } = this.axes(), [left, right, bottom, top] = this.window();
    const [x, y] = about ?? [clamp(this.here(across), left, right), clamp(this.here(up), bottom, top)];
    const sides = [x + (left - x) * factor, x + (right - x) * factor, y + (bottom - y) * factor, y + (top - y) * factor];
    const deep = (/** @type {number} */ low, /** @type {number} */ high, /** @type {number} */ cells) =>
      (high - low) / cells < 2 ** -52 * Math.max(Math.abs(low), Math.abs(high), 1e-300);
    if (deep(sides[0], sides[1], COLUMNS) || deep(sides[2], sides[3], ROWS)) return;
    const whole = [across, up].every((axis, k) => sides[2 * k] <= axis.low && sides[2 * k + 1] >= axis.high);
    this.app.edit((/** @type {any} */ state) => (state.window = whole && factor > 1 ? null : sides));
  }

  /** Begin anew where what the map shows has changed; not so often that nothing is ever shown. */
  update() {
    const { app } = this, { state } = app, { across, up } = this.axes(), [left, right, bottom, top] = this.window();
    const ball = app.ball(), fixed = { ...ball.numbers }, start = [...state.start];
    for (const axis of [across, up]) {
      if (axis.kind === "start") start[axis.index] = 0;
      else delete fixed[axis.path];
    }
    const key = JSON.stringify([app.objective.name, ball.rule, ball.word, fixed, start, state.steps, state.tolerance, across.name, up.name, left, right, bottom, top]);
    const now = performance.now();
    if (key !== this.key && now - this.begun > 200) {
      this.key = key;
      this.begun = now;
      const side = (/** @type {Axis} */ axis, /** @type {number} */ low, /** @type {number} */ high) =>
        ({ kind: axis.kind, path: axis.path, index: axis.index, log: axis.log, low: axis.log ? 10 ** low : low, high: axis.log ? 10 ** high : high });
      this.job = new MapJob(app.engine, app.objective, ball, {
        x: side(across, left, right), y: side(up, bottom, top), columns: COLUMNS, rows: ROWS, start: state.start, steps: Math.min(state.steps, MOST_MAPPED), tolerance: state.tolerance,
      });
      this.done = false;
      this.fresh = true;
    }
    if (this.app.sizesNow.map.width !== this.shownWidth) this.fresh = true;
    this.place();
  }

  /** The handle where the ball is. */
  place() {
    if (!this.app.sizesNow.map.width) return;
    const { app } = this, { across, up } = this.axes(), [left, right, bottom, top] = this.window(), [a, b] = [this.here(across), this.here(up)];
    const inside = a >= left && a <= right && b >= bottom && b <= top;
    this.handle.classList.toggle("away", !inside);
    placed(this.handle, M.left + ((clamp(a, left, right) - left) / (right - left)) * this.wide(), M.top + (1 - (clamp(b, bottom, top) - bottom) / (top - bottom)) * this.tall(), a,
      `${across.symbol} = ${plain(a, across)}, ${up.symbol} = ${plain(b, up)}${inside ? "" : `, ${app.say("outside this part of the map")}`}`);
  }

  /** Work for so many milliseconds; whether there is more to do. @param {number} milliseconds */
  slice(milliseconds) {
    if (!this.job || this.done) return false;
    this.done = this.job.work(milliseconds);
    this.fresh = true;
    return !this.done;
  }

  wide() {
    return this.app.sizesNow.map.width - M.left - M.right;
  }

  tall() {
    return this.app.sizesNow.map.height - M.top - M.bottom;
  }

  /** Draw what is known. */
  draw() {
    if (!this.fresh || !this.job || !this.app.sizesNow.map.width) return;
    this.fresh = false;
    this.shownWidth = this.app.sizesNow.map.width;
    const { app, canvas } = this, scale = app.pixels, inks = inksOf(app.dark), { across, up } = this.axes();
    const { width, height } = app.sizesNow.map;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.paint();
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = inks.paper;
    pen.fillRect(0, 0, width, height);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(this.tile, M.left, M.top, this.wide(), this.tall());
    const [left, right, bottom, top] = this.window();
    const x = (/** @type {number} */ value) => M.left + ((value - left) / (right - left)) * this.wide();
    const y = (/** @type {number} */ value) => M.top + (1 - (value - bottom) / (top - bottom)) * this.tall();
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = inks.soft;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const value of ticks(left, right, this.wide() / 80)) pen.fillText(axisLabel(value, across), x(value), M.top + this.tall() + 5);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const value of ticks(bottom, top, this.tall() / 45)) pen.fillText(axisLabel(value, up), M.left - 6, y(value));
    pen.fillStyle = inks.ink;
    pen.font = "italic 13px system-ui, sans-serif";
    pen.textBaseline = "bottom";
    pen.fillText(across.symbol, width - M.right, height);
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText(up.symbol, 2, M.top);
  }

  /** The cells as pixels, and the legend. */
  paint() {
    const { job, app } = this, { verdicts, colours } = app.scene, steps = app.state.colour === "steps";
    const pixels = new Uint32Array(this.image.data.buffer), counts = new Array(verdicts.length).fill(0), wide = this.tile.width;
    const among = (/** @type {string[]} */ kinds) => Uint8Array.from(verdicts, (/** @type {string} */ kind) => +kinds.includes(kind));
    const broken = among(["diverged", "undefined"]), settled = among(["converged", "trapped", "saddle"]);
    const table = Uint32Array.from(colours, packed), scale = Math.log1p(Math.min(app.state.steps, MOST_MAPPED)), grey = packed("#c8c8c8"), line = packed("#ffffff");
    for (let row = 0; row < ROWS; row++)
      for (let column = 0; column < COLUMNS; column++) {
        const at = job.shown(column, row), kind = at < 0 ? 255 : job.kinds[at], left = column * FINE, first = (ROWS - 1 - row) * FINE;
        let colour = 0;
        if (kind !== 255) {
          counts[kind]++;
          colour = !steps ? table[kind] : settled[kind] ? cividis(1 - Math.log1p(job.steps[at]) / scale) : grey;
        }
        for (let v = first; v < first + FINE; v++) {
          const from = v * wide + left;
          pixels[from] = pixels[from + 1] = pixels[from + 2] = colour;
          if (broken[kind]) for (let u = 0; u < FINE; u++) if ((left + u + v) % 9 === 0) pixels[from + u] = line;
        }
      }
    this.context.putImageData(this.image, 0, 0);
    this.tell(counts, steps);
  }

  /** @param {number[]} counts @param {boolean} steps */
  tell(counts, steps) {
    const { app, job } = this, total = counts.reduce((sum, count) => sum + count, 0) || 1;
    /** @type {[string, string, string][]} */ const entries = [];
    if (steps) entries.push(["linear-gradient(90deg,#00224e,#707173,#e1cc55)", "", app.say("steps until settled: many to few")], ["#c8c8c8", "", app.say("did not settle")]);
    else
      counts.forEach((count, kind) => {
        const name = app.scene.verdicts[kind], hatch = ["diverged", "undefined"].includes(name) ? "hatched" : "";
        if (count) entries.push([app.scene.colours[kind], hatch, `${app.say(name)} ${percent(count / total)}`]);
      });
    const key = JSON.stringify(entries);
    if (key !== this.told) {
      this.told = key;
      this.legend.replaceChildren(...entries.map(([colour, hatch, text]) => {
        const swatch = h("i", { class: `swatch ${hatch}` });
        swatch.style.background = colour;
        return h("li", null, swatch, text);
      }));
    }
    this.progress.textContent = this.done ? (app.state.steps > MOST_MAPPED ? app.say("after at most {steps} steps", { steps: MOST_MAPPED }) : "") : percent(job.share());
  }
}

/** @param {number} share */
const percent = (share) => `${share > 0 && share < 0.005 ? "<1" : Math.round(100 * share)}%`;

/** @param {number} value @param {Axis} axis */
const axisLabel = (value, axis) => (axis.log && Number.isInteger(value) ? `1e${signed(value)}` : axis.log ? signed(10 ** value, 3) : signed(value, 6));

/** @param {number} value @param {Axis} axis */
const plain = (value, axis) => shown(axis.log ? 10 ** value : value, 6);

/** A colour as a canvas holds it. @param {string} text "#rrggbb" */
function packed(text) {
  const value = parseInt(text.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** @param {number} share */
function cividis(share) {
  const at = clamp(share, 0, 1) * (CIVIDIS.length - 1), k = Math.min(Math.floor(at), CIVIDIS.length - 2), part = at - k;
  const [red, green, blue] = CIVIDIS[k].map((from, c) => Math.round(from + (CIVIDIS[k + 1][c] - from) * part));
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}
