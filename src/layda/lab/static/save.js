// What is on the page, to take away: pictures, the path as a table, the link, and the same run as Python and as a command.

import { h } from "./dom.js";
import { SvgPen } from "./pen.js";
import { drawWhole, wholeSize } from "./stage.js";

/** @param {any} app @returns {import("./controls.js").Part} */
export function saver(app) {
  const { say } = app;
  const code = h("pre", { tabindex: 0, "aria-label": say("the same run in Python") }), command = h("pre", { tabindex: 0, "aria-label": say("the same run as a command") });
  const copy = (/** @type {() => string} */ text, /** @type {string} */ name) => h("button", { onclick: () => copied(app, text()) }, name);
  const details = h("details", { ontoggle: () => refresh() }, h("summary", null, say("The same run in Python, and as a command")), code, copy(() => code.textContent, say("Copy the Python")), command, copy(() => command.textContent, say("Copy the command")));
  const refresh = () => {
    if (!details.open) return;
    code.textContent = pythonOf(app);
    command.textContent = commandOf(app);
  };
  const element = h("section", { class: "panel", "data-panel": "save" }, h("h2", null, say("Save")), h("div", { class: "row" },
    h("button", { onclick: () => picture(app, "png") }, "PNG"), h("button", { onclick: () => picture(app, "svg") }, "SVG"),
    h("button", { onclick: () => handed(`${name(app)}.csv`, "text/csv", csvOf(app)) }, "CSV"),
    app.linked ? copy(() => app.link(), say("Copy the link")) : null), details);
  return { element, refresh };
}

/** @param {any} app */
const name = (app) => `layda-${app.objective.name.replace(/[^\w-]+/g, "_").slice(0, 40)}`;

/** @param {any} app @param {string} text */
async function copied(app, text) {
  try {
    await navigator.clipboard.writeText(text);
    app.announce(app.say("Copied."));
  } catch {
    const field = h("textarea", { class: "sr", "aria-hidden": "true", value: text }); // no permission: the old way
    app.root.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    app.announce(done ? app.say("Copied.") : app.say("The browser did not allow copying."));
  }
}

/** Hand a file to the browser. @param {string} file @param {string} type @param {BlobPart} content */
function handed(file, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: address, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** The picture and its strips. @param {any} app @param {string} kind */
function picture(app, kind) {
  const { width, height } = wholeSize(app);
  if (kind === "svg") {
    const pen = new SvgPen(width, height);
    drawWhole(app, pen);
    return handed(`${name(app)}.svg`, "image/svg+xml", pen.text());
  }
  const canvas = h("canvas", { width: 2 * width, height: 2 * height }), pen = canvas.getContext("2d");
  pen.scale(2, 2);
  drawWhole(app, pen);
  return canvas.toBlob((/** @type {Blob} */ blob) => handed(`${name(app)}.png`, "image/png", blob));
}

/** Every ball's path as a table. @param {any} app */
export function csvOf(app) {
  const { coordinates } = app.objective, rows = [["ball", "rule", "step", ...coordinates, "value", ...coordinates.map((/** @type {string} */ x) => `gradient_${x}`), "learning_rate"].join(",")];
  app.paths.forEach((/** @type {import("./run.js").Path} */ path, /** @type {number} */ index) => {
    for (let k = 0; k <= path.step; k++) {
      const at = (/** @type {Float64Array} */ numbers) => [...numbers.subarray(k * path.dimension, (k + 1) * path.dimension)];
      rows.push([index + 1, app.state.balls[index].rule, k, ...at(path.positions), path.values[k], ...at(path.slopes), path.rates[k]].join(","));
    }
  });
  return `${rows.join("\n")}\n`;
}

/** A number as Python writes it. @param {number} value */
const python = (value) => (value === Infinity ? "float('inf')" : String(value));

/** A ball's rule as Python and the command line read it. @param {any} app @param {import("./state.js").Ball} ball */
function ruleText(app, ball) {
  const rule = app.ruleOf(ball), { numbers } = ball, parts = [];
  const [rate, decay] = [numbers["learning_rate.initial"], numbers["learning_rate.decay"]];
  parts.push(`learning_rate=${decay === 1 ? python(rate) : `ExponentialDecay(${python(rate)}, ${python(decay)})`}`);
  const several = Object.keys(numbers).filter((path) => path.startsWith("momenta."));
  for (const { path } of rule.settings)
    if (!path.startsWith("learning_rate") && !path.startsWith("momenta.")) parts.push(`${path}=${python(numbers[path])}`);
  if (several.length) parts.push(`momenta=(${several.map((path) => python(numbers[path])).join(", ")})`);
  return { rule, parts };
}

/** The tolerance, where it is not the usual one. @param {any} app @param {string} name */
const ofTolerance = (app, name) => (app.state.tolerance === app.scene.constants.tolerance ? "" : `${name}${app.state.tolerance}`);

/** @param {any} app */
export function pythonOf(app) {
  const { state, objective } = app, made = state.balls.map((/** @type {any} */ ball) => ({ ...ruleText(app, ball), ball }));
  const names = [...new Set(made.map((/** @type {any} */ one) => one.rule.python))].sort();
  const lines = made.map((/** @type {any} */ { rule, parts, ball }) => `    ${rule.python}(${[...parts, ...(rule.choice ? [`${rule.choice}="${ball.word}"`] : [])].join(", ")}),`);
  const start = `(${state.start.map(python).join(", ")},)`, decays = made.some((/** @type {any} */ one) => one.parts[0].includes("Decay"));
  return [
    "import layda", `from layda.rules import ${names.join(", ")}`, ...(decays ? ["from layda.schedules import ExponentialDecay"] : []), "",
    `race = layda.race(${objective.spec === null ? "your_function" : JSON.stringify(objective.spec)}, [`, ...lines, `], start=${start}, steps=${state.steps}${ofTolerance(app, ", tolerance=")})`, 'layda.plot(race, "race.png")',
  ].join("\n");
}

/** @param {any} app */
export function commandOf(app) {
  const { state, objective } = app, quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`;
  const rules = state.balls.map((/** @type {any} */ ball) => {
    const { rule, parts } = ruleText(app, ball);
    return `--rule ${quoted(`${rule.python}(${[...parts, ...(rule.choice ? [`${rule.choice}=${ball.word}`] : [])].join(", ")})`)}`;
  });
  return [`layda race ${quoted(objective.spec ?? "your_file.py:your_function")}`, `--start=${state.start.map(String).join(",")}`, `--steps ${state.steps}${ofTolerance(app, " --tolerance ")}`, ...rules].join(" \\\n  ");
}
