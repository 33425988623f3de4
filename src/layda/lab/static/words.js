// What the page says: English texts are the keys; a scene holds the translations.

import { shown } from "./dom.js";

/** @typedef {(text: string, values?: Record<string, any>) => string} Say */

/**
 * The speaker of a language.
 * @param {any} scene
 * @param {string} language "en" or "vi"
 * @returns {Say}
 */
export function speakerOf(scene, language) {
  const known = scene.words[language] ?? {};
  return (text, values = {}) =>
    (known[text] ?? text).replace(/\{(\w+)\}/g, (/** @type {string} */ whole, /** @type {string} */ name) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "number" && !Number.isInteger(value) ? shown(value) : String(value);
    });
}

/** Two figures are all that an extrapolation is worth. @param {number} steps */
function countOf(steps) {
  if (steps < 1e6) return Number(steps.toPrecision(2)).toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
  return steps.toExponential(0).replace("e+", "e");
}

/**
 * A verdict in one sentence: the twin of layda.diagnosis.describe.
 * @param {import("./verdict.js").Verdict} verdict
 * @param {import("./run.js").Path} path
 * @param {any} objective
 * @param {import("./state.js").Ball} ball
 * @param {Say} say
 */
export function sentence(verdict, path, objective, ball, say) {
  const steps = path.step, seen = verdict.evidence;
  return [told(), ...remarks(ball, say)].join(". ");

  function told() {
    switch (verdict.kind) {
      case "converged":
        return say("settled after {steps} steps at a minimum; no better one is known", { steps });
      case "trapped": {
        const { position } = /** @type {any} */ (verdict.better);
        const place = position.map((/** @type {number} */ x, /** @type {number} */ i) => `${objective.coordinates[i]} = ${shown(x)}`).join(", ");
        const text = "settled after {steps} steps at a poor minimum; the best known one is {gap} lower, at {place}";
        return say(text, { steps, gap: shown(seen.above_best), place });
      }
      case "saddle": {
        const text = "settled after {steps} steps at a saddle: the ground still falls to a side (curvature {curvature})";
        return say(text, { steps, curvature: shown(seen.smallest_curvature) });
      }
      case "frozen": {
        const numbers = { largest: shown(path.topRate), rate: shown(path.rates[steps]), gradient: shown(seen.gradient) };
        if (path.topRate === 0) return say("never moved: the learning rate is 0 while the gradient is {gradient}", numbers);
        return say("froze: the learning rate fell from {largest} to {rate} while the gradient is still {gradient}", numbers);
      }
      case "cycling":
        if (seen.period > 1) return say("goes round with period {period} without getting lower", { period: seen.period });
        return say("swings without getting lower over the last {window} steps", { window: seen.window });
      case "diverged":
        if (steps < path.steps) return say("was thrown away to infinity at step {steps}", { steps });
        return say("is farther away from step to step after {steps} steps", { steps });
      case "undefined":
        return say("came at step {steps} to {coordinate} = {value}, where the objective has no value", {
          steps, coordinate: seen.coordinate, value: shown(seen.coordinate_value),
        });
      case "crawling":
        if (seen.steps_needed < 1e15)
          return say("crawls: at this pace about {needed} more steps are needed after the first {steps}", {
            needed: countOf(seen.steps_needed), steps,
          });
        return say("crawls: at this pace endlessly many more steps are needed after the first {steps}", { steps });
      default:
        if (!seen.window)
          return say("was on its way after {steps} of {budget} steps, too few to tell how many more are needed", {
            steps, budget: path.steps,
          });
        return say("was on its way after {steps} steps; about {needed} more are needed", {
          steps, needed: countOf(Math.max(seen.steps_needed, 1)),
        });
    }
  }
}

/** What β = 1, δ = 0 and δ = 1 did. @param {import("./state.js").Ball} ball @param {Say} say */
function remarks(ball, say) {
  const { numbers } = ball, found = [];
  if (Object.entries(numbers).some(([name, value]) => /^(momentum|beta1|momenta\.\d)$/.test(name) && value === 1))
    found.push(say("β = 1: nothing of the velocity is ever forgotten, so the ball has no friction and does not come to rest"));
  if (numbers["learning_rate.decay"] === 0)
    found.push(say("δ = 0: the learning rate became 0 before the first step, so no step was taken"));
  return found;
}
