// STUB until lanes arrive
export class MapJob {
  constructor(engine, objective, way, options) {
    Object.assign(this, { engine, objective, way, ...options });
    const count = this.columns * this.rows;
    this.kinds = new Uint8Array(count).fill(255); this.steps_ = 0; this.values = new Float64Array(count);
    this.budget = options.steps; this.steps = new Uint32Array(count); this.k = 0;
    this.order = [];
    for (const [s, p] of [[8, 0], [4, 8], [2, 4], [1, 2]]) for (let r = 0; r < this.rows; r += s) for (let c = 0; c < this.columns; c += s) if (!p || r % p || c % p) this.order.push(r * this.columns + c);
    this.code = Object.fromEntries(engine.scene.verdicts.map((v, i) => [v, i]));
  }
  axis(a, u) { return a.log ? Math.exp(Math.log(a.low) + u * (Math.log(a.high) - Math.log(a.low))) : a.low + u * (a.high - a.low); }
  work(ms) {
    const end = performance.now() + ms;
    while (this.k < this.order.length && performance.now() < end) {
      const at = this.order[this.k++], c = at % this.columns, r = Math.floor(at / this.columns);
      const start = [...this.start], numbers = { ...this.way.numbers };
      for (const [a, u] of [[this.x, (c + 0.5) / this.columns], [this.y, (r + 0.5) / this.rows]]) { const v = this.axis(a, u); if (a.kind === "start") start[a.index] = v; else numbers[a.path] = v; }
      const w = { ...this.way, numbers }, p = this.engine.path(this.objective, w, start, this.budget), v = this.engine.verdict(this.objective, w, p);
      this.kinds[at] = this.code[v.kind]; this.steps[at] = p.step;
    }
    return this.k >= this.order.length;
  }
  share() { return this.k / this.order.length; }
  shown(c, r) { for (const s of [1, 2, 4, 8]) { const at = (r - (r % s)) * this.columns + (c - (c % s)); if (this.kinds[at] !== 255) return at; } return -1; }
}
