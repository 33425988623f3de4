// Times the page's machines and the hand-written twins by turns, in one page.

import { Engine } from "/engine.js";
import { alone, LANDSCAPES, map, path } from "/hand.js";
import { MapJob } from "/map.js";

const RULES = ["heavy-ball", "nesterov", "adam", "gradient-descent"];
const RATES = { adam: 0.05 };

const timed = (act) => {
  const from = performance.now();
  act();
  return performance.now() - from;
};

/** Four rules, 500 steps, on Himmelblau's function: the first time, then warm. */
window.paths = (scene) => {
  const engine = new Engine(scene), objective = scene.objectives.find((one) => one.name === "himmelblau");
  const ways = RULES.map((rule) => ({ rule, word: "", numbers: { "learning_rate.initial": RATES[rule] ?? 0.005 } }));
  const ours = () => ways.forEach((way) => engine.path(objective, way, [1, 1], 500, 0));
  const theirs = () => RULES.forEach((rule) => path(rule, LANDSCAPES.himmelblau, [1, 1], 500, { rate: RATES[rule] ?? 0.005, momentum: 0.9 }));
  const first = timed(ours), firstHand = timed(theirs);
  for (let k = 0; k < 200; k++) (ours(), theirs());
  const repeat = (act) => timed(() => { for (let k = 0; k < 50; k++) act(); }) / 50;
  const pairs = Array.from({ length: 15 }, () => [repeat(ours), repeat(theirs)]);
  const middle = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
  return { first, firstHand, warm: middle(pairs.map((pair) => pair[0])), hand: middle(pairs.map((pair) => pair[1])) };
};

/** A map of 160 × 100 cells, 200 heavy-ball steps each: the rolling alone, the verdicts, the longest slice. */
window.maps = (scene, name) => {
  const engine = new Engine(scene), objective = scene.objectives.find((one) => one.name === name), steps = 200;
  const x = { kind: "setting", path: "learning_rate.initial", index: -1, low: 1e-5, high: 1, log: true };
  const y = { kind: "setting", path: "momentum", index: -1, low: 0, high: 1, log: false };
  const way = { rule: "heavy-ball", word: "velocity", numbers: {} };
  const options = { x, y, columns: 160, rows: 100, start: objective.start, steps, tolerance: engine.tolerance };
  const cells = [];
  for (let row = 0; row < 100; row++)
    for (let column = 0; column < 160; column++) {
      const { numbers } = new MapJobCells(options).cell(column, row);
      cells.push(numbers);
    }
  const once = () => {
    const job = new MapJob(engine, objective, way, options), judge = job.judge.bind(job);
    let judging = 0, longest = 0, done = false;
    job.judge = (lane) => { judging += timed(() => judge(lane)); };
    const all = timed(() => { while (!done) longest = Math.max(longest, timed(() => { done = job.work(8); })); });
    return { all, judging, rolling: all - judging, longest, steps: [...job.steps] };
  };
  const first = once(), hand = [], lone = [], ours = [];
  let ends, others;
  for (let k = 0; k < 15; k++) { // the twin in blocks is compiled in full from its third or fourth time on
    hand.push(timed(() => { ends = map(name, cells, objective.start, steps, engine.tolerance); }));
    lone.push(timed(() => { others = alone(name, cells, objective.start, steps, engine.tolerance); }));
    ours.push(once());
  }
  const same = ours[0].steps.filter((step, at) => step === ends[at] && step === others[at]).length;
  const middle = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
  return {
    first: first.rolling, firstLongest: first.longest, rolling: middle(ours.map((one) => one.rolling)), judging: middle(ours.map((one) => one.judging)),
    longest: middle(ours.map((one) => one.longest)), hand: middle(hand), alone: middle(lone), same: same / cells.length,
  };
};

/** The cells' settings, as MapJob spaces them. */
class MapJobCells {
  constructor({ x, y, columns, rows }) {
    Object.assign(this, { x, y, columns, rows });
  }

  cell(column, row) {
    const { x, y } = this, share = (column + 0.5) / this.columns;
    const rate = Math.exp(Math.log(x.low) + share * (Math.log(x.high) - Math.log(x.low)));
    return { numbers: [rate, y.low + ((row + 0.5) / this.rows) * (y.high - y.low)] };
  }
}

window.ready = true;
