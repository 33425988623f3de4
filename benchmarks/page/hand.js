// What the page interprets, written by hand: the same operations in the same order, with nothing between them.

import { cos, sin } from "/functions.js";

/** f and the gradient of Himmelblau's function, and of Rastrigin's: into out[0], out[1], out[2]. */
export const LANDSCAPES = {
  himmelblau(x, y, out) {
    const a = x * x + y - 11, b = x + y * y - 7, twice = a + a, both = b + b;
    out[0] = a * a + b * b;
    out[1] = 2 * x * twice + both;
    out[2] = twice + 2 * y * both;
  },
  rastrigin(x, y, out) {
    const u = 6.283185307179586 * x, v = 6.283185307179586 * y;
    out[0] = x * x - 10 * cos(u) + 10 + (y * y - 10 * cos(v) + 10);
    out[1] = 2 * x + 62.83185307179586 * sin(u);
    out[2] = 2 * y + 62.83185307179586 * sin(v);
  },
};

/** One ball by one rule, and of every step all that the page keeps: place, f, gradient, answer, rate and state. */
export function path(rule, landscape, start, steps, { rate, momentum }) {
  const width = { "gradient-descent": 3, "heavy-ball": 5, nesterov: 5, adam: 9 }[rule], rows = steps + 1;
  const xs = new Float64Array(2 * rows), values = new Float64Array(rows), slopes = new Float64Array(2 * rows), rests = new Float64Array(2 * rows);
  const answers = new Float64Array(2 * rows), rates = new Float64Array(rows), states = new Float64Array(width * rows), out = new Float64Array(3);
  let [x, y] = start, u = 0, v = 0, m = 0, n = 0, first = 1, second = 1, left = x, right = x, low = y, high = y;
  for (let t = 0; t <= steps; t++) {
    landscape(x, y, out);
    const g = out[1], h = out[2], at = t * width;
    xs[2 * t] = states[at] = x;
    xs[2 * t + 1] = states[at + 1] = y;
    values[t] = out[0];
    slopes[2 * t] = rests[2 * t] = g;
    slopes[2 * t + 1] = rests[2 * t + 1] = h;
    answers[2 * t] = rule === "nesterov" ? x + momentum * u : x;
    answers[2 * t + 1] = rule === "nesterov" ? y + momentum * v : y;
    rates[t] = states[at + 2] = rate;
    if (width > 3) [states[at + 3], states[at + 4]] = [u, v];
    if (width > 5) [states[at + 5], states[at + 6], states[at + 7], states[at + 8]] = [m, n, first, second];
    if (out[0] - out[0] + (g - g) + (h - h) !== 0) break;
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < low) low = y;
    if (y > high) high = y;
    if (rule === "gradient-descent") {
      x -= rate * g;
      y -= rate * h;
    } else if (rule === "heavy-ball") {
      u = momentum * u + rate * g;
      v = momentum * v + rate * h;
      x -= u;
      y -= v;
    } else if (rule === "nesterov") {
      u = momentum * u + rate * g;
      v = momentum * v + rate * h;
      x -= momentum * u + rate * g;
      y -= momentum * v + rate * h;
    } else {
      u = 0.9 * u + 0.1 * g;
      v = 0.9 * v + 0.1 * h;
      m = 0.999 * m + 0.001 * g * g;
      n = 0.999 * n + 0.001 * h * h;
      first *= 0.9;
      second *= 0.999;
      const scale = rate / (1 - first), root = Math.sqrt(1 - second);
      x -= (scale * u) / (Math.sqrt(m) / root + 1e-8);
      y -= (scale * v) / (Math.sqrt(n) / root + 1e-8);
    }
  }
  return { xs, values, slopes, rests, answers, rates, states, left, right, low, high };
}

/** Heavy balls in blocks of 512, with the tests that the page makes: who is lost, and every tenth step who has settled. */
export function map(name, cells, start, steps, tolerance) {
  return name === "himmelblau" ? himmelblau(cells, start, steps, tolerance) : rastrigin(cells, start, steps, tolerance);
}

/** The block's memory. */
function blockOf(size) {
  const array = () => new Float64Array(size);
  const block = { x: array(), y: array(), u: array(), v: array(), g: array(), h: array(), f: array() };
  return Object.assign(block, { oldX: array(), oldY: array(), oldG: array(), oldH: array(), earlierX: array(), earlierY: array(),
    left: array(), right: array(), low: array(), high: array(), rate: array(), momentum: array(), cell: new Int32Array(size) });
}

function rolled(cells, start, steps, tolerance, slopes) {
  const size = 512, b = blockOf(size), ends = new Uint32Array(cells.length);
  for (let from = 0; from < cells.length; from += size) {
    let n = Math.min(size, cells.length - from);
    for (let k = 0; k < n; k++) {
      b.x[k] = b.left[k] = b.right[k] = start[0];
      b.y[k] = b.low[k] = b.high[k] = start[1];
      b.u[k] = b.v[k] = 0;
      [b.rate[k], b.momentum[k]] = cells[from + k];
      b.cell[k] = from + k;
    }
    for (let t = 0; n && t <= steps; t++) {
      slopes(b, n);
      const due = t > 0 && t % 10 === 0;
      for (let k = n - 1; k >= 0; k--) {
        const lost = b.f[k] - b.f[k] + (b.g[k] - b.g[k]) + (b.h[k] - b.h[k]) !== 0;
        if (!lost && !(due && rests(b, k, tolerance)) && t < steps) continue;
        ends[b.cell[k]] = t;
        n--;
        for (const name in b) b[name][k] = b[name][n];
      }
      const keep = t % 10 === 9, before = t % 10 === 8;
      for (let k = 0; k < n; k++) {
        const x = b.x[k], y = b.y[k];
        if (x < b.left[k]) b.left[k] = x;
        if (x > b.right[k]) b.right[k] = x;
        if (y < b.low[k]) b.low[k] = y;
        if (y > b.high[k]) b.high[k] = y;
        if (before) [b.earlierX[k], b.earlierY[k]] = [x, y];
        if (keep) [b.oldX[k], b.oldY[k], b.oldG[k], b.oldH[k]] = [x, y, b.g[k], b.h[k]];
        const u = (b.u[k] = b.momentum[k] * b.u[k] + b.rate[k] * b.g[k]), v = (b.v[k] = b.momentum[k] * b.v[k] + b.rate[k] * b.h[k]);
        b.x[k] = x - u;
        b.y[k] = y - v;
      }
    }
  }
  return ends;
}

function rests(b, k, tolerance) {
  const dx = Math.abs(b.x[k] - b.oldX[k]), dy = Math.abs(b.y[k] - b.oldY[k]), move = dx > dy ? dx : dy;
  const ex = Math.abs(b.oldX[k] - b.earlierX[k]), ey = Math.abs(b.oldY[k] - b.earlierY[k]), last = ex > ey ? ex : ey;
  const wide = Math.max(b.right[k], b.x[k]) - Math.min(b.left[k], b.x[k]), tall = Math.max(b.high[k], b.y[k]) - Math.min(b.low[k], b.y[k]);
  const near = tolerance * Math.max(wide, tall), g = Math.max(Math.abs(b.g[k]), Math.abs(b.h[k]));
  const change = Math.max(Math.abs(b.g[k] - b.oldG[k]), Math.abs(b.h[k] - b.oldH[k]));
  return Math.max(move, last) <= near && (g === 0 || (change > 0 && g * (move / change) <= near));
}

const himmelblau = (cells, start, steps, tolerance) =>
  rolled(cells, start, steps, tolerance, ({ x, y, f, g, h }, n) => {
    for (let k = 0; k < n; k++) {
      const a = x[k] * x[k] + y[k] - 11, b = x[k] + y[k] * y[k] - 7, twice = a + a, both = b + b;
      f[k] = a * a + b * b;
      g[k] = 2 * x[k] * twice + both;
      h[k] = twice + 2 * y[k] * both;
    }
  });

const rastrigin = (cells, start, steps, tolerance) =>
  rolled(cells, start, steps, tolerance, ({ x, y, f, g, h }, n) => {
    for (let k = 0; k < n; k++) {
      const u = 6.283185307179586 * x[k], v = 6.283185307179586 * y[k];
      f[k] = x[k] * x[k] - 10 * cos(u) + 10 + (y[k] * y[k] - 10 * cos(v) + 10);
      g[k] = 2 * x[k] + 62.83185307179586 * sin(u);
      h[k] = 2 * y[k] + 62.83185307179586 * sin(v);
    }
  });

/** The same balls and tests one ball after another, with all of a ball in local variables: no block, no arrays. */
export function alone(name, cells, start, steps, tolerance) {
  return (name === "himmelblau" ? himmelblauAlone : rastriginAlone)(cells, start, steps, tolerance);
}

// Written out for each function, so that the browser has nothing to call and nothing to guess.
function himmelblauAlone(cells, start, steps, tolerance) {
  const ends = new Uint32Array(cells.length);
  for (let k = 0; k < cells.length; k++) {
    const [rate, momentum] = cells[k];
    let [x, y] = start, u = 0, v = 0, t = 0, left = x, right = x, low = y, high = y;
    let oldX = x, oldY = y, earlierX = x, earlierY = y, oldG = 0, oldH = 0;
    for (; ; t++) {
      const a = x * x + y - 11, b = x + y * y - 7, twice = a + a, both = b + b;
      const f = a * a + b * b, g = 2 * x * twice + both, h = twice + 2 * y * both;
      if (f - f + (g - g) + (h - h) !== 0 || t === steps) break;
      if (t > 0 && t % 10 === 0) {
        const near = tolerance * Math.max(Math.max(right, x) - Math.min(left, x), Math.max(high, y) - Math.min(low, y));
        if (still(near, x - oldX, y - oldY, oldX - earlierX, oldY - earlierY, g, h, g - oldG, h - oldH)) break;
      }
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < low) low = y;
      if (y > high) high = y;
      earlierX = oldX;
      earlierY = oldY;
      oldX = x;
      oldY = y;
      oldG = g;
      oldH = h;
      u = momentum * u + rate * g;
      v = momentum * v + rate * h;
      x -= u;
      y -= v;
    }
    ends[k] = t;
  }
  return ends;
}

function rastriginAlone(cells, start, steps, tolerance) {
  const ends = new Uint32Array(cells.length);
  for (let k = 0; k < cells.length; k++) {
    const [rate, momentum] = cells[k];
    let [x, y] = start, u = 0, v = 0, t = 0, left = x, right = x, low = y, high = y;
    let oldX = x, oldY = y, earlierX = x, earlierY = y, oldG = 0, oldH = 0;
    for (; ; t++) {
      const p = 6.283185307179586 * x, q = 6.283185307179586 * y;
      const f = x * x - 10 * cos(p) + 10 + (y * y - 10 * cos(q) + 10);
      const g = 2 * x + 62.83185307179586 * sin(p), h = 2 * y + 62.83185307179586 * sin(q);
      if (f - f + (g - g) + (h - h) !== 0 || t === steps) break;
      if (t > 0 && t % 10 === 0) {
        const near = tolerance * Math.max(Math.max(right, x) - Math.min(left, x), Math.max(high, y) - Math.min(low, y));
        if (still(near, x - oldX, y - oldY, oldX - earlierX, oldY - earlierY, g, h, g - oldG, h - oldH)) break;
      }
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < low) low = y;
      if (y > high) high = y;
      earlierX = oldX;
      earlierY = oldY;
      oldX = x;
      oldY = y;
      oldG = g;
      oldH = h;
      u = momentum * u + rate * g;
      v = momentum * v + rate * h;
      x -= u;
      y -= v;
    }
    ends[k] = t;
  }
  return ends;
}

/** The stopping test on the last two moves, the slope and its change. */
function still(near, dx, dy, ex, ey, g, h, changeG, changeH) {
  const move = Math.max(Math.abs(dx), Math.abs(dy)), size = Math.max(Math.abs(g), Math.abs(h));
  const change = Math.max(Math.abs(changeG), Math.abs(changeH));
  return Math.max(move, Math.abs(ex), Math.abs(ey)) <= near && (size === 0 || (change > 0 && size * (move / change) <= near));
}
