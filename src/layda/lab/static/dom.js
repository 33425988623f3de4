// Elements, and how numbers and words stand on the page.

/**
 * An element: h("button", { class: "plain", onclick: f }, "text", other).
 * @param {string} tag
 * @param {Record<string, any> | null} properties attributes; functions become listeners, `undefined` and `false` are left out
 * @param {...any} children nodes and texts; `null` is left out
 * @returns {any}
 */
export function h(tag, properties, ...children) {
  const made = /** @type {any} */ (document.createElement(tag));
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === false || value === null) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * A number to so many figures, as layda's texts write it: 0.05, 1e-7, 1.235e5.
 * @param {number} value
 */
export function shown(value, figures = 4) {
  if (!Number.isFinite(value)) return value !== value ? "nan" : value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [digits, power] = value.toExponential(figures - 1).split("e"), exponent = Number(power);
  const trimmed = (/** @type {string} */ text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (exponent < -4 || exponent >= figures) return `${trimmed(digits)}e${exponent}`;
  return trimmed(value.toFixed(Math.max(figures - 1 - exponent, 0)));
}

/** A number between parentheses where it is below 0, with a true minus. @param {number} value */
export const bracketed = (value, figures = 4) =>
  value < 0 ? `(${signed(value, figures)})` : signed(value, figures);

/** A number with a true minus. @param {number} value */
export const signed = (value, figures = 4) => shown(value, figures).replaceAll("-", "−");

/** @param {number} value @param {number} low @param {number} high */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * Round numbers between low and high, about `count` of them.
 * @param {number} low @param {number} high @param {number} count
 */
export function ticks(low, high, count) {
  const raw = (high - low) / Math.max(count, 1);
  if (!(raw > 0 && raw < Infinity)) return [];
  const power = 10 ** Math.floor(Math.log10(raw)), step = power * ([1, 2, 5].find((k) => k * power >= raw) ?? 10);
  /** @type {number[]} */ const found = [];
  for (let k = Math.ceil(low / step); k * step <= high && found.length < 100; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}
