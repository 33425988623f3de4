"""Print the named functions as JavaScript for the lab page: python tools/page_functions.py.

The page takes sin, exp, … as single operations of its tapes. Their JavaScript is printed from ``layda.functions``, line
by line in exactly rounded operations, so that a browser gives the bits of Python.
"""

from __future__ import annotations

from pathlib import Path

from layda.backends.tape import OPERATIONS
from layda.functions import NAMED
from layda.program.arithmetic import lowered_form
from layda.program.operations import operation

TARGET = Path(__file__).parents[1] / "src" / "layda" / "lab" / "static" / "functions.js"

_HEAD = """\
// Printed by tools/page_functions.py from layda.functions; do not edit.
// Every line is one exactly rounded operation, so the results have the bits of Python's.

import {{ bit, exponent, scale }} from "./numbers.js";

/** Number -> name of a tape's operations. */
export const OPERATIONS = {operations};

/** Number -> how many arguments the operation takes (1 for "input" and "const": a place). */
export const ARITY = {arity};
"""
_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "eq": "===", "and": "&&", "or": "||"}
_CALLS = {"sqrt": "Math.sqrt", "floor": "Math.floor", "abs": "Math.abs", "scale": "scale", "exponent": "exponent"}


def text() -> str:
    """The whole file."""
    quoted = "[" + ", ".join(f'"{name}"' for name in OPERATIONS) + "]"
    arity = "[" + ", ".join(["1", "1", *(str(operation(name).arity) for name in OPERATIONS[2:])]) + "]"
    return "\n".join([_HEAD.format(operations=quoted, arity=arity), *map(_function, NAMED)])


def _function(name: str) -> str:
    """One named function."""
    program = lowered_form(name)
    inputs = [f"a{index}" for index in range(len(program.inputs))]
    lines, texts = [], []
    for index, node in enumerate(program.nodes):
        if node.op == "input":
            texts.append(inputs[program.inputs.index(str(node.value))])
        elif node.op == "const":
            texts.append(_literal(float(node.value)))  # type: ignore[arg-type]
        else:
            lines.append(f"  const v{index} = {_expression(node.op, [texts[arg] for arg in node.args])};")
            texts.append(f"v{index}")
    documented = "".join(f"@param {{number}} {name} " for name in inputs)
    head = f"/** {operation(name).documentation} {documented}@returns {{number}} */"
    result = f"  return {texts[dict(program.outputs)['value']]};"
    return "\n".join([head, f"export function {name}({', '.join(inputs)}) {{", *lines, result, "}", ""])


def _expression(op: str, args: list[str]) -> str:
    if op == "select":
        return f"{args[0]} ? {args[1]} : {args[2]}"
    if op in _INFIX:
        return f"{args[0]} {_INFIX[op]} {args[1]}"
    if op == "neg":
        return f"-{args[0]}"
    if op == "not":
        return f"!{args[0]}"
    if op == "bit":
        return f"bit({args[0]}, {args[1]})"
    return f"{_CALLS[op]}({', '.join(args)})"


def _literal(value: float) -> str:
    if value - value != 0.0:
        return "NaN" if value != value else "Infinity" if value > 0 else "(-Infinity)"
    shown = repr(value)
    return f"({shown})" if shown.startswith("-") else shown


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
