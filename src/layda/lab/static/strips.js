// Strips under the picture: what happened step by step, on one common axis that the scrubber walks along.

import { shown, ticks } from "./dom.js";
import { inksOf, lookOf, marker } from "./looks.js";

export const STRIP_HEIGHT = 108;
const LEFT = 52, RIGHT = 12, TOP = 28, LOW = 10;

/**
 * @typedef {object} Line
 * @property {(k: number) => number} value at step k
 * @property {number} rows
 * @property {string} colour
 * @property {number[]} dash
 * @property {number} [kind] marker at the scrubber
 * @property {string} [name] shown beside the strip's title
 */
/** @typedef {{title: string, brief: string, log: boolean, none?: string, lines: Line[], bars?: Float64Array, note?: string}} Strip */

/**
 * All strips, one under the other.
 * @param {any} pen @param {Strip[]} strips @param {number} width @param {number} steps the axis ends there
 * @param {number} at the scrubber's step @param {boolean} dark
 */
export function drawStrips(pen, strips, width, steps, at, dark) {
  const inks = inksOf(dark), wide = width - LEFT - RIGHT, height = STRIP_HEIGHT * strips.length + 26;
  const across = (/** @type {number} */ k) => LEFT + (k / Math.max(steps, 1)) * wide;
  pen.fillStyle = inks.paper;
  pen.fillRect(0, 0, width, height);
  pen.lineWidth = 1;
  strips.forEach((strip, index) => drawStrip(pen, strip, index * STRIP_HEIGHT, wide, across, at, inks, dark));
  const bottom = STRIP_HEIGHT * strips.length;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  pen.fillStyle = inks.soft;
  pen.font = "12px system-ui, sans-serif";
  for (const value of ticks(0, steps, wide / 90)) if (Number.isInteger(value)) pen.fillText(shown(value, 6), Math.min(across(value), width - 4 * String(value).length), bottom + 2);
  pen.strokeStyle = inks.ink;
  pen.setLineDash([3, 3]);
  pen.beginPath();
  pen.moveTo(across(at), 4);
  pen.lineTo(across(at), bottom - 4);
  pen.stroke();
  pen.setLineDash([]);
}

/** The step under a pixel. @param {number} x @param {number} width @param {number} steps */
export function stepAt(x, width, steps) {
  return Math.round(((x - LEFT) / (width - LEFT - RIGHT)) * steps);
}

/** @param {any} pen @param {Strip} strip @param {number} top @param {number} wide @param {(k: number) => number} across @param {number} at @param {any} inks @param {boolean} dark */
function drawStrip(pen, strip, top, wide, across, at, inks, dark) {
  const tall = STRIP_HEIGHT - TOP - LOW, { low, high, empty } = rangeOf(strip);
  const scaled = (/** @type {number} */ value) => (strip.log ? Math.log10(value) : value);
  const up = (/** @type {number} */ value) => top + TOP + (1 - (scaled(value) - low) / (high - low)) * tall;
  drawAxis(pen, empty && strip.lines.length ? { ...strip, note: strip.none } : strip, top, wide, up, low, high, empty, inks);
  if (empty) return;
  pen.save();
  pen.beginPath();
  pen.rect(LEFT - 6, top + TOP - 7, wide + 12, tall + 14);
  pen.clip();
  if (strip.bars) drawBars(pen, strip, across, up, at, inks, dark);
  for (const line of strip.lines) drawLine(pen, line, across, up, strip.log, low);
  for (const line of strip.lines) {
    const k = Math.min(at, line.rows - 1), y = up(line.value(k));
    if (line.kind === undefined || !(y - y === 0)) continue;
    marker(pen, across(k), y, 4.5, line.kind);
    pen.fillStyle = line.colour;
    pen.fill();
  }
  pen.restore();
}

/** @param {Strip} strip */
function rangeOf(strip) {
  let low = Infinity, high = -Infinity;
  const take = (/** @type {number} */ value) => {
    const seen = strip.log ? Math.log10(value) : value;
    if (seen - seen !== 0) return;
    low = Math.min(low, seen);
    high = Math.max(high, seen);
  };
  for (const line of strip.lines) for (let k = 0; k < line.rows; k++) take(line.value(k));
  if (strip.bars) for (const value of [0, ...strip.bars]) take(value);
  if (strip.log) low = Math.max(low, high - 16);
  const empty = high === -Infinity;
  if (!(low < high)) [low, high] = low === high ? [low - 1, high + 1] : [0, 1];
  return { low, high, empty };
}

/** @param {any} pen @param {Strip} strip @param {number} top @param {number} wide @param {(value: number) => number} up @param {number} low @param {number} high @param {boolean} empty @param {any} inks */
function drawAxis(pen, strip, top, wide, up, low, high, empty, inks) {
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const every = Math.max(1, Math.ceil((high - low) / 3)), whole = Math.ceil(low), powers = [];
  for (let power = whole; strip.log && power <= high; power += every) powers.push(10 ** power);
  const marks = empty ? [] : !strip.log ? ticks(low, high, 2) : powers.length > 1 ? powers : [10 ** low, 10 ** high];
  for (const value of marks) {
    pen.strokeStyle = inks.grid;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(LEFT, up(value));
    pen.lineTo(LEFT + wide, up(value));
    pen.stroke();
    pen.fillStyle = inks.soft;
    pen.fillText(shown(value, strip.log ? 2 : 3).replaceAll("-", "−"), LEFT - 6, up(value));
  }
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillStyle = inks.ink;
  pen.font = "600 12px system-ui, sans-serif";
  const title = pen.measureText(strip.title).width > wide ? strip.brief : strip.title;
  pen.fillText(title, LEFT, top + 3);
  let x = LEFT + pen.measureText(title).width + 14, row = top;
  pen.font = "12px system-ui, sans-serif";
  const words = strip.lines.map((line) => line.name ?? "").concat(strip.note ?? "").filter(Boolean);
  const long = words.reduce((sum, word) => sum + 35 + pen.measureText(word).width, 0);
  if (words.length && x + long > LEFT + wide + 12) [x, row] = [LEFT, top + 15]; // a line of their own where it is narrow
  for (const line of strip.lines) {
    if (!line.name) continue;
    pen.strokeStyle = line.colour;
    pen.lineWidth = 2;
    pen.setLineDash(line.dash);
    pen.beginPath();
    pen.moveTo(x, row + 10);
    pen.lineTo(x + 18, row + 10);
    pen.stroke();
    pen.setLineDash([]);
    pen.fillText(line.name, x + 23, row + 3);
    x += 23 + pen.measureText(line.name).width + 12;
  }
  if (!strip.note) return;
  pen.fillStyle = inks.soft;
  pen.fillText(strip.note, x, row + 3);
}

/** @param {any} pen @param {Line} line @param {(k: number) => number} across @param {(value: number) => number} up @param {boolean} log @param {number} low */
function drawLine(pen, line, across, up, log, low) {
  pen.strokeStyle = line.colour;
  pen.lineWidth = 1.75;
  pen.setLineDash(line.dash);
  pen.beginPath();
  let down = false, last = -Infinity;
  const least = log ? 10 ** low : 0, stride = across(1) - across(0);
  for (let k = 0; k < line.rows; k++) {
    if (stride < 0.25 && k + 1 < line.rows && across(k) - last < 0.25) continue; // less than a quarter of a pixel on
    const value = line.value(k), y = up(log && value < least ? least : value);
    last = across(k);
    if (y - y === 0) pen[down ? "lineTo" : "moveTo"](last, y);
    down = y - y === 0;
  }
  pen.stroke();
  pen.setLineDash([]);
}

/** Bars at the steps whose gradients they weigh. @param {any} pen @param {Strip} strip @param {(k: number) => number} across @param {(value: number) => number} up @param {number} at @param {any} inks @param {boolean} dark */
function drawBars(pen, strip, across, up, at, inks, dark) {
  const bars = /** @type {Float64Array} */ (strip.bars), width = Math.max(0.8 * (across(1) - across(0)), 1);
  pen.fillStyle = dark ? inks.memory : lookOf(0, dark).colour;
  bars.forEach((weight, j) => {
    const x = across(at - 1 - j), y = up(weight), zero = up(0);
    if (y - y === 0) pen.fillRect(x - width / 2, Math.min(y, zero), width, Math.max(Math.abs(zero - y), 0.5));
  });
}
