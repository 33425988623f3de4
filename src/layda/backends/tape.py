"""Program -> *tape*: a program as plain data, for an interpreter that may not make code at run time (the lab page).

::

    {"inputs": ["x", "y"], "constants": [1.0, "Infinity"], "code": [op, argument, …, op, argument, …],
     "outputs": {"value": line}}

Every line is an operation's number in :data:`OPERATIONS` and the numbers of the lines that are its arguments; ``input``
and ``const`` are followed by a place in ``inputs`` and in ``constants``. Named operations (sin, exp, …) stay single.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layda.functions import NAMED
from layda.program import Program
from layda.program.operations import ELEMENTARY, operation, operations

__all__ = ["OPERATIONS", "tape", "untaped"]

OPERATIONS: tuple[str, ...] = (
    "input", "const", *(name for name in operations() if name in ELEMENTARY and name != "fma"), *NAMED,
)  # fmt: skip
"""Number -> name. A tape never holds ``fma``: no browser rounds it once."""


def tape(program: Program) -> dict[str, Any]:
    """A program as data that JSON can hold; numbers that are not finite are the strings "NaN" and "±Infinity".

    Args:
        program: any without ``fma``.

    >>> from layda.program import trace
    >>> tape(trace(lambda x: x * x + 1.0))
    {'inputs': ['x'], 'constants': [1.0], 'code': [0, 0, 4, 0, 0, 1, 0, 2, 1, 2], 'outputs': {'value': 3}}
    """
    constants: list[float] = []
    places: dict[bytes, int] = {}
    code: list[int] = []
    for node in program.nodes:
        code.append(OPERATIONS.index(node.op))
        if node.op == "input":
            code.append(program.inputs.index(str(node.value)))
        elif node.op == "const":
            value = float(node.value)  # type: ignore[arg-type]
            key = np.float64(value).tobytes()  # −0.0 and 0.0 are two constants
            if key not in places:
                places[key] = len(constants)
                constants.append(value)
            code.append(places[key])
        else:
            code += node.args
    return {
        "inputs": list(program.inputs),
        "constants": [_plain(value) for value in constants],
        "code": code,
        "outputs": dict(program.outputs),
    }


def untaped(data: dict[str, Any], values: dict[str, float]) -> dict[str, float]:
    """Read a tape as the page does: the twin that tests compare with.

    Args:
        data: of :func:`tape`.
        values: input name -> number.
    """
    from layda.program.arithmetic import arithmetic

    floats, lines = arithmetic("float"), []
    code = iter(data["code"])
    for number in code:
        name = OPERATIONS[number]
        if name == "input":
            lines.append(values[data["inputs"][next(code)]])
        elif name == "const":
            lines.append(float(data["constants"][next(code)]))
        else:
            lines.append(floats.apply(name, *[lines[next(code)] for _ in range(operation(name).arity)]))
    return {name: lines[line] for name, line in data["outputs"].items()}


def _plain(value: float) -> float | str:
    if value != value:
        return "NaN"
    return value if value - value == 0.0 else "Infinity" if value > 0.0 else "-Infinity"
