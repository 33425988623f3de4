// Everything that a link holds: what rolls, where from, with which settings, and what is looked at.

import { clamp } from "./dom.js";

/** @typedef {{rule: string, word: string, numbers: Record<string, number>}} Ball */
/**
 * @typedef {object} State
 * @property {string} objective a name of the scene, or a typed formula
 * @property {number[]} start
 * @property {number} steps the budget of every ball
 * @property {number} tolerance of the stopping test; 0: never stop early
 * @property {Ball[]} balls
 * @property {number} chosen the ball whose energies, weights, step and map are shown
 * @property {boolean} linked whether settings of one name move together
 * @property {number} at the step looked at; −1: the end
 * @property {string[]} strips
 * @property {string} axes of the map: "learning_rate.initial,momentum", "start.0,start.1", …
 * @property {string} colour of the map: "verdict" or "steps"
 * @property {number[] | null} window of the map: left, right, bottom, top
 * @property {number} chapter of the tour; 0: none
 * @property {string} language
 */

export const STRIPS = ["loss", "energy", "rate", "velocity", "weights"];
/** A strip -> what it is called. */
export const STRIP_NAMES = /** @type {Record<string, string>} */ ({ loss: "loss", energy: "energy", rate: "learning rate", velocity: "velocity", weights: "weights of past gradients" });
export const MOST_STEPS = 20000, MOST_BALLS = 8;

/**
 * A ball with the usual settings of a rule, and a learning rate that suits the objective.
 * @param {any} scene @param {any} objective @param {string} rule @param {string} word
 * @returns {Ball}
 */
export function ballOf(scene, objective, rule, word = "") {
  const found = scene.rules.find((/** @type {any} */ one) => one.name === rule) ?? scene.rules[0];
  const chosen = found.words.includes(word) ? word : found.words[0];
  return { rule: found.name, word: chosen, numbers: { ...found.variants[chosen].defaults, "learning_rate.initial": suiting(objective, found) } };
}

/** The rate to begin with: by the curvature, or by the box where α is the length of the step. @param {any} objective @param {any} rule of the scene @returns {number} */
export const suiting = (objective, rule) => (rule.paces ? objective.pace : objective.rate);

/** The state that a page begins with. @param {any} scene @param {string} language @returns {State} */
export function firstState(scene, language) {
  const objective = scene.objectives[0];
  /** @type {State} */
  const state = {
    objective: objective.name, start: [...objective.start], steps: 200, tolerance: scene.constants.tolerance, balls: [ballOf(scene, objective, "heavy-ball")], chosen: 0,
    linked: false, at: -1, strips: ["loss", "energy", "velocity"], axes: "learning_rate.initial,momentum",
    colour: "verdict", window: null, chapter: 0, language,
  };
  return { ...state, ...scene.state, language };
}

/** A ball's rule for its choice of words. @param {any} scene @param {Ball} ball */
function variantOf(scene, ball) {
  return scene.rules.find((/** @type {any} */ one) => one.name === ball.rule).variants[ball.word];
}

/**
 * The text after the # of a link; what is usual is left out.
 * @param {any} scene @param {State} state
 */
export function encoded(scene, state) {
  const parts = [`o=${encodeURIComponent(state.objective)}`, `x=${state.start.join(",")}`, `n=${state.steps}`];
  for (const ball of state.balls) {
    const usual = variantOf(scene, ball).defaults, words = [ball.rule, ball.word];
    for (const name in usual) if (name === "learning_rate.initial" || ball.numbers[name] !== usual[name]) words.push(`${name}=${ball.numbers[name]}`);
    parts.push(`b=${words.map(encodeURIComponent).join("~")}`);
  }
  if (state.tolerance !== scene.constants.tolerance) parts.push(`q=${state.tolerance}`);
  if (state.chosen) parts.push(`c=${state.chosen}`);
  if (state.linked) parts.push("link=1");
  if (state.at >= 0) parts.push(`k=${state.at}`);
  parts.push(`s=${state.strips.join(",")}`, `m=${state.axes}`, `w=${state.colour}`);
  if (state.window) parts.push(`z=${state.window.join(",")}`);
  if (state.chapter) parts.push(`t=${state.chapter}`);
  parts.push(`l=${state.language}`);
  return parts.join("&");
}

/**
 * What a link's text asks for; whatever is not allowed there is passed over, and the usual taken.
 * @param {any} scene @param {string} text after the # @param {State} usual
 * @returns {State}
 */
export function decoded(scene, text, usual) {
  const state = { ...usual };
  /** @type {Ball[]} */ const balls = [];
  for (const part of text.replace(/^#/, "").split("&")) {
    const at = part.indexOf("="), key = part.slice(0, at);
    const value = readable(part.slice(at + 1));
    if (at < 0 || value === null) continue;
    if (key === "o" && value.trim() && value.length <= 1000) state.objective = value;
    if (key === "x") state.start = numbersOf(value) ?? state.start;
    if (key === "n") state.steps = whole(value, 0, Math.max(MOST_STEPS, usual.steps)) ?? state.steps;
    if (key === "q" && isNumber(value)) state.tolerance = clamp(Number(value), 0, 1 - 2 ** -53);
    if (key === "c") state.chosen = whole(value, 0, MOST_BALLS - 1) ?? state.chosen;
    if (key === "k") state.at = whole(value, -1, MOST_STEPS) ?? state.at;
    if (key === "t") state.chapter = whole(value, 0, scene.tour.en.length) ?? state.chapter;
    if (key === "link") state.linked = value === "1";
    if (key === "s") state.strips = STRIPS.filter((name) => value.split(",").includes(name));
    if (key === "m" && /^[\w.]+,[\w.]+$/.test(value)) state.axes = value;
    if (key === "w" && ["verdict", "steps"].includes(value)) state.colour = value;
    if (key === "z") state.window = windowFrom(numbersOf(value)) ?? state.window;
    if (key === "l" && Object.hasOwn(scene.languages, value)) state.language = value;
    if (key === "b" && balls.length < Math.max(MOST_BALLS, usual.balls.length)) balls.push(...ballFrom(scene, value));
  }
  if (balls.length) state.balls = balls;
  state.chosen = Math.min(state.chosen, state.balls.length - 1);
  return state;
}

/** @param {string} text */
function readable(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // a broken escape in a link: as if it were not there
  }
}

/** @param {any} scene @param {string} text @returns {Ball[]} */
function ballFrom(scene, text) {
  const [rule, word, ...settings] = text.split("~");
  const found = scene.rules.find((/** @type {any} */ one) => one.name === rule);
  if (!found) return [];
  const ball = ballOf(scene, scene.objectives[0], rule, word);
  for (const setting of settings) {
    const [name, value] = setting.split("="), limit = found.settings.find((/** @type {any} */ one) => one.path === name);
    if (limit && isNumber(value)) ball.numbers[name] = within(Number(value), limit);
  }
  return [ball];
}

/** A setting kept to what the rule allows. @param {number} value @param {any} limit of the scene */
export function within(value, limit) {
  return clamp(value, Number(limit.low), Number(limit.high));
}

/** @param {string | undefined} text */
const isNumber = (text) => text !== undefined && text.trim() !== "" && Number.isFinite(Number(text));

/** @param {string} text */
function numbersOf(text) {
  const parts = text.split(",");
  return parts.length <= 4 && parts.every(isNumber) ? parts.map(Number) : null;
}

/** @param {string} text @param {number} low @param {number} high */
function whole(text, low, high) {
  return isNumber(text) && Number.isInteger(Number(text)) ? clamp(Number(text), low, high) : null;
}

/** @param {number[] | null} sides */
const windowFrom = (sides) => (sides && sides.length === 4 && sides[0] < sides[1] && sides[2] < sides[3] ? sides : null);
