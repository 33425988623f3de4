// The page: one state, one frame that shows it, and the panels.

import { balls, ground } from "./controls.js";
import { h } from "./dom.js";
import { Engine } from "./engine.js";
import { knob } from "./knob.js";
import { MapView } from "./mapview.js";
import { header, mapPanel, stripChoice, transport, transportBar } from "./panels.js";
import { saver } from "./save.js";
import { drawPicture, drawStripes } from "./stage.js";
import { ballOf, decoded, encoded, firstState, suiting } from "./state.js";
import { stepAt } from "./strips.js";
import { tour } from "./tour.js";
import { sentence, speakerOf } from "./words.js";

const PANELS = ["picture", "strips", "numbers", "tour", "objective", "balls", "map", "save"];

/**
 * @typedef {object} Host where the page lives
 * @property {any} scene
 * @property {((message: any) => Promise<any>) | null} ask Python, where there is one
 * @property {boolean} linked whether the address holds the state
 * @property {string} show the panels to show, with commas; "": all
 * @property {string} language
 * @property {any} state to begin with, or null
 * @property {(state: any, result: any) => void} tell after every change
 */

export class App {
  /** @param {HTMLElement} root @param {Host} host */
  constructor(root, host) {
    this.root = root;
    this.host = host;
    this.scene = host.scene;
    this.engine = new Engine(this.scene);
    this.linked = host.linked;
    this.asks = host.ask !== null;
    this.prefix = `layda-${Math.random().toString(36).slice(2, 8)}`;
    this.typed = new Map();
    this.advice = /** @type {any[]} */ ([]);
    this.mistake = /** @type {any} */ (null);
    this.playing = false;
    this.speed = 20;
    this.turn = 0;
    this.touched = this.drawn = this.wrote = -Infinity; // when the state was changed, the map drawn, the numbers written
    /** @type {any} the bar's parts */ this.bar = {};
    this.sizesNow = { picture: { width: 0, height: 0 }, strips: { width: 0, height: 0 }, map: { width: 0, height: 0 } };
    this.clock = /** @type {number | undefined} */ (undefined);
    this.keys = /** @type {string[]} */ ([]);
    this.paths = /** @type {import("./run.js").Path[]} */ ([]);
    this.verdicts = /** @type {import("./verdict.js").Verdict[]} */ ([]);
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.night = matchMedia("(prefers-color-scheme: dark)");
    this.ended = new AbortController();
    const first = firstState(this.scene, host.language);
    this.state = decoded(this.scene, host.linked ? location.hash : "", { ...first, ...host.state });
    this.objective = this.known(this.state.objective) ?? this.scene.objectives[0];
    this.theme = "";
    root.classList.add("layda");
    this.listen();
    this.begin();
  }

  /** Show the state; where its objective has to be asked for, on what there is until it comes. */
  begin() {
    const { objective, start } = this.state, wanted = [...start];
    this.turn++;
    this.playing = false;
    this.objective = this.known(objective) ?? this.objective;
    this.settleIn();
    if (this.known(objective)) this.build();
    else this.choose(objective, wanted);
  }

  /** What the whole page listens to; all of it ends with `close`. */
  listen() {
    const { signal } = this.ended, again = () => this.build();
    this.night.addEventListener("change", again, { signal });
    this.still.addEventListener("change", again, { signal });
    this.sizes = new ResizeObserver(() => this.redraw());
    this.sizes.observe(this.root);
    // Notebooks take keys for themselves; those that are meant for a slider stay here.
    this.root.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
    if (this.linked) addEventListener("hashchange", () => location.hash.slice(1) !== this.written && this.restore(location.hash), { signal });
  }

  close() {
    this.ended.abort();
    this.sizes?.disconnect();
    cancelAnimationFrame(this.frame ?? 0);
    clearTimeout(this.timer);
    this.closed = true;
  }

  get dark() {
    return this.theme ? this.theme === "dark" : this.night.matches;
  }

  get pixels() {
    return Math.min(devicePixelRatio || 1, 2);
  }

  /** @param {string} text @param {Record<string, any>} [values] */
  say = (text, values) => speakerOf(this.scene, this.state.language)(text, values);

  /** A name for an element, the page's own. @param {string} name */
  id = (name) => `${this.prefix}-${name}`;

  /** @param {string} name */
  known(name) {
    return this.typed.get(name) ?? this.scene.objectives.find((/** @type {any} */ one) => one.name === name);
  }

  /** @param {import("./state.js").Ball} ball */
  ruleOf(ball) {
    return this.engine.rules.get(ball.rule);
  }

  ball() {
    return this.state.balls[this.state.chosen] ?? this.state.balls[0];
  }

  /** What a rule allows of a setting. @param {string} path */
  limit(path, index = this.state.chosen) {
    return this.ruleOf(this.state.balls[index]).settings.find((/** @type {any} */ one) => one.path === path);
  }

  /** Change the state and show it. @param {(state: import("./state.js").State) => any} change */
  edit(change) {
    const before = this.shape(), { language } = this.state, count = this.state.balls.length;
    const state = structuredClone(this.state);
    change(state);
    this.state = state;
    this.settleIn();
    if (state.language !== language || state.balls.length !== count) this.advice = [];
    if (this.shape() !== before) this.build();
    this.touched = performance.now();
    this.redraw();
  }

  /** What the panels are built for; another shape asks for other panels. */
  shape() {
    const { balls: all, language, chapter, strips, chosen, linked, axes, colour } = this.state;
    return JSON.stringify([all.map((ball) => [ball.rule, ball.word]), language, chapter, strips, chosen, linked, axes, colour, this.objective.name]);
  }

  /** Starts have as many numbers as the objective has coordinates. */
  settleIn() {
    const { state, objective } = this, n = objective.coordinates.length;
    state.start = objective.start.map((/** @type {number} */ usual, /** @type {number} */ k) => (Number.isFinite(state.start[k]) ? state.start[k] : usual)).slice(0, n);
    state.chosen = Math.min(state.chosen, state.balls.length - 1);
    for (const ball of state.balls) {
      const { words } = this.ruleOf(ball);
      if (!words.includes(ball.word)) [ball.word] = words;
    }
  }

  /** Roll on another objective. @param {string} name of a classic, or a formula @param {number[]} [start] with the state's settings as they are */
  async choose(name, start) {
    const turn = ++this.turn; // an answer that comes after another choice is no longer wanted
    this.mistake = null;
    this.playing = false;
    let found = this.known(name.trim());
    if (!found && this.host.ask) {
      this.mistake = { message: this.say("Examining …"), text: name, position: -1, length: 0 };
      this.build();
      const reply = await this.host.ask({ ask: "objective", text: name });
      if (this.closed || this.turn !== turn) return;
      this.mistake = reply.error ? { position: -1, length: 0, ...reply.error, message: this.told(reply.error), text: name } : null;
      if (reply.error) return this.stay();
      this.typed.set((found = reply.objective).name, found).set(name.trim(), found);
    } else if (!found) this.mistake = { message: this.say("Typing a function needs Python: run “layda lab”."), text: name, position: -1, length: 0 };
    if (!found) return this.stay();
    const before = this.objective;
    this.objective = found;
    this.advice = [];
    this.edit((state) => {
      for (const ball of start ? [] : state.balls) {
        const rule = this.ruleOf(ball); // a rate that nobody has turned follows the objective
        if (ball.numbers["learning_rate.initial"] === suiting(before, rule)) ball.numbers["learning_rate.initial"] = suiting(found, rule);
      }
      Object.assign(state, { objective: found.name }, start ? { start: [...start] } : { start: [...found.start], window: null, at: -1 });
    });
    this.build();
  }

  /** Remain on the objective that there is. */
  stay() {
    this.state.objective = this.objective.name;
    this.settleIn();
    this.build();
  }

  /** What an answer says went wrong. @param {any} error */
  told(error) {
    return error.own ? this.say(error.message) : error.message;
  }

  /** A link's state. @param {string} text */
  restore(text) {
    this.state = decoded(this.scene, text, firstState(this.scene, this.state.language));
    this.begin();
  }

  /** A state that the host sets. @param {any} given */
  take(given) {
    if (!given || JSON.stringify(given) === JSON.stringify(this.state)) return;
    const usual = firstState(this.scene, this.state.language), next = { ...usual, ...structuredClone(given) };
    next.balls = next.balls.filter((/** @type {any} */ ball) => this.engine.rules.has(ball?.rule)).map((/** @type {any} */ ball) => {
      const made = ballOf(this.scene, this.objective, ball.rule, ball.word);
      return { ...made, numbers: { ...made.numbers, ...ball.numbers } };
    });
    if (!next.balls.length) next.balls = usual.balls;
    this.state = next;
    this.begin();
  }

  /** Another scene. @param {any} scene */
  other(scene) {
    [this.scene, this.engine, this.keys, this.advice] = [scene, new Engine(scene), [], []];
    this.objective = this.known(this.state.objective) ?? scene.objectives[0];
    this.settleIn();
    this.build();
  }

  link() {
    return `${location.href.split("#")[0]}#${encoded(this.scene, this.state)}`;
  }

  /** A chapter of the tour, with its settings. @param {number} number */
  chapter(number) {
    const chapters = this.scene.tour[this.state.language] ?? this.scene.tour.en;
    this.settle(chapters[number - 1].settings[0].state, number);
  }

  /** Take settings from the tour. @param {any} given @param {number} chapter */
  settle(given, chapter) {
    this.objective = this.known(given.objective) ?? this.objective;
    this.turn++;
    this.playing = false;
    this.advice = [];
    this.edit((state) => Object.assign(state, structuredClone(given), { chapter, at: given.at ?? -1, window: given.window ?? null, chosen: given.chosen ?? 0 }));
  }

  /** Ask Python why a ball ended so. @param {number} index */
  async advise(index) {
    const { state } = this, ball = state.balls[index];
    const key = this.keys[index], mine = (this.advice[index] = { waiting: true });
    this.redraw();
    const reply = await /** @type {any} */ (this.host.ask)({
      ask: "advice", objective: this.objective.name, rule: ball.rule, word: ball.word, numbers: ball.numbers, start: state.start,
      steps: state.steps, tolerance: state.tolerance, language: state.language,
    });
    // Not of a ball that is another one by now, or in another language.
    if (this.closed || this.advice[index] !== mine || this.keys[index] !== key) return;
    this.advice[index] = reply.error ? { error: this.told(reply.error) } : reply.advice;
    this.redraw();
  }

  /** Take an advice. @param {number} index @param {any} given */
  apply(index, given) {
    this.edit((state) => {
      Object.assign(state.balls[index].numbers, given.numbers);
      if (given.word !== null && given.word !== undefined) state.balls[index].word = given.word;
      if (given.start) state.start = [...given.start];
      if (given.steps) state.steps = given.steps;
      state.at = -1;
    });
  }

  /** A sentence for those who listen. @param {string} text */
  announce(text) {
    if (this.status) this.status.textContent = text;
  }

  /** @param {number} index */
  sentenceOf(index) {
    return sentence(this.verdicts[index], this.paths[index], this.objective, this.state.balls[index], this.say);
  }

  /** The step looked at. */
  get at() {
    return this.state.at < 0 ? this.longest : Math.min(this.state.at, this.longest);
  }

  get longest() {
    return Math.max(...this.paths.map((path) => path.step), 1);
  }

  /** Ask for a frame. */
  redraw() {
    if (this.frame || this.closed) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      this.show(now);
    });
  }

  /** Roll what has changed. */
  roll() {
    const { state, objective } = this;
    this.paths.length = this.verdicts.length = this.keys.length = Math.min(this.paths.length, state.balls.length);
    state.balls.forEach((ball, index) => {
      const key = JSON.stringify([ball, state.start, state.steps, state.tolerance, objective.name]);
      if (key === this.keys[index]) return;
      this.keys[index] = key;
      this.advice[index] = undefined;
      this.paths[index] = this.engine.path(objective, ball, state.start, state.steps, state.tolerance);
      this.verdicts[index] = this.engine.verdict(objective, ball, this.paths[index], state.tolerance);
      this.changed = true;
    });
  }

  /** One frame. @param {number} now */
  show(now) {
    if (!this.root.isConnected && !this.root.getRootNode()) return;
    // Sizes are asked for before anything is written, or the browser would have to lay the page out twice.
    const of = (/** @type {any} */ one) => ({ width: one?.clientWidth ?? 0, height: one?.clientHeight ?? 0 });
    this.sizesNow = { picture: of(this.canvas), strips: of(this.stripes), map: of(this.map?.canvas) };
    this.roll();
    if (this.playing) this.advance(now);
    drawPicture(this);
    drawStripes(this);
    this.parts?.forEach((part) => part.refresh());
    transport(this);
    if (this.map) {
      this.map.update();
      this.work();
    }
    if (this.playing) this.redraw();
    this.tellSoon();
  }

  /**
   * The map's work, in pieces: while somebody drags a short one in every frame, and one after the other when all is still.
   */
  work() {
    if (this.closed || !this.map) return;
    const wait = 150 - (performance.now() - this.touched);
    if (wait <= 0) this.map.update();
    const more = this.map.slice(wait > 0 ? 0.7 : 8) || wait > 0;
    if (!more || performance.now() - this.drawn > (wait > 0 ? 400 : 150)) {
      this.drawn = performance.now();
      this.map.draw();
    }
    clearTimeout(this.timer);
    if (more) this.timer = setTimeout(() => this.work(), Math.max(wait, 0));
  }

  /** Play on. @param {number} now */
  advance(now) {
    this.clock ??= now;
    const steps = Math.floor(((now - this.clock) / 1000) * this.speed);
    if (steps < 1) return;
    this.clock += (steps / this.speed) * 1000;
    this.state.at = Math.min(this.at + steps, this.longest);
    if (this.state.at >= this.longest) [this.playing, this.state.at] = [false, -1];
  }

  play() {
    this.playing = !this.playing;
    this.clock = undefined;
    if (this.playing && this.at >= this.longest) this.state.at = 0;
    this.redraw();
  }

  /** @param {number} step */
  goTo(step) {
    this.playing = false;
    this.edit((state) => (state.at = Math.max(0, Math.min(step, this.longest))));
  }

  /** After a change, when it is over: the address, the host, and a sentence for those who listen. */
  tellSoon() {
    clearTimeout(this.later);
    if (this.playing) return;
    this.later = setTimeout(() => {
      if (this.closed) return;
      if (this.linked) history.replaceState(null, "", `#${(this.written = encoded(this.scene, this.state))}`);
      this.host.tell(this.state, this.result());
      if (!this.changed) return;
      this.changed = false;
      this.announce(this.state.balls.map((ball, k) => `${ball.rule}: ${this.sentenceOf(k)}`).join(". "));
    }, 300);
  }

  /** What became of every ball, as data. */
  result() {
    const balls = this.paths.map((path, k) => ({
      rule: this.state.balls[k].rule, verdict: this.verdicts[k].kind, sentence: this.sentenceOf(k), steps: path.step,
      position: [...path.positions.slice(-path.dimension)].map(String), value: String(path.values[path.step]),
    }));
    return { objective: this.objective.name, balls };
  }

  /** Make the panels anew. */
  build() {
    if (this.closed) return;
    const focused = this.root.querySelector(":focus")?.id, { say } = this;
    this.root.lang = this.state.language;
    this.root.dataset.theme = this.dark ? "dark" : "light";
    this.roll();
    this.picture = /** @type {import("./picture.js").Picture | undefined} */ (undefined);
    this.status = h("p", { class: "sr", role: "status" });
    this.canvas = h("canvas", { class: "picture", role: "img", "aria-label": say("The landscape with the paths of the balls") });
    this.over = h("canvas", { class: "over", "aria-hidden": "true" });
    this.handle = knob(this.over, {
      label: say("Start; arrow keys move it"),
      to: (x, y) => this.picture && this.edit((state) => (state.start = /** @type {import("./picture.js").Picture} */ (this.picture).place(x, y))),
      by: (across, up) => this.edit((state) => this.objective.box.forEach((/** @type {number[]} */ side, /** @type {number} */ k) => (state.start[k] += ([across, up][k] * (side[1] - side[0])) / 200))),
    });
    this.stripes = h("canvas", { class: "strips", role: "img", "aria-label": say("Strips: what happened step by step") });
    this.stripes.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.scrub(event));
    this.stripes.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => event.buttons && event.pointerType !== "touch" && this.scrub(event));
    this.numbers = h("div", { class: "numbers" });
    this.map = new MapView(this);
    const parts = [ground(this), balls(this), tour(this), saver(this)], [first, cards, guide, save] = parts.map((part) => part.element);
    this.parts = parts;
    const panels = /** @type {Record<string, any>} */ ({
      picture: h("section", { class: "panel stage", "data-panel": "picture" }, h("div", { class: "frame" }, this.canvas, this.over, this.handle), transportBar(this)),
      strips: h("section", { class: "panel", "data-panel": "strips" }, h("h2", null, say("Step by step")), stripChoice(this), this.stripes),
      numbers: h("section", { class: "panel", "data-panel": "numbers" }, h("h2", null, say("One step in numbers")), this.numbers),
      map: mapPanel(this), objective: first, balls: cards, tour: guide, save,
    });
    const asked = this.host.show.split(",").filter((name) => PANELS.includes(name)), wanted = asked.length ? asked : PANELS;
    const column = (/** @type {string[]} */ names) => names.filter((name) => wanted.includes(name)).map((name) => panels[name]);
    const [wide, side] = [column(["picture", "strips", "numbers", "map"]), column(["tour", "objective", "balls", "save"])];
    if (!wanted.includes("map")) this.map = /** @type {any} */ (null);
    // A page of its own has one main part; in a notebook that is the notebook's.
    this.root.replaceChildren(header(this), h(this.linked ? "main" : "div", { class: `columns${wide.length && side.length ? "" : " one"}` },
      wide.length ? h("div", { class: "column" }, ...wide) : null, side.length ? h("div", { class: "column side" }, ...side) : null), this.status);
    if (focused) /** @type {HTMLElement | null} */ (this.root.querySelector(`[id="${focused}"]`))?.focus();
    this.redraw();
  }

  /** @param {PointerEvent} event */
  scrub(event) {
    this.goTo(stepAt(event.offsetX, this.stripes.clientWidth, this.longest));
  }

  /** The chosen ball's rule on this objective. */
  model() {
    const ball = this.ball();
    return this.engine.model(this.objective, this.engine.variant(ball.rule, ball.word));
  }
}
