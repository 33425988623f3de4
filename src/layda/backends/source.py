"""Program -> Python source: one straight line of assignments, the same text for plain Python and for Numba."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from layda.program import Program
from layda.program.loop import LOST, SETTLED, SPENT, Loop

__all__ = ["loop_source", "program_lines", "program_source"]

# Parentheses nest at most this deep: CPython's and LLVM's parsers have limits, and people read this text too.
_DEEPEST = 12

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "eq": "==", "and": "and", "or": "or"}
_CALLS = {
    "sqrt": "_sqrt", "floor": "_floor", "scale": "_scale", "exponent": "_exponent", "bit": "_bit", "abs": "abs",
    "fma": "_fma",
}  # fmt: skip


def program_lines(
    program: Program, names: Mapping[str, str], prefix: str, safe: bool
) -> tuple[list[str], dict[str, str]]:
    """The assignments of a lowered program, and the expression of every output.

    Args:
        program: in elementary operations; named ones are written as calls of ``_name``.
        names: input name -> Python identifier.
        prefix: what the names of intermediate values begin with.
        safe: division through ``_div``, which gives IEEE results where Python raises.
    """
    uses = [0] * len(program.nodes)
    for node in program.nodes:
        for arg in node.args:
            uses[arg] += 1
    for _, index in program.outputs:
        uses[index] += 1
    lines: list[str] = []
    texts: list[str] = []
    depths: list[int] = []
    for index, node in enumerate(program.nodes):
        depth = 1 + max((depths[arg] for arg in node.args), default=0)
        if node.op == "input":
            text, depth = names[str(node.value)], 0
        elif node.op == "const":
            text, depth = _literal(node.value), 0  # type: ignore[arg-type]
        else:
            text = _expression(node.op, [texts[arg] for arg in node.args], safe)
            if uses[index] > 1 or depth >= _DEEPEST:
                lines.append(f"{prefix}{index} = {_bare(text)}")
                text, depth = f"{prefix}{index}", 0
        texts.append(text)
        depths.append(depth)
    return lines, {name: _bare(texts[index]) for name, index in program.outputs}


def program_source(program: Program) -> str:
    """A program as one Python function ``run``, from its inputs in order to the tuple of its outputs."""
    names = {name: f"a{index}" for index, name in enumerate(program.inputs)}
    lines, found = program_lines(program, names, "v", safe=True)
    text = [*lines, f"return ({_tuple(list(found.values()))})"]
    return "\n".join([f"def run({', '.join(names.values())}):", *("    " + line for line in text), ""])


def _expression(op: str, args: list[str], safe: bool) -> str:
    if op == "select":
        return f"({args[1]} if {args[0]} else {args[2]})"
    if op == "div" and safe:
        return f"_div({args[0]}, {args[1]})"
    if op in _INFIX:
        return f"({args[0]} {_INFIX[op]} {args[1]})"
    if op == "neg":
        return f"(-{args[0]})"
    if op == "not":
        return f"(not {args[0]})"
    return f"{_CALLS.get(op, f'_{op}')}({', '.join(args)})"


def _literal(value: float) -> str:
    if value != value:
        return "_nan"
    if value in (float("inf"), float("-inf")):
        return "_inf" if value > 0 else "(-_inf)"
    return repr(value) if repr(value)[0] != "-" else f"({value!r})"


def _bare(text: str) -> str:
    """The expression without its outermost parentheses, where they are a pair."""
    if not text.startswith("("):
        return text
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[1:-1] if place == len(text) - 1 else text
    return text


def _identifiers(loop: Loop) -> dict[str, str]:
    names = {"t": "t", "tolerance": "tolerance"}
    taken = {"t", "tolerance", "k", "due", "code", "out", "state", "numbers"}
    for name in (*loop.state, *loop.numbers, *loop.observed):
        clean = re.sub(r"\W", "_", name)
        clean = clean if not clean[0].isdigit() else f"n{clean}"
        while clean in taken:
            clean += "_"
        taken.add(clean)
        names[name] = clean
    return names


@lru_cache(maxsize=256)
def loop_source(loop: Loop, *, arrays: bool, keep: bool, safe: bool = False) -> str:
    """The whole loop as one Python function ``run``.

    ``run(state, numbers, first, last, every, due, tolerance, out) -> (code, k)`` for ``arrays`` (state is a float64
    array that is updated in place, observed values behind the state in it; ``out`` one row per step), or
    ``-> (code, k, state, observed)`` for lists (``out``: one list's ``append`` per recorded name).
    """
    names = _identifiers(loop)
    state = [names[name] for name in loop.state]
    numbers = [names[name] for name in loop.numbers]
    observed = [names[name] for name in loop.observed]
    body: list[str] = []
    lines, found = program_lines(loop.observe.lowered, names, "o", safe)
    body += lines
    body += [f"{names[name]} = {found[name]}" for name in loop.observed if names[name] != found[name]]
    if keep and arrays:
        body += [f"out[k - first, {index}] = {names[name]}" for index, name in enumerate(loop.record)]
    elif keep:
        body += [f"_keep{index}({names[name]})" for index, name in enumerate(loop.record)]
    body += [f"if not ({found['alive']}):", f"    code = {LOST}", "    break"]
    lines, found = program_lines(loop.check.lowered, names, "c", safe)
    body += ["if k == due:", "    due += every", *("    " + line for line in lines)]
    body += [f"    if {found['settled']}:", f"        code = {SETTLED}", "        break"]
    body += ["if k == last:", "    break"]
    lines, found = program_lines(loop.advance.lowered, names, "a", safe)
    moved = [(names[name], found[name]) for name in loop.state if found[name] != names[name]]
    body += lines
    if moved:
        body.append(f"{', '.join(name for name, _ in moved)} = {', '.join(text for _, text in moved)}")
    body.append("k += 1")
    used = {
        node.value for part in (loop.observe, loop.check, loop.advance) for node in part.nodes if node.op == "input"
    }
    if "t" in used:
        body.insert(0, "t = float(k)")
    head = ["def run(state, numbers, first, last, every, due, tolerance, out):"]
    unpack = _unpack_array if arrays else _unpack_list
    head += unpack(state, "state") + unpack(numbers, "numbers")
    if keep and not arrays:
        head += _unpack_list([f"_keep{index}" for index in range(len(loop.record))], "out")
    head += [f"{name} = 0.0" for name in observed] if arrays else []
    head += ["k = first", f"code = {SPENT}", "while True:"]
    if arrays:
        tail = [f"state[{index}] = {name}" for index, name in enumerate(state + observed)] + ["return code, k"]
    else:
        tail = [f"return code, k, ({_tuple(state)}), ({_tuple(observed)})"]
    indented = [head[0], *("    " + line for line in head[1:]), *("        " + line for line in body)]
    return "\n".join([*indented, *("    " + line for line in tail), ""])


def _tuple(names: list[str]) -> str:
    return ", ".join(names) + ("," if names else "")


def _unpack_array(names: list[str], source: str) -> list[str]:
    return [f"{name} = {source}[{index}]" for index, name in enumerate(names)]


def _unpack_list(names: list[str], source: str) -> list[str]:
    return [f"{_tuple(names)} = {source}"] if names else []
