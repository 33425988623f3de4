// The bars and panels around the picture: the head, the transport, the choice of strips, the map.

import { badge } from "./controls.js";
import { h } from "./dom.js";
import { writeNumbers } from "./stage.js";
import { STRIP_NAMES, STRIPS } from "./state.js";

/** The name, the language and the colours. @param {import("./app.js").App} app */
export function header(app) {
  const { say, scene, state } = app;
  const language = h("select", { id: app.id("language"), "aria-label": say("Language"), onchange: () => app.edit((next) => (next.language = language.value)) },
    ...Object.entries(scene.languages).map(([code, name]) => h("option", { value: code, lang: code }, name)));
  language.value = state.language;
  const theme = h("button", { id: app.id("theme"), class: "plain", "aria-label": app.dark ? say("Light colours") : say("Dark colours"), onclick: () => ((app.theme = app.dark ? "light" : "dark"), app.build()) }, "◐");
  return h("header", null, h("h1", null, "layda", h("span", { class: "soft" }, ` ${say("roll the ball yourself")}`)), h("div", { class: "row" }, language, theme));
}

/** Play, step, scrub. @param {import("./app.js").App} app */
export function transportBar(app) {
  const { say } = app;
  app.bar.play = h("button", { id: app.id("play"), class: "wide", onclick: () => app.play() });
  app.bar.scrubber = h("input", { type: "range", id: app.id("scrub"), min: 0, step: 1, "aria-label": say("step"), oninput: () => app.goTo(Number(app.bar.scrubber.value)) });
  app.bar.counter = h("output", { class: "counter" });
  const speed = h("select", { id: app.id("speed"), "aria-label": say("Speed"), onchange: () => (app.speed = Number(speed.value)) }, ...[2, 5, 20, 60, 200, 1000].map((rate) => h("option", { value: rate }, say("{count} steps/s", { count: rate }))));
  speed.value = String(app.speed);
  return h("div", { class: "row transport" }, app.still.matches ? null : app.bar.play,
    h("button", { id: app.id("back"), "aria-label": say("One step back"), onclick: () => app.goTo(app.at - 1) }, "−1"),
    h("button", { id: app.id("forward"), "aria-label": say("One step forward"), onclick: () => app.goTo(app.state.at < 0 ? 1 : app.at + 1) }, "+1"),
    app.bar.scrubber, app.bar.counter, app.still.matches ? null : speed);
}

/** The step looked at, on the bar and in the numbers. @param {import("./app.js").App} app */
export function transport(app) {
  const { longest, at, say } = app, { scrubber, counter, play } = app.bar;
  scrubber.max = String(longest);
  scrubber.value = String(at);
  scrubber.setAttribute("aria-valuetext", say("step {step} of {steps}", { step: at, steps: longest }));
  counter.textContent = `${at} / ${longest}`;
  const text = app.playing ? say("Pause") : say("Play");
  if (play.textContent !== text) play.textContent = text;
  writeNumbers(app);
}

/** Which strips are shown. @param {import("./app.js").App} app */
export function stripChoice(app) {
  return h("div", { class: "row", role: "group", "aria-label": app.say("Strips to show") }, ...STRIPS.map((name) =>
    h("button", { id: app.id(`strip-${name}`), class: "chip", "aria-pressed": String(app.state.strips.includes(name)), onclick: () => app.edit((state) => {
      state.strips = STRIPS.filter((one) => (one === name) !== state.strips.includes(one));
    }) }, app.say(STRIP_NAMES[name]))));
}

/** The map with its axes. @param {import("./app.js").App} app */
export function mapPanel(app) {
  const { say, state } = app, map = app.map, { all, across, up } = map.axes();
  const choice = (/** @type {string} */ label, /** @type {any} */ now, /** @type {number} */ side) => {
    const element = h("select", { id: app.id(`axis-${side}`), "aria-label": label, onchange: () => app.edit((next) => {
      const names = [across.name, up.name], other = names[1 - side];
      names[side] = element.value;
      if (other === element.value) names[1 - side] = now.name;
      [next.axes, next.window] = [names.join(","), null];
    }) }, ...all.map((/** @type {any} */ axis) => h("option", { value: axis.name }, axis.symbol)));
    element.value = now.name;
    return element;
  };
  const colour = h("select", { id: app.id("colour"), "aria-label": say("Colours"), onchange: () => app.edit((next) => (next.colour = colour.value)) },
    h("option", { value: "verdict" }, say("verdict")), h("option", { value: "steps" }, say("steps")));
  colour.value = state.colour;
  const zooms = /** @type {[string, string, () => void][]} */ ([["+", "Zoom in", () => map.zoom(0.5)], ["−", "Zoom out", () => map.zoom(2)], ["↺", "The whole map", () => app.edit((next) => (next.window = null))]]);
  return h("section", { class: "panel", "data-panel": "map" }, h("h2", null, say("Map"), " ", map.progress),
    h("p", { class: "soft" }, say("Where would this ball end with other settings? Click, or use the arrow keys, to go there.")),
    h("div", { class: "row" }, state.balls.length > 1 ? badge(app, state.chosen) : null, choice(say("across"), across, 0), h("span", null, "×"), choice(say("up"), up, 1), colour,
      ...zooms.map(([sign, name, act]) => h("button", { id: app.id(`zoom${sign}`), "aria-label": say(name), title: say(name), onclick: act }, sign))),
    h("div", { class: "frame" }, map.canvas, map.handle), map.legend);
}
