// A pen that writes SVG, with the strokes of a canvas that the pictures use: what is drawn once can be saved as both.

/** The subset of CanvasRenderingContext2D that the pictures draw with. */
export class SvgPen {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    /** @type {string[]} */ this.parts = [];
    /** @type {string[]} */ this.path = [];
    /** @type {any[]} */ this.stack = [];
    this.clips = 0;
    this.open = 0;
    this.fillStyle = "#000";
    this.strokeStyle = "#000";
    this.lineWidth = 1;
    this.globalAlpha = 1;
    this.font = "12px sans-serif";
    this.textAlign = "left";
    this.textBaseline = "alphabetic";
    this.lineCap = "butt";
    this.lineJoin = "round";
    /** @type {number[]} */ this.dash = [];
  }

  beginPath() {
    this.path = [];
  }

  /** @param {number} x @param {number} y */
  moveTo(x, y) {
    this.path.push(`M${short(x)} ${short(y)}`);
  }

  /** @param {number} x @param {number} y */
  lineTo(x, y) {
    this.path.push(`L${short(x)} ${short(y)}`);
  }

  closePath() {
    this.path.push("Z");
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height */
  rect(x, y, width, height) {
    this.path.push(`M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}Z`);
  }

  /** A whole circle. @param {number} x @param {number} y @param {number} r */
  arc(x, y, r) {
    this.path.push(`M${short(x - r)} ${short(y)}a${short(r)} ${short(r)} 0 1 0 ${short(2 * r)} 0a${short(r)} ${short(r)} 0 1 0 ${short(-2 * r)} 0`);
  }

  /** @param {number[]} dash */
  setLineDash(dash) {
    this.dash = dash;
  }

  fill() {
    this.parts.push(`<path d="${this.path.join("")}" fill="${this.fillStyle}"${this.see()}/>`);
  }

  stroke() {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
    const line = `stroke-width="${short(this.lineWidth)}" stroke-linecap="${this.lineCap}" stroke-linejoin="${this.lineJoin}"`;
    this.parts.push(`<path d="${this.path.join("")}" fill="none" stroke="${this.strokeStyle}" ${line}${dash}${this.see()}/>`);
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height */
  fillRect(x, y, width, height) {
    this.beginPath();
    this.rect(x, y, width, height);
    this.fill();
  }

  /** @param {string} text @param {number} x @param {number} y */
  fillText(text, x, y) {
    const size = Number(/(\d+(?:\.\d+)?)px/.exec(this.font)?.[1] ?? 12), bold = /\b(bold|600)\b/.test(this.font);
    const drop = { top: 0.8, middle: 0.35, bottom: -0.2 }[this.textBaseline] ?? 0;
    const anchor = { center: "middle", right: "end", end: "end" }[this.textAlign] ?? "start";
    const look = `font-family="system-ui, sans-serif" font-size="${size}"${bold ? ' font-weight="600"' : ""}`;
    this.parts.push(
      `<text x="${short(x)}" y="${short(y + drop * size)}" ${look} text-anchor="${anchor}" fill="${this.fillStyle}"${this.see()}>${escaped(text)}</text>`,
    );
  }

  /** About as wide as it will be: no font is at hand. @param {string} text */
  measureText(text) {
    return { width: 0.58 * Number(/(\d+(?:\.\d+)?)px/.exec(this.font)?.[1] ?? 12) * text.length };
  }

  /** @param {HTMLCanvasElement} picture @param {number} x @param {number} y @param {number} width @param {number} height */
  drawImage(picture, x, y, width, height) {
    const box = `x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}"`;
    this.parts.push(`<image ${box} preserveAspectRatio="none" href="${picture.toDataURL("image/png")}"/>`);
  }

  save() {
    const { fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline, dash, open, lineCap } = this;
    this.stack.push({ fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline, dash, open, lineCap });
  }

  restore() {
    const before = this.open;
    Object.assign(this, this.stack.pop());
    for (let k = this.open; k < before; k++) this.parts.push("</g>");
  }

  clip() {
    const name = `clip${++this.clips}`;
    this.parts.push(`<clipPath id="${name}"><path d="${this.path.join("")}"/></clipPath><g clip-path="url(#${name})">`);
    this.open++;
  }

  see() {
    return this.globalAlpha === 1 ? "" : ` opacity="${short(this.globalAlpha)}"`;
  }

  /** The whole picture. */
  text() {
    const size = `width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${this.parts.join("")}</svg>\n`;
  }
}

/** Hundredths of a pixel are enough. @param {number} value */
const short = (value) => String(Math.round(value * 100) / 100);

/** @param {string} text */
const escaped = (text) => text.replace(/[&<>"]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one] ?? one);
