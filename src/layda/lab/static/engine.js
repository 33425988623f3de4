// A scene made ready: models and judges, each made once when it is first asked for.

import { join } from "./model.js";
import { callable } from "./program.js";
import { descend } from "./run.js";
import { judgeOf } from "./verdict.js";

/** Rolls balls on the objectives of a scene with its rules. */
export class Engine {
  /** @param {any} scene */
  constructor(scene) {
    this.scene = scene;
    this.ending = callable(scene.ending);
    this.tolerance = scene.constants.tolerance;
    this.every = scene.constants.check_every;
    /** @type {Map<string, any>} */ this.rules = new Map(scene.rules.map((/** @type {any} */ rule) => [rule.name, rule]));
    /** @type {WeakMap<object, Map<object, import("./model.js").Model>>} */ this.models = new WeakMap();
    /** @type {WeakMap<object, any>} */ this.judges = new WeakMap();
  }

  /** A rule's tapes for one choice of its words. @param {string} rule @param {string} word */
  variant(rule, word) {
    const found = this.rules.get(rule);
    return found.variants[word] ?? found.variants[found.words[0]];
  }

  /** @param {any} objective @param {any} variant */
  model(objective, variant) {
    let known = this.models.get(objective);
    if (!known) this.models.set(objective, (known = new Map()));
    let found = known.get(variant);
    if (!found) known.set(variant, (found = join(objective, variant)));
    return found;
  }

  /**
   * One ball's path.
   * @param {any} objective
   * @param {{rule: string, word?: string, numbers?: Record<string, number>}} way
   * @param {number[]} start
   * @param {number} steps
   */
  path(objective, way, start, steps, tolerance = this.tolerance) {
    const variant = this.variant(way.rule, way.word ?? "");
    const numbers = { ...variant.defaults, ...way.numbers };
    return descend(this.model(objective, variant), numbers, start, { steps, tolerance, every: this.every });
  }

  /** The verdict on a path. @param {any} objective @param {{rule: string, word?: string}} way @param {import("./run.js").Path} path */
  verdict(objective, way, path, tolerance = this.tolerance) {
    let judge = this.judges.get(objective);
    if (!judge) this.judges.set(objective, (judge = judgeOf(this.scene, objective, this.ending)));
    return judge(path, this.variant(way.rule, way.word ?? ""), tolerance);
  }
}
