// Tapes joined into one straight line of instructions over a file of registers, and the machine that runs it.

import { ARITY, OPERATIONS } from "./functions.js";
import * as named from "./functions.js";
import { bit, exponent, number, scale } from "./numbers.js";

/** @typedef {{inputs: string[], constants: (number|string)[], code: number[], outputs: Record<string, number>}} Tape */

export const CODE = Object.freeze(Object.fromEntries(OPERATIONS.map((name, index) => [name, index])));
/** Words of one instruction: operation, target, three arguments. */
export const WIDTH = 5;

/**
 * A straight line under construction. A register holds an input, a constant or a result; equal lines are written once.
 */
export class Builder {
  constructor() {
    /** @type {number[]} */ this.code = [];
    /** @type {number[]} */ this.initial = [];
    /** @type {Map<string, number>} */ this.known = new Map();
    /** @type {Record<string, number>} */ this.inputs = {};
  }

  /** The register of a named input. @param {string} name */
  input(name) {
    if (!(name in this.inputs)) this.inputs[name] = this.register(0);
    return this.inputs[name];
  }

  /** The register of a constant. @param {number} value */
  constant(value) {
    const key = Object.is(value, -0) ? "-0" : String(value);
    if (!this.known.has(key)) this.known.set(key, this.register(value));
    return /** @type {number} */ (this.known.get(key));
  }

  /** A new register. @param {number} value */
  register(value) {
    this.initial.push(value);
    return this.initial.length - 1;
  }

  /** The register of one operation's result. @param {number} op @param {number[]} args */
  line(op, args) {
    const key = `${op}:${args.join(",")}`;
    const found = this.known.get(key);
    if (found !== undefined) return found;
    const target = this.register(0);
    this.code.push(op, target, args[0], args[1] ?? 0, args[2] ?? 0);
    this.known.set(key, target);
    return target;
  }

  /**
   * Write a tape down.
   * @param {Tape} tape
   * @param {Record<string, number>} bound registers of inputs that have one; the others become inputs of the whole
   * @returns {Record<string, number>} output name -> register
   */
  add(tape, bound = {}) {
    const { code, inputs, constants } = tape;
    /** @type {number[]} */ const lines = [];
    for (let at = 0; at < code.length; ) {
      const op = code[at++];
      if (op === CODE.input) {
        const name = inputs[code[at++]];
        lines.push(name in bound ? bound[name] : this.input(name));
      } else if (op === CODE.const) {
        lines.push(this.constant(number(constants[code[at++]])));
      } else {
        const args = [];
        for (let count = ARITY[op]; count > 0; count--) args.push(lines[code[at++]]);
        lines.push(this.line(op, args));
      }
    }
    return Object.fromEntries(Object.entries(tape.outputs).map(([name, line]) => [name, lines[line]]));
  }

  /** Instructions so far, in words. */
  get length() {
    return this.code.length;
  }

  /** The finished line. @returns {Program} */
  finish() {
    return new Program(Int32Array.from(this.code), Float64Array.from(this.initial), this.inputs);
  }
}

/** A finished straight line with its registers. */
export class Program {
  /** @param {Int32Array} code @param {Float64Array} initial @param {Record<string, number>} inputs */
  constructor(code, initial, inputs) {
    this.code = code;
    this.registers = initial.slice();
    this.inputs = inputs;
  }

  /** Run all of it, or the words from … to. */
  run(from = 0, to = this.code.length) {
    execute(this.code, this.registers, from, to);
  }
}

/**
 * A tape as a function of an object of numbers.
 * @param {Tape} tape
 * @returns {(values: Record<string, number>) => Record<string, number>}
 */
export function callable(tape) {
  const builder = new Builder();
  const outputs = builder.add(tape);
  const program = builder.finish(), { registers } = program;
  const given = Object.entries(program.inputs), wanted = Object.entries(outputs);
  return (values) => {
    for (const [name, register] of given) registers[register] = values[name];
    program.run();
    /** @type {Record<string, number>} */ const found = {};
    for (const [name, register] of wanted) found[name] = registers[register];
    return found;
  };
}

/**
 * The machine: one instruction after another, conditions as 1 and 0.
 * @param {Int32Array} code
 * @param {Float64Array} r the registers
 * @param {number} from
 * @param {number} to
 */
export function execute(code, r, from, to) {
  for (let at = from; at < to; at += 5) {
    const a = r[code[at + 2]];
    const b = r[code[at + 3]];
    let value = 0;
    switch (code[at]) {
      case 2: value = a + b; break;
      case 3: value = a - b; break;
      case 4: value = a * b; break;
      case 5: value = a / b; break;
      case 6: value = -a; break;
      case 7: value = Math.abs(a); break;
      case 8: value = Math.sqrt(a); break;
      case 9: value = Math.floor(a); break;
      case 10: value = a < b ? 1 : 0; break;
      case 11: value = a <= b ? 1 : 0; break;
      case 12: value = a === b ? 1 : 0; break;
      case 13: value = bit(a, b) ? 1 : 0; break;
      case 14: value = a !== 0 && b !== 0 ? 1 : 0; break;
      case 15: value = a !== 0 || b !== 0 ? 1 : 0; break;
      case 16: value = a !== 0 ? 0 : 1; break;
      case 17: value = a !== 0 ? b : r[code[at + 4]]; break;
      case 18: value = scale(a, b); break;
      case 19: value = exponent(a); break;
      case 20: value = named.sin(a); break;
      case 21: value = named.cos(a); break;
      case 22: value = named.tan(a); break;
      case 23: value = named.arctan(a); break;
      case 24: value = named.exp(a); break;
      case 25: value = named.log(a); break;
      case 26: value = named.sinh(a); break;
      case 27: value = named.cosh(a); break;
      case 28: value = named.tanh(a); break;
      case 29: value = named.power(a, b); break;
    }
    r[code[at + 1]] = value;
  }
}
