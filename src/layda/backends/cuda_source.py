"""Loop -> CUDA C++: one thread per ball, which takes the next waiting one from a queue when its own has ended.

The text is plain C++ but for a dozen names of CUDA's, so it can be read, and run on a processor, without a GPU. Its
operations are those of the other backends in the same order; compiled without contraction (``--fmad=false``) it gives
the same bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from layda.backends.vector import single
from layda.program import Program, operation, trace
from layda.program.loop import LOST, SETTLED, SPENT

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan

__all__ = ["PRELUDE", "THREADS", "Printer", "kernel_source"]

THREADS = 128
"""Threads in a block."""

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "eq": "==", "and": "&&", "or": "||"}
_CALLS = {"abs": "fabs", "sqrt": "sqrt", "floor": "floor", "fma": "fma", "scale": "scale", "exponent": "exponent"}

PRELUDE = """\
#define INFINITE __longlong_as_double(0x7ff0000000000000LL)
#define UNKNOWN __longlong_as_double(0x7ff8000000000000LL)

__device__ inline double power_of_two(double k) {
    return __longlong_as_double(((long long)k + 1023LL) << 52);
}
__device__ inline double scale(double a, double k) {
    const double half = floor(k * 0.5);
    return (a * power_of_two(half)) * power_of_two(k - half);
}
__device__ inline double exponent(double a) {
    return (double)(((__double_as_longlong(a) >> 52) & 0x7ffLL) - 1023LL);
}
__device__ inline bool bit(double a, double place) {
    return a > -0x1p51 && a < 0x1p51 && (((long long)a >> (int)place) & 1LL) != 0LL;
}
"""
"""What every kernel's text begins with: the operations that C++ lacks."""


class Printer:
    """Programs as assignments of one line each; named functions of float32 programs as functions of their own.

    Attributes:
        real: "double" or "float", what is computed with.
        functions: the named functions that the lines call, to be written before them.
    """

    def __init__(self, dtype: str) -> None:
        self.real = "double" if dtype == "float64" else "float"
        self.functions: dict[str, list[str]] = {}

    def number(self, value: float, real: str) -> str:
        """A constant."""
        if real == "float":
            value = single(value)
        if value != value:
            return f"({real})UNKNOWN"
        if value in (float("inf"), float("-inf")):
            return f"({'-' if value < 0 else ''}({real})INFINITE)"
        text = float(value).hex() + ("f" if real == "float" else "")
        return f"({text})" if text.startswith("-") else text

    def lines(
        self, program: Program, names: Mapping[str, str], prefix: str, real: str = ""
    ) -> tuple[list[str], dict[str, str]]:
        """The assignments, and the name of every output's value."""
        real = real or self.real
        lines: list[str] = []
        values: list[str] = []
        for index, node in enumerate(program.nodes):
            if node.op == "input":
                values.append(names[str(node.value)])
            elif node.op == "const":
                values.append(self.number(float(node.value), real))  # type: ignore[arg-type]
            else:
                kind = "bool" if operation(node.op).condition else real
                text = self._expression(node.op, [values[arg] for arg in node.args], real)
                lines.append(f"const {kind} {prefix}{index} = {text};")
                values.append(f"{prefix}{index}")
        return lines, {name: values[index] for name, index in program.outputs}

    def _expression(self, op: str, args: list[str], real: str) -> str:
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
        if op in _CALLS:
            return f"{_CALLS[op]}{'f' if real == 'float' else ''}({', '.join(args)})"
        self._function(op)
        return f"(float)named_{op}({', '.join(f'(double){arg}' for arg in args)})"

    def _function(self, op: str) -> None:
        """A named function in float64, for float32 programs."""
        if op in self.functions:
            return
        lowering = operation(op).lowering
        assert lowering is not None
        names = [f"a{index}" for index in range(operation(op).arity)]
        lines, found = self.lines(trace(lowering, names).lowered, {name: name for name in names}, "v", "double")
        head = f"__device__ inline double named_{op}({', '.join(f'double {name}' for name in names)}) {{"
        self.functions[op] = [head, *(f"    {line}" for line in lines), f"    return {found['value']};", "}"]


def kernel_source(plan: LanePlan, notes_from: Mapping[str, float]) -> str:
    """The kernel ``roll``.

    Its arguments, in order: columns, scalars (pointers), count, steps, split (long long), tolerance (a number of the
    plan's kind), ends, codes, last_steps, notes, queue (pointers). ``columns`` holds the state and the varying numbers,
    one row each, ``scalars`` the uniform ones; ``ends`` receives the state's rows, ``codes`` and ``last_steps`` (int)
    how and when each ball ended, ``notes`` the watch's rows for each quarter of the steps after ``split``. ``queue``
    (unsigned long long) is 0 at the begin.

    Args:
        plan: what is printed.
        notes_from: accumulator -> its value before a quarter; the others go on from quarter to quarter.
    """
    printer, loop, real = Printer(plan.dtype), plan.loop, "double" if plan.dtype == "float64" else "float"
    watched = plan.watch.names if plan.watch else ()
    names = _identifiers((*plan.columns, *loop.observed, *plan.uniform))
    names |= {"t": "t", "tolerance": "tolerance", "since": "since"}
    given = (*loop.state, *plan.varying)

    observe, seen = printer.lines(plan.printed(loop.observe), names, "o")
    alive = seen.pop("alive")
    observed = names | seen
    check, tested = printer.lines(plan.printed(loop.check), observed, "c") if plan.tested else ([], {})
    advance, moved = printer.lines(plan.printed(loop.advance), observed, "a")

    head = [f"{real} {names[name]} = 0;" for name in (*given, *watched)]
    head += [f"const {real} {names[name]} = scalars[{index}];" for index, name in enumerate(plan.uniform)]
    load = [f"{names[name]} = columns[{row} * count + ball];" for row, name in enumerate(given)]
    load += [f"{names[name]} = {printer.number(notes_from.get(name, 0.0), real)};" for name in watched]
    store = [f"ends[{row} * count + ball] = {names[name]};" for row, name in enumerate(loop.state)]
    noting = _noting(plan, printer, observed, notes_from, real)
    test = [
        f"if (k > 0 && k % {plan.every} == 0) {{", *(f"    {line}" for line in check),
        f"    if ({tested['settled']}) code = {SETTLED};", "}",
    ] if plan.tested else []  # fmt: skip
    step = [f"const {real} next_{row} = {moved[name]};" for row, name in enumerate(loop.state)]
    step += [f"{names[name]} = next_{row};" for row, name in enumerate(loop.state)]
    body = [
        *head, f"const {real} since = ({real})split;", "const long long quarter = (steps - split) / 4;",
        "long long ball = (long long)atomicAdd(queue, 1ULL);", "long long k = 0;", "bool fresh = true;",
        "while (ball < count) {",
        "    if (fresh) {", *(f"        {line}" for line in load), "        k = 0;", "        fresh = false;", "    }",
        f"    const {real} t = ({real})k;", *(f"    {line}" for line in observe),
        "    int code = -1;",
        f"    if (!{alive}) {{", f"        code = {LOST};", "    } else {",
        *(f"        {line}" for line in (*noting, *test)),
        f"        if (code < 0 && k == steps) code = {SPENT};", "    }",
        "    if (code >= 0) {", *(f"        {line}" for line in store),
        "        codes[ball] = code;", "        last_steps[ball] = (int)k;",
        "        ball = (long long)atomicAdd(queue, 1ULL);", "        fresh = true;", "        continue;", "    }",
        *(f"    {line}" for line in (*advance, *step)), "    ++k;", "}",
    ]  # fmt: skip
    functions = [line for lines in printer.functions.values() for line in lines]
    return "\n".join([PRELUDE, *functions, "", *_signature(real), *(f"    {line}" for line in body), "}", ""])


def _identifiers(names: Iterable[str]) -> dict[str, str]:
    """A name of C++'s for each, numbered: β and γ, which it would write alike, are told apart."""
    return {name: f"n{index}_{re.sub(r'[^0-9A-Za-z]', '_', name)}" for index, name in enumerate(names)}


def _signature(real: str) -> list[str]:
    return [
        f'extern "C" __global__ void __launch_bounds__({THREADS}, 1) roll(',
        f"    const {real} *__restrict__ columns, const {real} *__restrict__ scalars, const long long count,",
        f"    const long long steps, const long long split, const {real} tolerance, {real} *__restrict__ ends,",
        f"    int *__restrict__ codes, int *__restrict__ last_steps, {real} *__restrict__ notes,",
        "    unsigned long long *queue) {",
    ]


def _noting(
    plan: LanePlan, printer: Printer, observed: Mapping[str, str], notes_from: Mapping[str, float], real: str
) -> list[str]:
    """After ``split``: the accumulators, written down at the end of each quarter."""
    if plan.watch is None:
        return []
    lines, found = printer.lines(plan.printed(plan.watch.program), observed, "w")
    count = len(plan.watch.names)
    keep = [f"{observed[name]} = {found[name]};" for name in plan.watch.names]
    write = [
        f"notes[(part * {count} + {row}) * count + ball] = {observed[name]};"
        for row, name in enumerate(plan.watch.names)
    ]
    again = [
        f"{observed[name]} = {printer.number(notes_from[name], real)};"
        for name in plan.watch.names
        if name in notes_from
    ]
    return [
        "if (k > split) {", *(f"    {line}" for line in (*lines, *keep)),
        "    if ((k - split) % quarter == 0) {", "        const long long part = (k - split) / quarter - 1;",
        *(f"        {line}" for line in (*write, *again)), "    }", "}",
    ]  # fmt: skip
