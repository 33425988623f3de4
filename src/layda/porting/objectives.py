"""The objective as a function of the library: f(position), and where the library cannot differentiate, its gradient."""

from __future__ import annotations

import json
import keyword
from collections.abc import Sequence
from typing import Any

from layda.objective import Objective, TracedObjective
from layda.objectives.data import DataObjective
from layda.objectives.data.models import LinearModel, TanhNetwork
from layda.porting.dialects import KNOWN
from layda.porting.expressions import Printer
from layda.porting.library import Library, call, indented
from layda.program import Program

__all__ = ["comment", "function_of", "placeholder"]

_MOST_NAMES = 10
_LONGEST = 110
_RESERVED = frozenset({
    "f", "gradient", "jax", "jnp", "keras", "layda", "math", "optax", "position", "print", "range", "rows", "table",
    "targets", "torch",
})  # fmt: skip


def comment(text: str) -> str:
    """Text of others on one line, so that it stays within a comment or a docstring."""
    line = " ".join(text.split()).replace("\\", "/").replace('"""', "'''")
    return "".join(sign if sign.isprintable() else "?" for sign in line)


def placeholder(library: Library, what: str) -> list[str]:
    """A function that is to be filled in."""
    needed = ["f"] if library.differentiates else ["f", "gradient_of"]
    lines: list[str] = []
    for name in needed:
        lines += [f"def {name}(position):", f"    # FILL IN: {what}", "    raise NotImplementedError", "", ""]
    return lines[:-2]


def function_of(objective: Objective, library: Library) -> list[str]:
    """The lines that define f (and ``gradient_of`` for a library that takes no gradients itself)."""
    if isinstance(objective, DataObjective):
        if objective.options and isinstance(objective.model, LinearModel | TanhNetwork):
            return _on_a_table(objective, library)
        return placeholder(library, f"the loss {comment(objective.name)}; layda cannot write it down")
    if isinstance(objective, TracedObjective):
        unknown = {node.op for node in objective.gradient_program.nodes} - KNOWN
        if not unknown:
            return _written(objective, library)
        return placeholder(library, f"{comment(objective.name)}, which uses {', '.join(sorted(unknown))}")
    what = f"{comment(objective.name)} is Python code of yours, which layda runs and does not read"
    return placeholder(library, what)


def _written(objective: TracedObjective, library: Library) -> list[str]:
    lines = ["def f(position):"]
    if objective.equation not in ("", objective.name):
        lines += [f'    """{comment(objective.equation)}"""']
    lines += indented(_body(objective.program, objective.coordinates, library, alone=True))
    if library.differentiates:
        return lines
    program = objective.gradient_program
    slopes = program.select([name for name in program.output_names if name.startswith("d_")])
    body = _body(slopes, objective.coordinates, library, alone=False)
    return [*lines, "", "", "def gradient_of(position):", *indented(body)]


def _body(program: Program, coordinates: Sequence[str], library: Library, alone: bool) -> list[str]:
    """The lines of a function of ``position`` that returns the outputs."""
    if len(coordinates) > _MOST_NAMES:
        names = {name: f"position[{index}]" for index, name in enumerate(coordinates)}
        first: list[str] = []
    else:
        texts = [_variable(name, index) for index, name in enumerate(coordinates)]
        names = dict(zip(coordinates, texts, strict=True))
        first = [library.unpacked(texts)]
    printer = Printer(program, names, library.arrays)
    outputs = program.output_names
    if alone:
        return [*first, *printer.lines, *printer.assigned("return ", outputs[0])]
    texts = [printer.text(name) for name in outputs]
    line = f"return {library.stacked(texts)}"
    if len(line) > _LONGEST:
        start, end = library.stacked(["|"]).split("|")
        return [*first, *printer.lines, f"return {start}", *(f"    {text}," for text in texts), end]
    return [*first, *printer.lines, line]


def _variable(name: str, index: int) -> str:
    good = name.isidentifier() and name.isascii() and not keyword.iskeyword(name) and name not in _RESERVED
    return name if good else f"x_{index + 1}"


def _on_a_table(objective: DataObjective, library: Library) -> list[str]:
    options = dict(objective.options)
    source = options.pop("source")
    if isinstance(objective.model, LinearModel):
        del options["hidden"]
    arguments = [_typed(source), *(f"{name}={_typed(value)}" for name, value in options.items())]
    lines = ["# The rows as layda splits, scales and batches them."]
    lines += call("table = ", "data_objective", arguments)
    if not library.differentiates:
        step = ", k" if objective.stochastic else ""
        slope = "table.step_gradient(place, k)" if step else "table.value_and_gradient(place)[1]"
        place = "keras.ops.convert_to_numpy(position)"
        return [
            *lines, "", "",
            "def f(position):",
            f"    return table.value({place})", "", "",
            f"def gradient_of(position{step}):",
            "    # layda's own: Keras takes gradients through its backend only. A keras.Model and fit() do it for you.",
            f"    place = {place}",
            f"    return {library.array(slope)}",
        ]  # fmt: skip
    lines += [f"rows, targets = {library.array('table.rows')}, {library.array('table.targets')}", "", ""]
    lines += ["def f(position, rows=rows, targets=targets):", f'    """{comment(objective.equation)}"""']
    return [*lines, *indented(_scores(objective, library))]


def _typed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _scores(objective: DataObjective, library: Library) -> list[str]:
    model = objective.model
    loss, tanh = library.loss_of(objective)
    d, k, half = model.features, model.outputs, repr(0.5 * model.l2)
    if isinstance(model, TanhNetwork):
        h = model.hidden
        ends = [d * h, d * h + h, d * h + h + h * k]
        lines = [
            f"v, c = position[:{ends[0]}].reshape({d}, {h}), position[{ends[0]}:{ends[1]}]",
            f"w, b = position[{ends[1]}:{ends[2]}].reshape({h}, {k}), position[{ends[2]}:]",
            f"scores = {tanh}(rows @ v + c) @ w + b",
        ]
        penalty = f"{half} * ((v**2).sum() + (w**2).sum())"
    else:
        lines = [f"w, b = position[:{d * k}].reshape({d}, {k}), position[{d * k}:]", "scores = rows @ w + b"]
        penalty = f"{half} * (w**2).sum()"
    return [*lines, f"return {loss}{f' + {penalty}' if model.l2 else ''}"]
