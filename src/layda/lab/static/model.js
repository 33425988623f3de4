// One rule on one objective, as one straight line: observe, then advance.

import { Builder } from "./program.js";

/**
 * @typedef {object} Model
 * @property {import("./program.js").Program} program
 * @property {number} split words of the part that observes
 * @property {number} dimension
 * @property {Record<string, number>} numbers setting -> register
 * @property {number} t register of the step
 * @property {number[]} position registers, one for each coordinate
 * @property {number[]} carried registers of everything that the rule carries, the position first
 * @property {number[]} next likewise, after the step
 * @property {string[]} names of what is carried: "0:position", "1:velocity", "shared:…", "schedule:…"
 * @property {number} value register of f
 * @property {number[]} slopes registers of the gradient
 * @property {number[]} rests registers of what is zero where the rule rests
 * @property {number[]} estimates registers of the rule's answer
 * @property {number} rate register of the learning rate
 * @property {number} defined register of the condition that f exists, or −1
 * @property {any} variant
 * @property {any} objective
 */

/**
 * Join an objective and a rule.
 * @param {any} objective of the scene
 * @param {any} variant of a rule of the scene
 * @returns {Model}
 */
export function join(objective, variant) {
  const builder = new Builder();
  const dimension = objective.coordinates.length;
  const each = [...Array(dimension).keys()];
  /** @type {Record<string, number>} */ const numbers = {};
  for (const name in variant.defaults) numbers[name] = builder.input(name);
  const t = builder.input("t");
  /** @type {Record<string, number>} */ const common = { ...numbers, t };
  const schedules = variant.schedules.map((/** @type {string} */ name) => builder.input(`schedule:${name}`));
  variant.schedules.forEach((/** @type {string} */ name, /** @type {number} */ i) => (common[name] = schedules[i]));
  const shared = variant.shared.map((/** @type {any} */ slot) => builder.input(`shared:${slot.name}`));
  variant.shared.forEach((/** @type {any} */ slot, /** @type {number} */ i) => (common[slot.name] = shared[i]));
  const position = each.map((i) => builder.input(`${i}:position`));
  const slots = each.map((i) => variant.slots.map((/** @type {any} */ slot) => builder.input(`${i}:${slot.name}`)));

  /** @type {Record<string, number>} */ const place = {};
  objective.coordinates.forEach((/** @type {string} */ name, /** @type {number} */ i) => (place[name] = position[i]));
  const seen = builder.add(objective.gradient, place);
  const slopes = objective.coordinates.map((/** @type {string} */ name) => seen[`d_${name}`]);
  const defined = objective.defined ? Object.values(builder.add(objective.defined, place))[0] : -1;
  const own = each.map((i) => {
    /** @type {Record<string, number>} */ const bound = { ...common, position: position[i], gradient: slopes[i] };
    variant.slots.forEach((/** @type {any} */ slot, /** @type {number} */ j) => (bound[slot.name] = slots[i][j]));
    return bound;
  });
  const rests = each.map((i) => builder.add(variant.rest, own[i]).rest);
  const estimates = each.map((i) => builder.add(variant.estimate, own[i]).estimate);
  const rate = builder.add(variant.rate, common).rate;
  const split = builder.length;
  const moved = each.map((i) => builder.add(variant.step, own[i]));

  const carried = [...position], next = each.map((i) => moved[i].position), names = each.map((i) => `${i}:position`);
  for (const i of each) {
    variant.slots.forEach((/** @type {any} */ slot, /** @type {number} */ j) => {
      carried.push(slots[i][j]);
      next.push(moved[i][slot.name]);
      names.push(`${i}:${slot.name}`);
    });
  }
  variant.shared.forEach((/** @type {any} */ slot, /** @type {number} */ j) => {
    carried.push(shared[j]);
    next.push(moved[0][slot.name]);
    names.push(`shared:${slot.name}`);
  });
  variant.schedules.forEach((/** @type {string} */ name, /** @type {number} */ j) => {
    carried.push(schedules[j]);
    next.push(moved[0][name]);
    names.push(`schedule:${name}`);
  });
  return {
    program: builder.finish(), split, dimension, numbers, t, position, carried, next, names, value: seen.value, slopes,
    rests, estimates, rate, defined, variant, objective,
  };
}
