// The landscape under the balls: the curve of a function of x, the filled contours of one of x and y.

import { Builder } from "./program.js";

const NODES = 120; // of the grid on which f is taken; between them it is interpolated

/**
 * f as a function of its coordinates.
 * @param {any} objective
 * @returns {(x: number, y?: number) => number}
 */
export function heightOf(objective) {
  const builder = new Builder();
  const places = objective.coordinates.map((/** @type {string} */ name) => builder.input(name));
  const height = Object.values(builder.add(objective.value))[0];
  const domain = objective.defined ? Object.values(builder.add(objective.defined))[0] : -1;
  const program = builder.finish(), r = program.registers;
  return (x, y = 0) => {
    r[places[0]] = x;
    if (places.length > 1) r[places[1]] = y;
    program.run();
    return domain >= 0 && r[domain] === 0 ? NaN : r[height];
  };
}

/**
 * The curve's samples and the heights that a picture of it spans.
 * @param {any} objective @param {(x: number) => number} height
 */
export function curveOf(objective, height) {
  const [left, right] = objective.box[0], count = 480;
  const xs = Float64Array.from({ length: count + 1 }, (_, k) => left + ((right - left) * k) / count), ys = xs.map((x) => height(x));
  const finite = [...ys].filter(Number.isFinite).sort((a, b) => a - b);
  const low = finite[0] ?? 0, high = finite[Math.floor(0.98 * (finite.length - 1))] ?? 1, room = 0.08 * (high - low || 1);
  return { xs, ys, low: low - room, high: high + 2 * room };
}

/**
 * The filled contours as a picture of width × height pixels.
 *
 * The bands are evenly spaced in log(1 + (f − low)/unit), so that the floor of a valley has as many as its walls.
 * @param {any} objective @param {(x: number, y: number) => number} height @param {number} wide @param {number} tall
 * @param {{low: number[], high: number[]}} inks
 */
export function contoursOf(objective, height, wide, tall, inks) {
  const canvas = document.createElement("canvas");
  canvas.width = wide;
  canvas.height = tall;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(wide, tall), pixels = new Uint32Array(image.data.buffer);
  const levels = levelsOf(objective, height), row = NODES + 1, bands = 18;
  const shades = Array.from({ length: bands + 1 }, (_, k) => shade(inks, k / bands)), edge = shade(inks, 1.25);
  let before = new Int8Array(wide);
  for (let j = 0; j < tall; j++) {
    const v = (1 - (j + 0.5) / tall) * NODES, down = Math.min(Math.floor(v), NODES - 1), up = v - down;
    const now = new Int8Array(wide);
    for (let i = 0; i < wide; i++) {
      const u = ((i + 0.5) / wide) * NODES, left = Math.min(Math.floor(u), NODES - 1), along = u - left, at = down * row + left;
      const level = (levels[at] * (1 - along) + levels[at + 1] * along) * (1 - up) + (levels[at + row] * (1 - along) + levels[at + row + 1] * along) * up;
      const band = level === level ? Math.floor(level * bands) : -1;
      now[i] = band;
      const border = (i > 0 && now[i - 1] !== band) || (j > 0 && before[i] !== band);
      pixels[j * wide + i] = band < 0 ? 0 : border ? edge : shades[band];
    }
    before = now;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The bands' scale on the nodes, 0 to 1. @param {any} objective @param {(x: number, y: number) => number} height */
function levelsOf(objective, height) {
  const [[left, right], [bottom, top]] = objective.box, count = NODES + 1, levels = new Float64Array(count * count);
  for (let j = 0; j < count; j++)
    for (let i = 0; i < count; i++)
      levels[j * count + i] = height(left + ((right - left) * i) / NODES, bottom + ((top - bottom) * j) / NODES);
  const finite = levels.filter(Number.isFinite).sort();
  const low = finite[0] ?? 0, top_ = finite[finite.length - 1] ?? 1, unit = ((finite[finite.length >> 1] ?? 1) - low) / 8 || 1;
  const whole = Math.log1p((top_ - low) / unit) || 1;
  return levels.map((value) => Math.log1p((value - low) / unit) / whole);
}

/** @param {{low: number[], high: number[]}} inks @param {number} share */
function shade({ low, high }, share) {
  const [red, green, blue] = low.map((from, k) => Math.round(from + (high[k] - from) * share));
  return (255 << 24) | (blue << 16) | (green << 8) | red;
}
