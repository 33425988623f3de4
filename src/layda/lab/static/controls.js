// What is turned: the objective, the start, the budget, and the settings of every ball.

import { clamp, h, shown } from "./dom.js";
import { lookOf, marker } from "./looks.js";
import { isLog, spanOf } from "./mapview.js";
import { ballOf, MOST_BALLS, MOST_STEPS, within } from "./state.js";

/** @typedef {{element: HTMLElement, refresh: () => void}} Part */

/**
 * A slider with its number beside it.
 * @param {{label: string, symbol?: string, low: number, high: number, log?: boolean, step: number, get: () => number, set: (value: number) => void, id: string}} options
 * @returns {Part}
 */
export function slider({ label, symbol, low, high, log = false, step, get, set, id }) {
  const into = (/** @type {number} */ value) => (log ? Math.log10(value) : value), out = (/** @type {number} */ at) => (log ? 10 ** at : at);
  const range = h("input", {
    type: "range", id, min: into(low), max: into(high), step, oninput: () => set(Number(shown(out(Number(range.value)), log ? 3 : 12))),
  });
  const field = h("input", {
    type: "number", step: "any", "aria-label": label,
    onchange: () => {
      if (field.value !== "" && Number.isFinite(field.valueAsNumber)) set(field.valueAsNumber);
      last = NaN; // what was typed may not be what is allowed
      refresh();
    },
  });
  let last = NaN, written = ""; // what is shown; what is being typed is left alone
  const name = h("label", { for: id, title: label }, h("span", { class: "symbol" }, symbol ?? label), symbol ? h("span", { class: "sr" }, ` ${label}`) : null);
  const refresh = () => {
    const value = get();
    if (value === last && field.matches(":focus")) return;
    if (value === last && field.value === written) return; // nothing for the browser to lay out again
    range.value = String(clamp(into(value), into(low), into(high)));
    range.setAttribute("aria-valuetext", `${symbol ?? label} = ${shown(value, 6)}`);
    field.value = written = shown(value, 8);
    last = value;
  };
  return { element: h("div", { class: "slider" }, name, range, field), refresh };
}

/** The first panel: objective, start and budget. @param {any} app @returns {Part} */
export function ground(app) {
  const { say, scene } = app, known = scene.objectives.map((/** @type {any} */ one) => one.name);
  const choice = h("select", { id: app.id("objective"), onchange: () => app.choose(choice.value) },
    ...known.map((/** @type {string} */ name) => h("option", { value: name }, name.replaceAll("_", " "))), h("option", { value: "", hidden: true }, say("a typed function")));
  const typed = h("input", { type: "text", id: app.id("formula"), spellcheck: "false", autocomplete: "off", maxlength: 1000, placeholder: "x^4 - 3x^2 + x/2", "aria-describedby": app.id("mistake"), disabled: !app.asks });
  if (app.mistake) typed.value = app.mistake.text; // still there to be mended
  const mistake = h("p", { class: app.asks ? "mistake" : "mistake soft", id: app.id("mistake"), "aria-live": "polite" });
  const form = h("form", { class: "typed", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), typed.value.trim() && app.choose(typed.value)) },
    h("label", { for: app.id("formula") }, say("or type a function of x, or of x and y")), typed, h("button", { type: "submit", disabled: !app.asks }, say("Roll on it")));
  if (!app.asks) mistake.textContent = say("Typing a function needs Python: run “layda lab”.");
  const equation = h("p", { class: "equation" }), about = h("p", { class: "soft" });
  const starts = [0, 1].map((index) => coordinateSlider(app, index));
  const steps = slider({
    label: say("steps"), low: 1, high: MOST_STEPS, log: true, step: 0.01, id: app.id("steps"), get: () => app.state.steps,
    set: (value) => app.edit((/** @type {any} */ state) => (state.steps = Math.min(Math.max(Math.round(value), 1), MOST_STEPS))),
  });
  const element = h("section", { class: "panel", "data-panel": "objective" },
    h("h2", null, say("Objective")), h("div", { class: "pick" }, h("label", { for: app.id("objective") }, say("a classic")), choice), form, mistake, equation, about,
    ...starts.map((part) => part.element), steps.element);
  /** @type {any} */ let told, /** @type {any} */ mistaken;
  const refresh = () => {
    const { objective } = app;
    if (told === objective && mistaken === app.mistake) return [...starts.slice(0, objective.coordinates.length), steps].forEach((part) => part.refresh());
    [told, mistaken] = [objective, app.mistake];
    choice.value = known.includes(objective.name) ? objective.name : "";
    if (!app.mistake && !typed.matches(":focus") && !known.includes(objective.name)) typed.value = objective.name;
    equation.textContent = `f = ${objective.equation}`;
    about.textContent = app.state.language === "en" ? objective.description : "";
    starts.forEach((part, index) => {
      part.element.hidden = index >= objective.coordinates.length;
      if (!part.element.hidden) part.refresh();
    });
    steps.refresh();
    if (app.asks) mistake.replaceChildren(...(app.mistake ? marked(app.mistake) : []));
  };
  return { element, refresh };
}

/** A sentence, and the text with its mistake marked. @param {{message: string, text: string, position: number, length: number}} mistake */
function marked({ message, text, position, length }) {
  if (position < 0 || length === 0) return [message];
  const end = position + Math.max(length, 1);
  return [message, h("code", null, text.slice(0, position), h("mark", null, text.slice(position, end) || " "), text.slice(end))];
}

/** @param {any} app @param {number} index @returns {Part} */
function coordinateSlider(app, index) {
  const [low, high] = app.objective.box[index] ?? [0, 1], name = app.objective.coordinates[index] ?? "y";
  return slider({
    label: app.say("start {name}", { name }), low, high, step: (high - low) / 400, id: app.id(`start-${index}`), get: () => app.state.start[index] ?? 0,
    set: (value) => app.edit((/** @type {any} */ state) => (state.start[index] = value)),
  });
}

/** The balls, with what can be added. @param {any} app @returns {Part} */
export function balls(app) {
  const { say, scene, state } = app, cards = state.balls.map((/** @type {any} */ _, /** @type {number} */ index) => card(app, index));
  const rule = h("select", { id: app.id("add"), "aria-label": say("rule to add") }, ...scene.rules.map((/** @type {any} */ one) => h("option", { value: one.name }, one.name)));
  rule.value = "nesterov";
  const add = h("button", { id: app.id("add-ball"), onclick: () => app.edit((/** @type {any} */ next) => next.balls.push(ballOf(scene, app.objective, rule.value))), disabled: state.balls.length >= MOST_BALLS }, say("Add a ball"));
  const link = h("input", { type: "checkbox", id: app.id("link"), onchange: () => app.edit((/** @type {any} */ next) => (next.linked = link.checked)) });
  link.checked = state.linked;
  const element = h("section", { class: "panel", "data-panel": "balls" }, h("h2", null, say("Balls")), ...cards.map((/** @type {Part} */ one) => one.element),
    h("div", { class: "row" }, rule, add), h("div", { class: "row tight" }, link, h("label", { for: app.id("link") }, say("settings of one name move together"))));
  return { element, refresh: () => cards.forEach((/** @type {Part} */ one) => one.refresh()) };
}

/** One ball: its rule, its settings, and what became of it. @param {any} app @param {number} index @returns {Part} */
function card(app, index) {
  const { say, scene } = app, ball = app.state.balls[index], rule = app.ruleOf(ball), many = app.state.balls.length > 1;
  const own = (/** @type {string} */ name) => app.id(`ball-${index}-${name}`);
  const choice = h("select", { id: own("rule"), "aria-label": say("rule of ball {number}", { number: index + 1 }), onchange: () => app.edit((/** @type {any} */ state) => (state.balls[index] = kept(app, choice.value, app.state.balls[index]))) },
    ...scene.rules.map((/** @type {any} */ one) => h("option", { value: one.name }, one.name)));
  choice.value = ball.rule;
  const word = rule.choice ? h("select", { id: own("word"), "aria-label": say(rule.choice), onchange: () => app.edit((/** @type {any} */ state) => (state.balls[index] = kept(app, ball.rule, app.state.balls[index], word.value))) }, ...rule.words.map((/** @type {string} */ one) => h("option", { value: one }, `${rule.choice}: ${one}`))) : null;
  if (word) word.value = ball.word;
  const look = h("input", { type: "radio", name: app.id("chosen"), id: own("look"), onchange: () => app.edit((/** @type {any} */ state) => (state.chosen = index)) });
  look.checked = app.state.chosen === index;
  const drop = h("button", { id: own("drop"), class: "plain", "aria-label": say("remove ball {number}", { number: index + 1 }), title: say("remove"), onclick: () => app.edit((/** @type {any} */ state) => {
    state.balls.splice(index, 1);
    if (state.chosen >= index) state.chosen = Math.max(state.chosen - 1, 0);
  }) }, "×");
  const sliders = rule.settings.map((/** @type {any} */ one) => settingSlider(app, index, one, own(one.path)));
  const verdict = h("p", { class: "verdict" }), advice = h("div", { class: "advice" });
  const ask = h("button", { onclick: () => app.advise(index) }, say("What would help?"));
  const element = h("article", { class: "ball" },
    h("div", { class: "row" }, badge(app, index), choice, word, many ? drop : null),
    h("p", { class: "equation" }, rule.equation),
    many ? h("div", { class: "row" }, look, h("label", { for: own("look") }, say("look at this one"))) : null,
    ...sliders.map((/** @type {Part} */ one) => one.element), verdict, app.asks ? ask : null, advice);
  const refresh = () => {
    sliders.forEach((/** @type {Part} */ one) => one.refresh());
    const found = app.verdicts[index];
    const text = `${say(found.kind)}: ${app.sentenceOf(index)}`;
    if (verdict.textContent !== text) verdict.textContent = text;
    if (verdict.dataset.kind !== found.kind) verdict.dataset.kind = found.kind;
    if (app.advice[index] !== advice.shown) {
      advice.shown = app.advice[index];
      advice.replaceChildren(...(app.advice[index] ? told(app, index, app.advice[index]) : []));
    }
  };
  return { element, refresh };
}

/** The settings of another rule, those of the same name kept. @param {any} app @param {string} rule @param {any} before @param {string} word */
function kept(app, rule, before, word = "") {
  const made = ballOf(app.scene, app.objective, rule, word);
  for (const name of before.rule === rule ? Object.keys(made.numbers) : ["learning_rate.decay", "momentum"]) if (name in before.numbers) made.numbers[name] = before.numbers[name];
  return made;
}

/** @param {any} app @param {number} index @param {any} setting @param {string} id @returns {Part} */
function settingSlider(app, index, setting, id) {
  const [low, high] = spanOf(setting), log = isLog(setting.path), { path } = setting;
  return slider({
    label: app.say(app.scene.settings[path] ?? path), symbol: setting.symbol, low, high, log, step: log ? 0.01 : (high - low) / 1000, id, get: () => app.state.balls[index].numbers[path],
    set: (value) => app.edit((/** @type {any} */ state) => {
      state.balls.forEach((/** @type {any} */ ball, /** @type {number} */ k) => {
        if ((k === index || state.linked) && path in ball.numbers) ball.numbers[path] = within(value, app.limit(path, k));
      });
    }),
  });
}

/** The ball's marker and dash, as in the picture. @param {any} app @param {number} index */
export function badge(app, index) {
  const canvas = h("canvas", { class: "badge", width: 68, height: 36, "aria-hidden": "true" }), pen = canvas.getContext("2d"), look = lookOf(index, app.dark);
  pen.scale(2, 2);
  pen.strokeStyle = pen.fillStyle = look.colour;
  pen.lineWidth = 2;
  pen.setLineDash(look.dash);
  pen.beginPath();
  pen.moveTo(0, 9);
  pen.lineTo(34, 9);
  pen.stroke();
  pen.setLineDash([]);
  marker(pen, 17, 9, 6, look.marker);
  pen.fill();
  return canvas;
}

/** What Python's diagnosis says, with a button for every remedy. @param {any} app @param {number} index @param {any} advice */
function told(app, index, advice) {
  const { say } = app;
  if (advice.waiting) return [h("p", { class: "soft" }, say("Examining …"))];
  if (advice.error) return [h("p", { class: "mistake" }, advice.error)];
  if (advice.healthy) return [h("p", null, say("No problems found."))];
  const text = (/** @type {any[]} */ sentences) => sentences.map((one) => one.text).join("; ");
  return advice.findings.flatMap((/** @type {any} */ finding) => [
    h("p", null, h("b", null, say("seen")), ` ${text(finding.seen)}`),
    finding.means.length ? h("p", null, h("b", null, say("means")), ` ${text(finding.means)}`) : null,
    ...finding.do.map((/** @type {any} */ remedy) => h("p", null, h("b", null, say("do")), ` ${remedy.text} `,
      remedy.apply ? h("button", { onclick: () => app.apply(index, remedy.apply) }, say("Apply")) : null)),
  ].filter(Boolean));
}
