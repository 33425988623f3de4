// The picture: balls, their paths, and the arrows of one step, on the landscape.

import { contoursOf, curveOf, heightOf } from "./ground.js";
import { shown, ticks } from "./dom.js";
import { arrow, inksOf, lookOf, marker } from "./looks.js";

export const MARGIN = { left: 52, right: 12, top: 10, bottom: 34 };

/** One objective's picture of a given size; the landscape is drawn once. */
export class Picture {
  /** @param {any} objective @param {number} width @param {number} height in CSS pixels @param {boolean} dark */
  constructor(objective, width, height, dark) {
    this.objective = objective;
    this.width = width;
    this.height = height;
    this.dark = dark;
    this.inks = inksOf(dark);
    this.flat = objective.coordinates.length === 1;
    this.altitude = heightOf(objective);
    this.wide = width - MARGIN.left - MARGIN.right;
    this.tall = height - MARGIN.top - MARGIN.bottom;
    this.left = objective.box[0];
    if (this.flat) {
      this.curve = curveOf(objective, this.altitude);
      this.up = [this.curve.low, this.curve.high];
    } else {
      this.ground = contoursOf(objective, this.altitude, Math.round(this.wide), Math.round(this.tall), this.inks);
      this.up = objective.box[1];
    }
  }

  /** @param {number} value */
  x(value) {
    return held(MARGIN.left + ((value - this.left[0]) / (this.left[1] - this.left[0])) * this.wide);
  }

  /** @param {number} value */
  y(value) {
    return held(MARGIN.top + (1 - (value - this.up[0]) / (this.up[1] - this.up[0])) * this.tall);
  }

  /** The coordinates under a pixel. @param {number} x @param {number} y */
  place(x, y) {
    const across = this.left[0] + ((x - MARGIN.left) / this.wide) * (this.left[1] - this.left[0]);
    return this.flat ? [across] : [across, this.up[0] + (1 - (y - MARGIN.top) / this.tall) * (this.up[1] - this.up[0])];
  }

  /** Where a row of a path is drawn. @param {import("./run.js").Path} path @param {number} k @returns {[number, number]} */
  at(path, k) {
    if (this.flat) return [this.x(path.positions[k]), this.y(path.values[k])];
    return [this.x(path.positions[2 * k]), this.y(path.positions[2 * k + 1])];
  }

  /** The landscape with its axes. @param {any} pen */
  drawGround(pen) {
    const { inks, wide, tall } = this, { left, top } = MARGIN;
    pen.fillStyle = inks.paper;
    pen.fillRect(0, 0, this.width, this.height);
    if (this.ground) pen.drawImage(this.ground, left, top, wide, tall);
    pen.font = "12px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.setLineDash([]);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const value of ticks(this.left[0], this.left[1], wide / 90)) {
      const x = this.x(value);
      this.line(pen, x, top + tall, x, top + tall + 4, inks.soft);
      pen.fillStyle = inks.soft;
      pen.fillText(label(value), x, top + tall + 6);
    }
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const value of ticks(this.up[0], this.up[1], tall / 60)) {
      const y = this.y(value);
      if (this.flat) this.line(pen, left, y, left + wide, y, inks.grid);
      pen.fillStyle = inks.soft;
      pen.fillText(label(value), left - 6, y);
    }
    pen.fillStyle = inks.ink;
    pen.textBaseline = "bottom";
    pen.font = "italic 13px system-ui, sans-serif";
    pen.fillText(this.objective.coordinates[0], left + wide, this.height - 1);
    pen.textAlign = "left";
    pen.textBaseline = "top";
    pen.fillText(this.flat ? "f" : this.objective.coordinates[1], 2, top);
    if (this.curve) this.drawCurve(pen);
    this.drawMinima(pen);
  }

  /** @param {any} pen */
  drawCurve(pen) {
    const { xs, ys } = /** @type {any} */ (this.curve);
    this.within(pen, () => {
      pen.strokeStyle = this.inks.ink;
      pen.lineWidth = 1.75;
      pen.beginPath();
      let down = false;
      for (let k = 0; k < xs.length; k++) {
        if (Number.isFinite(ys[k])) pen[down ? "lineTo" : "moveTo"](this.x(xs[k]), this.y(ys[k]));
        down = Number.isFinite(ys[k]);
      }
      pen.stroke();
    });
  }

  /** A ring at every known minimum; a cross in the ring where it is the lowest. @param {any} pen */
  drawMinima(pen) {
    const { minima } = this.objective;
    this.within(pen, () => {
      for (const { position, value } of minima) {
        const x = this.x(position[0]), y = this.y(this.flat ? value : position[1]);
        pen.strokeStyle = this.inks.ink;
        pen.lineWidth = 1.25;
        pen.beginPath();
        pen.arc(x, y, 6, 0, 2 * Math.PI);
        pen.stroke();
        if (value > minima[0].value) continue;
        this.line(pen, x - 6, y, x + 6, y, this.inks.ink);
        this.line(pen, x, y - 6, x, y + 6, this.inks.ink);
      }
    });
  }

  /**
   * The paths, up to a step; what comes after it is faint.
   * @param {any} pen @param {import("./run.js").Path[]} paths @param {number} at @param {number} chosen drawn last
   */
  drawPaths(pen, paths, at, chosen) {
    const order = paths.map((_, k) => k).filter((k) => k !== chosen);
    if (paths[chosen]) order.push(chosen);
    this.within(pen, () => {
      for (const index of order) {
        const path = paths[index], look = lookOf(index, this.dark), here = Math.min(at, path.step);
        pen.strokeStyle = look.colour;
        pen.lineJoin = "round";
        if (here < path.step) {
          pen.globalAlpha = 0.28;
          this.trace(pen, path, here, path.step, look, 1.25);
          pen.globalAlpha = 1;
        }
        this.trace(pen, path, 0, here, look, index === chosen ? 2.25 : 1.75);
        this.dots(pen, path, Math.min(here, 40), look);
      }
      for (const index of order) this.ball(pen, paths[index], Math.min(at, paths[index].step), lookOf(index, this.dark));
    });
  }

  /** @param {any} pen @param {import("./run.js").Path} path @param {number} from @param {number} to @param {import("./looks.js").Look} look @param {number} width */
  trace(pen, path, from, to, look, width) {
    pen.lineWidth = width;
    pen.setLineDash(look.dash);
    pen.beginPath();
    let down = false, lastX = 0, lastY = 0;
    for (let k = from; k <= to; k++) {
      const [x, y] = this.at(path, k);
      if (!(x - x === 0 && y - y === 0)) {
        down = false;
        continue;
      }
      if (down && k < to && Math.abs(x - lastX) + Math.abs(y - lastY) < 0.5) continue; // nothing that an eye sees
      pen[down ? "lineTo" : "moveTo"](x, y);
      [down, lastX, lastY] = [true, x, y];
    }
    pen.stroke();
    pen.setLineDash([]);
  }

  /** Where the first steps went. @param {any} pen @param {import("./run.js").Path} path @param {number} to @param {import("./looks.js").Look} look */
  dots(pen, path, to, look) {
    pen.fillStyle = look.colour;
    for (let k = 0; k <= to; k++) {
      const [x, y] = this.at(path, k);
      if (!(x - x === 0 && y - y === 0)) break;
      pen.beginPath();
      pen.arc(x, y, 2.25, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  /** @param {any} pen @param {import("./run.js").Path} path @param {number} k @param {import("./looks.js").Look} look */
  ball(pen, path, k, look) {
    const [x, y] = this.at(path, k);
    if (!(x - x === 0 && y - y === 0)) return;
    marker(pen, x, y, 7, look.marker);
    pen.fillStyle = look.colour;
    pen.fill();
    pen.strokeStyle = this.inks.paper;
    pen.lineWidth = 1.5;
    pen.stroke();
  }

  /**
   * One step as arrows: what the past gives, what the gradient gives, and their sum.
   * @param {any} pen @param {import("./run.js").Path} path @param {number} k
   * @param {{memory: number[], force: number[]}} parts of the displacement
   */
  drawStep(pen, path, k, { memory, force }) {
    const n = path.dimension, x = [...path.positions.subarray(k * n, k * n + n)];
    const spot = (/** @type {number[]} */ place) =>
      /** @type {[number, number]} */ (this.flat ? [this.x(place[0]), this.y(path.values[k])] : [this.x(place[0]), this.y(place[1])]);
    const between = x.map((value, i) => value + memory[i]), end = between.map((value, i) => value + force[i]);
    const [from, middle, to] = [spot(x), spot(between), spot(end)], aside = this.flat ? 10 : 0;
    this.within(pen, () => {
      arrow(pen, ...from, ...to, this.inks.ink);
      arrow(pen, from[0], from[1] - aside, middle[0], middle[1] - aside, this.inks.memory);
      arrow(pen, middle[0], middle[1] - 2 * aside, to[0], to[1] - 2 * aside, this.inks.force);
    });
  }

  /** Draw inside the frame only. @param {any} pen @param {() => void} draw */
  within(pen, draw) {
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, MARGIN.top, this.wide, this.tall);
    pen.clip();
    draw();
    pen.restore();
  }

  /** @param {any} pen @param {number} x @param {number} y @param {number} toX @param {number} toY @param {string} colour */
  line(pen, x, y, toX, toY, colour) {
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(toX, toY);
    pen.stroke();
  }
}

/** Far outside is far enough: canvases lose their way with numbers beyond. @param {number} pixel */
const held = (pixel) => (pixel > 1e5 ? 1e5 : pixel < -1e5 ? -1e5 : pixel);

/** @param {number} value */
const label = (value) => shown(value, 6).replace("-", "−");
