// How balls are told apart: by colour, dash and marker together. After Okabe and Ito 2008; each has a contrast of 3:1 or
// more against the picture's ground, the light and the dark one.

const LIGHT = ["#0072b2", "#b84a00", "#00745a", "#a8487f", "#856000", "#5b50c8", "#111111", "#7a3b00"];
const DARK = ["#5ab8ee", "#ff9148", "#2fcf9f", "#eaa3cd", "#f2bd4a", "#b9aeff", "#ffffff", "#d9a679"];
const DASHES = [[], [9, 4], [2, 3], [9, 3, 2, 3], [5, 3, 1.5, 3], [14, 4], [1, 4], [6, 6]];

/** @typedef {{colour: string, dash: number[], marker: number}} Look */

/** The look of the ball of that place. @param {number} index @param {boolean} dark @returns {Look} */
export function lookOf(index, dark) {
  return { colour: (dark ? DARK : LIGHT)[index % 8], dash: DASHES[index % 8], marker: index % 6 };
}

/** The colours of a picture's parts. @param {boolean} dark */
export function inksOf(dark) {
  return dark
    ? { paper: "#12171d", ink: "#e8ecf1", soft: "#9aa7b6", grid: "#2b3440", low: [18, 23, 29], high: [62, 76, 94], memory: "#c9b8ff", force: "#ffb066" }
    : { paper: "#ffffff", ink: "#16202b", soft: "#566372", grid: "#d9e0e7", low: [255, 255, 255], high: [184, 199, 216], memory: "#5b3fc4", force: "#a04600" };
}

/**
 * One marker.
 * @param {any} pen a canvas context or an SvgPen @param {number} x @param {number} y @param {number} r @param {number} kind
 */
export function marker(pen, x, y, r, kind) {
  pen.beginPath();
  if (kind === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
  else if (kind === 1) pen.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
  else {
    const shapes = [[], [], [0, -1.2, 1.1, 0.8, -1.1, 0.8], [0, -1.3, 1.3, 0, 0, 1.3, -1.3, 0], [0, 1.2, 1.1, -0.8, -1.1, -0.8],
      [-1, -1.2, 0, -0.4, 1, -1.2, 1.2, -1, 0.4, 0, 1.2, 1, 1, 1.2, 0, 0.4, -1, 1.2, -1.2, 1, -0.4, 0, -1.2, -1]];
    const shape = shapes[kind];
    for (let k = 0; k < shape.length; k += 2) pen[k ? "lineTo" : "moveTo"](x + r * shape[k], y + r * shape[k + 1]);
    pen.closePath();
  }
}

/**
 * An arrow from one place to another.
 * @param {any} pen @param {number} x @param {number} y @param {number} toX @param {number} toY @param {string} colour
 */
export function arrow(pen, x, y, toX, toY, colour) {
  const length = Math.hypot(toX - x, toY - y);
  if (!(length > 1.5 && length < 1e5)) return;
  const ux = (toX - x) / length, uy = (toY - y) / length, head = Math.min(9, 0.5 * length);
  pen.strokeStyle = pen.fillStyle = colour;
  pen.lineWidth = 2.5;
  pen.setLineDash([]);
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(toX - 0.7 * head * ux, toY - 0.7 * head * uy);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(toX, toY);
  pen.lineTo(toX - head * (ux + 0.45 * uy), toY - head * (uy - 0.45 * ux));
  pen.lineTo(toX - head * (ux - 0.45 * uy), toY - head * (uy + 0.45 * ux));
  pen.closePath();
  pen.fill();
}
