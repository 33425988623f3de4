// What is drawn in every frame: the picture, its strips, one step in numbers; and all of it for a file.

import { h, shown, signed } from "./dom.js";
import { placed } from "./knob.js";
import { inksOf, lookOf } from "./looks.js";
import { energiesOf, weightsOf } from "./memory.js";
import { Picture } from "./picture.js";
import { STRIP_NAMES, STRIPS } from "./state.js";
import { drawStrips, STRIP_HEIGHT } from "./strips.js";
import { stepParts, stepTerms } from "./terms.js";

/** The picture: its ground where it is new, the balls always. @param {import("./app.js").App} app */
export function drawPicture(app) {
  const { canvas, over, pixels, objective } = app, { width, height } = app.sizesNow.picture;
  if (!width || !height) return;
  if (!app.picture || app.picture.width !== width || app.picture.height !== height || app.picture.objective !== objective) {
    app.picture = new Picture(objective, width, height, app.dark);
    for (const one of [canvas, over]) [one.width, one.height] = [Math.round(width * pixels), Math.round(height * pixels)];
    const pen = canvas.getContext("2d");
    pen.setTransform(pixels, 0, 0, pixels, 0, 0);
    app.picture.drawGround(pen);
  }
  const pen = over.getContext("2d");
  pen.setTransform(pixels, 0, 0, pixels, 0, 0);
  pen.clearRect(0, 0, width, height);
  drawBalls(app, pen, app.picture);
  const { start } = app.state, [x, y] = app.picture.at(app.paths[0], 0);
  placed(app.handle, Math.max(0, Math.min(x, width)), Math.max(0, Math.min(y, height)), start[0],
    objective.coordinates.map((/** @type {string} */ name, /** @type {number} */ k) => `${name} = ${shown(start[k], 6)}`).join(", "));
}

/** The balls, and the step looked at. @param {import("./app.js").App} app @param {any} pen @param {Picture} picture */
export function drawBalls(app, pen, picture) {
  const { state, paths, at } = app, path = paths[state.chosen], k = Math.min(at, path.step);
  picture.drawPaths(pen, paths, at, state.chosen);
  if (state.at >= 0 && k < path.step) picture.drawStep(pen, path, k, stepParts(app.model(), app.ball().numbers, path, k));
}

/** The strips, in the height that they need. @param {import("./app.js").App} app */
export function drawStripes(app) {
  const { stripes, pixels } = app, { width } = app.sizesNow.strips, strips = stripData(app);
  const height = STRIP_HEIGHT * strips.length + 26;
  if (!width) return;
  if (stripes.width !== Math.round(width * pixels) || stripes.height !== Math.round(height * pixels)) {
    [stripes.width, stripes.height] = [Math.round(width * pixels), Math.round(height * pixels)];
    stripes.style.height = `${height}px`;
  }
  const pen = stripes.getContext("2d");
  pen.setTransform(pixels, 0, 0, pixels, 0, 0);
  drawStrips(pen, strips, width, app.longest, app.at, app.dark);
}

/** What the chosen strips show. @param {import("./app.js").App} app @returns {import("./strips.js").Strip[]} */
export function stripData(app) {
  const { state, paths, say, dark } = app, inks = inksOf(dark);
  const each = (/** @type {(path: import("./run.js").Path) => (k: number) => number} */ of) =>
    paths.map((path, index) => ({ value: of(path), rows: path.step + 1, colour: lookOf(index, dark).colour, dash: lookOf(index, dark).dash, kind: lookOf(index, dark).marker }));
  const path = paths[state.chosen], { numbers } = app.ball(), best = app.objective.minima[0]?.value;
  let floor = best ?? Infinity;
  if (best === undefined) for (const one of paths) for (const value of one.values) if (value < floor) floor = value;
  const make = /** @type {Record<string, () => Omit<import("./strips.js").Strip, "brief">>} */ ({
    loss: () => ({ title: best === undefined ? say("loss above the lowest seen") : say("loss above the lowest known"), log: true, lines: each((one) => (k) => one.values[k] - floor) }),
    rate: () => ({ title: say("learning rate α"), log: true, lines: each((one) => (k) => one.rates[k]) }),
    velocity: () => ({ title: say("velocity: length of the step"), log: true, lines: each((one) => (k) => (k ? lengthOf(one, k) : NaN)) }),
    energy: () => {
      const found = energiesOf(app.model(), numbers, path);
      const line = (/** @type {Float64Array} */ values, /** @type {string} */ name, /** @type {string} */ colour, /** @type {number[]} */ dash) => ({ value: (/** @type {number} */ k) => values[k], rows: values.length, colour, dash, name: say(name) });
      if (!found) return { title: say("energy"), log: false, lines: [], note: say("stated for the heavy ball and plain descent") };
      return { title: say("energy"), log: false, lines: [line(found.potential, "potential", inks.soft, [6, 3]), line(found.kinetic, "kinetic", inks.force, [2, 3]), line(found.total, "total", inks.ink, [])] };
    },
    weights: () => ({
      title: say("weights of past gradients in the step just made"), log: false, lines: [], bars: weightsOf(app.model(), numbers, path, Math.min(app.at, path.step), 400),
    }),
  });
  return STRIPS.filter((name) => state.strips.includes(name)).map((name) => ({ ...make[name](), brief: say(STRIP_NAMES[name]), none: say("0 throughout") }));
}

/** One step of the chosen ball, written out. @param {import("./app.js").App} app */
export function writeNumbers(app) {
  const { state, say } = app, path = app.paths[state.chosen], rule = app.ruleOf(app.ball());
  const k = Math.min(state.at < 0 ? path.step : app.at, Math.max(path.step - 1, 0));
  const key = `${app.keys[state.chosen]}:${k}:${state.language}`, now = performance.now();
  if (app.numbers.dataset.key === key || !app.numbers.isConnected) return;
  if (now - app.wrote < 50) return app.redraw(); // nobody reads faster
  app.wrote = now;
  app.numbers.dataset.key = key;
  if (path.step === 0) return app.numbers.replaceChildren(h("p", null, say("No step was taken.")));
  const terms = stepTerms(app.model(), rule, app.ball().numbers, path, k), n = path.dimension;
  const slope = (/** @type {number} */ i) => signed(path.slopes[k * n + i], 5);
  app.numbers.replaceChildren(
    h("p", { class: "soft" }, `${rule.name}, `, say("from step {from} to step {to}", { from: k, to: k + 1 }), `: α = ${signed(path.rates[k])}`),
    ...terms.map((some, i) => h("div", { class: "step" }, h("p", null, `g = ∂f/∂${app.objective.coordinates[i]} = ${slope(i)}`),
      ...some.map((term) => h("p", null, h("span", null, `${term.symbol} ← ${term.formula}`), h("span", null, ` = ${term.numbers}`), h("b", null, ` = ${term.result}`))))),
    h("p", { class: "soft arrows" }, h("i", { class: "key memory" }), say("what the past gives"), h("i", { class: "key force" }), say("what the gradient gives"), h("i", { class: "key sum" }), say("their sum")),
  );
}

/** The size of the picture for a file. @param {import("./app.js").App} app */
export function wholeSize(app) {
  const width = app.canvas.clientWidth || 640, strips = app.state.strips.length;
  return { width, height: (app.canvas.clientHeight || 420) + 24 * app.state.balls.length + (strips ? STRIP_HEIGHT * strips + 26 : 0) + 12 };
}

/** The picture with its balls' verdicts and strips, for a file. @param {import("./app.js").App} app @param {any} pen */
export function drawWhole(app, pen) {
  const { width, height } = wholeSize(app), inks = inksOf(app.dark), tall = app.canvas.clientHeight || 420;
  pen.fillStyle = inks.paper;
  pen.fillRect(0, 0, width, height);
  const picture = new Picture(app.objective, width, tall, app.dark);
  picture.drawGround(pen);
  drawBalls(app, pen, picture);
  pen.font = "12px system-ui, sans-serif";
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  app.state.balls.forEach((ball, k) => {
    const y = tall + 12 + 24 * k, look = lookOf(k, app.dark);
    pen.strokeStyle = look.colour;
    pen.lineWidth = 2;
    pen.setLineDash(look.dash);
    pen.beginPath();
    pen.moveTo(10, y);
    pen.lineTo(42, y);
    pen.stroke();
    pen.setLineDash([]);
    pen.fillStyle = inks.ink;
    pen.fillText(`${ball.rule}: ${app.sentenceOf(k)}`, 50, y);
  });
  if (!app.state.strips.length) return;
  const shift = tall + 24 * app.state.balls.length + 6;
  drawStrips(moved(pen, shift), stripData(app), width, app.longest, app.at, app.dark);
}

/** @param {import("./run.js").Path} path @param {number} k */
function lengthOf(path, k) {
  const n = path.dimension, at = k * n, { positions } = path;
  return n === 1 ? Math.abs(positions[at] - positions[at - 1]) : Math.hypot(positions[at] - positions[at - 2], positions[at + 1] - positions[at - 1]);
}

/** A pen that draws everything lower down. @param {any} pen @param {number} down */
function moved(pen, down) {
  const shifted = /** @type {Record<string, number>} */ ({ moveTo: 1, lineTo: 1, rect: 1, arc: 1, fillRect: 1, fillText: 2 });
  return new Proxy(pen, {
    get(target, name) {
      const value = target[name], at = shifted[String(name)];
      if (typeof value !== "function") return value;
      return at === undefined ? value.bind(target) : (/** @type {any[]} */ ...given) => ((given[at] += down), value.apply(target, given));
    },
    set: (target, name, value) => ((target[name] = value), true),
  });
}
