"""A rule on a quadratic is a linear system: read off the rule's own step.

With the state ξ = (position, slots) and the gradient u = λ·position of a bowl λx²/2::

    ξ' = Aξ + Bu,   y = Cξ,   u = λy      so      ξ' = (A + λBC)ξ = M(λ)ξ

A, B and C come from the rule's program: its outputs must be sums of position, gradient and slots, each times
something that depends on settings alone. A rule that is not so, or whose settings change with the step, is refused
with the reason.

Source: the form is that of Lessard, Recht and Packard 2016, arXiv:1408.3595, §2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import NotLinearError, SettingError
from layda.program import Graph, Program
from layda.rule import Rule, State, Stepper
from layda.settings import name_here, numbers_of
from layda.specs import to_rule

__all__ = ["LinearSystem", "linear_system"]

Array = NDArray[np.float64]
_LINEAR = frozenset({"add", "sub", "neg"})
_WORDS = {
    "sqrt": "the square root", "abs": "the absolute value", "mul": "a product", "div": "a quotient",
    "select": "a choice", "lt": "a comparison", "le": "a comparison", "eq": "a comparison", "floor": "the whole part",
}  # fmt: skip


@dataclass(frozen=True)
class LinearSystem:
    """ξ' = Aξ + Bu, y = Cξ: a rule on a quadratic, one coordinate.

    Attributes:
        rule: the rule.
        state: the names of the state's numbers: the position, then the slots that it depends on.
    """

    rule: Rule
    state: tuple[str, ...]

    @cached_property
    def _step(self) -> Program:
        return Stepper(self.rule).program()

    @cached_property
    def _estimate(self) -> Program:
        stepper, graph = Stepper(self.rule), Graph()
        names = (*stepper.numbers, "t", "position", *(slot.name for slot in stepper.slots))
        values = {name: graph.input(name) for name in names}
        state = State(tuple(values[slot.name] for slot in stepper.slots), _shared(stepper), ())
        answer = stepper.estimate(values, values["t"], values["position"], state)
        return graph.program(names, {"estimate": answer})

    def _numbers(self, given: Mapping[str, Any]) -> dict[str, Any]:
        known: dict[str, Any] = dict(Stepper(self.rule).numbers)
        for name in given:
            if name not in known:
                raise SettingError(f"{self.rule.name} has no number {name!r}; {name_here(name, known)}")
        return known | dict(given)

    def _columns(self, program: Program, outputs: tuple[str, ...], inputs: tuple[str, ...], numbers: Any) -> Any:
        """∂output/∂input for all pairs, shape (…, outputs, inputs): the program with one input 1 and the others 0."""
        stepper = Stepper(self.rule)
        fixed = dict(zip((slot.name for slot in stepper.shared), _shared(stepper), strict=True)) | {"t": 0.0}
        fixed |= dict.fromkeys(("position", "gradient", *(slot.name for slot in stepper.slots)), 0.0)
        columns = []
        for name in inputs:
            values = {**numbers, **fixed, name: 1.0}
            found = program.evaluate({key: np.asarray(values[key], dtype=np.float64) for key in program.inputs})
            columns.append([found[output] for output in outputs])
        shape = np.broadcast_shapes(*(np.shape(value) for column in columns for value in column))
        return np.stack([np.stack([np.broadcast_to(v, shape) for v in column], -1) for column in columns], -1)

    @cached_property
    def A(self) -> Array:  # noqa: N802 - the field's name for it
        """What the state becomes of itself, shape (n, n)."""
        return np.asarray(self._columns(self._step, self.state, self.state, self._numbers({})))

    @cached_property
    def B(self) -> Array:  # noqa: N802
        """What the gradient adds, shape (n, 1)."""
        return np.asarray(self._columns(self._step, self.state, ("gradient",), self._numbers({})))

    @property
    def C(self) -> Array:  # noqa: N802
        """Where the gradient is taken, shape (1, n): at the position."""
        return np.eye(1, len(self.state))

    @cached_property
    def answer(self) -> Array:
        """The row that gives the rule's answer (its estimate) from the state, shape (1, n)."""
        return np.asarray(self._columns(self._estimate, ("estimate",), self.state, self._numbers({})))

    @cached_property
    def start(self) -> Array:
        """The state of a ball at rest at 1, shape (n,)."""
        starts = {"position": 1.0}
        for slot in Stepper(self.rule).slots:
            starts[slot.name] = 1.0 if slot.start == "position" else float(slot.start)
        return np.array([starts[name] for name in self.state])

    def matrix(self, curvature: Any, numbers: Mapping[str, Any] | None = None, **settings: Any) -> Array:
        """M(λ) = A + λBC, shape (…, n, n).

        Args:
            curvature: λ, one or an array; broadcast against the settings.
            numbers: path -> number or array, for paths that are no Python names ("momenta.1").
            settings: ``learning_rate=…``, ``momentum=…``: other values than the rule's own, one or arrays.
        """
        known = self._numbers({**(numbers or {}), **settings})
        a = self._columns(self._step, self.state, self.state, known)
        b = self._columns(self._step, self.state, ("gradient",), known)
        return np.asarray(a + np.asarray(curvature, dtype=np.float64)[..., None, None] * (b * self.C))

    def spectral_radius(self, curvature: Any, numbers: Mapping[str, Any] | None = None, **settings: Any) -> Array:
        """ρ: the largest |eigenvalue| of M(λ), the factor per step in the long run; arguments of :meth:`matrix`.

        >>> system = linear_system("heavy-ball:learning_rate=0.1,momentum=0.81")
        >>> system.spectral_radius([1.0, 10.0]).round(6).tolist()
        [0.9, 0.9]
        """
        return radius(self.matrix(curvature, numbers, **settings))

    @property
    def memory(self) -> str | None:
        """The path of the number that says how much of the past is kept: ``momentum``, or the last one from 0 to 1."""
        limits = {field.name: field.metadata.get("range") for field in fields(self.rule)}
        paths = [
            path
            for path in Stepper(self.rule).numbers
            if (limit := limits[path.partition(".")[0]]) is not None and (limit.low, limit.high) == (0.0, 1.0)
        ]
        return "momentum" if "momentum" in paths else paths[-1] if paths else None

    @cached_property
    def _symbols(self) -> dict[str, Any]:
        return symbols(Stepper(self.rule).numbers)

    def _symbolic(self) -> tuple[Any, Any]:
        """A and B in SymPy."""
        import sympy

        stepper = Stepper(self.rule)
        fixed: dict[str, Any] = dict(zip((slot.name for slot in stepper.shared), _shared(stepper), strict=True))
        rows: list[list[Any]] = []
        for name in (*self.state, "gradient"):
            values = dict.fromkeys(self._step.inputs, sympy.Integer(0)) | self._symbols
            values |= {key: sympy.nsimplify(value) for key, value in fixed.items()} | {name: sympy.Integer(1)}
            found = self._step.evaluate({key: values[key] for key in self._step.inputs})
            rows.append([sympy.nsimplify(sympy.sympify(found[output])) for output in self.state])
        whole = sympy.Matrix(rows).T
        return whole[:, :-1], whole[:, -1]

    def characteristic_polynomial(self) -> Any:
        """det(zI − M(λ)) in SymPy, in z, λ and the rule's symbols; where α and λ come as a product alone, h = αλ.

        >>> linear_system("heavy-ball").characteristic_polynomial()
        Poly(z**2 + (-beta + h - 1)*z + beta, z, domain='ZZ[h,beta]')
        """
        import sympy

        a, b = self._symbolic()
        z, curvature, h = sympy.Symbol("z"), sympy.Symbol("lambda", positive=True), sympy.Symbol("h", positive=True)
        closed = a + curvature * b * sympy.Matrix(self.C.astype(int))
        found = sympy.expand((z * sympy.eye(len(self.state)) - closed).det(method="berkowitz"))
        rate = self._symbols["learning_rate"]
        scaled = sympy.expand(found.subs(curvature, h / rate))
        return sympy.Poly(found if scaled.has(rate) else scaled, z)

    def latex(self) -> dict[str, str]:
        """A, B, C and the characteristic polynomial as LaTeX.

        >>> linear_system("gradient-descent").latex()["polynomial"]
        'h + z - 1'
        """
        import sympy

        a, b = self._symbolic()
        matrices = {"A": a, "B": b, "C": sympy.Matrix(self.C.astype(int))}
        found = {name: sympy.latex(matrix) for name, matrix in matrices.items()}
        return found | {"polynomial": sympy.latex(self.characteristic_polynomial().as_expr())}


def symbols(numbers: Mapping[str, float]) -> dict[str, Any]:
    """Path -> SymPy symbol: α, β, δ and so on, as the docs and the lab write them.

    >>> symbols({"learning_rate": 0.1, "momenta.1": 0.9})
    {'learning_rate': alpha, 'momenta.1': beta_1}
    """
    import sympy

    names = {"learning_rate": "alpha", "momentum": "beta", "momenta": "beta", "weight_decay": "omega"}
    found = {}
    for path in numbers:
        head, _, rest = path.partition(".")
        name = names.get(head, head) + (f"_{rest}" if rest else "")
        found[path] = sympy.Symbol(name, nonnegative=True)
    return found


def radius(matrices: Array) -> Array:
    """The largest |eigenvalue| of each matrix, shape (…); NaN where one is not finite.

    Of a 2 × 2 matrix from its trace τ and determinant d: √d where τ² < 4d, else (|τ| + √(τ² − 4d))/2.
    """
    size = matrices.shape[-1]
    if size == 1:
        return np.asarray(np.abs(matrices[..., 0, 0]))
    if size == 2:
        trace = matrices[..., 0, 0] + matrices[..., 1, 1]
        determinant = matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]
        inside = trace * trace - 4.0 * determinant
        real = 0.5 * (np.abs(trace) + np.sqrt(np.maximum(inside, 0.0)))
        return np.asarray(np.where(inside < 0.0, np.sqrt(np.maximum(determinant, 0.0)), real))
    finite = np.all(np.isfinite(matrices), axis=(-2, -1))
    safe = np.where(finite[..., None, None], matrices, 0.0)
    return np.where(finite, np.max(np.abs(np.linalg.eigvals(safe)), axis=-1), np.nan)


def _shared(stepper: Stepper) -> tuple[float, ...]:
    return tuple(float(slot.start) for slot in stepper.shared)


def linear_system(rule: str | Rule | type[Rule]) -> LinearSystem:
    """The linear system that a rule is on a quadratic.

    Args:
        rule: a rule, its name, or text such as "heavy-ball:momentum=0.95"; also one of the user's own.

    Raises:
        NotLinearError: the rule is not linear in position, gradient and slots, or changes with the step; the text
            says which and why.

    >>> system = linear_system("heavy-ball:learning_rate=0.1,momentum=0.9")
    >>> system.state, system.A.tolist(), system.B.ravel().tolist()
    (('position', 'velocity'), [[1.0, -0.9], [0.0, 0.9]], [-0.1, 0.1])
    """
    return _system(to_rule(rule))


@lru_cache(maxsize=256)
def _system(rule: Rule) -> LinearSystem:
    stepper = Stepper(rule)
    for name, value in rule.settings().items():
        if hasattr(value, "initial_state") or (isinstance(value, tuple) and any(hasattr(v, "advance") for v in value)):
            raise NotLinearError(f"{rule.name} has coefficients that change with the step: its {name} follows {value}")
    if getattr(rule, "restart", "never") != "never":
        raise NotLinearError(f"{rule.name} restarts when a condition on the path holds, and no linear system does that")
    program = stepper.program()
    variables = ("position", "gradient", *(slot.name for slot in stepper.slots))
    _check(rule, program, variables, tuple(slot.name for slot in stepper.shared))
    return LinearSystem(rule, _observable(program, variables))


def _check(rule: Rule, program: Program, variables: tuple[str, ...], shared: tuple[str, ...]) -> None:
    """Refuse a program that is not linear in the variables, or whose coefficients change."""
    depends: list[bool] = []  # on a variable
    moving: list[str] = []  # what else that changes from step to step
    changing = _changing(program, shared)
    for node in program.nodes:
        name = str(node.value)
        args = [depends[index] for index in node.args]
        depends.append((node.op == "input" and name in variables) or any(args))
        moving.append(name if node.op == "input" and name in changing else next(
            (moving[index] for index in node.args if moving[index]), ""))  # fmt: skip
        linear = node.op in _LINEAR or (node.op == "mul" and sum(args) == 1) or (node.op == "div" and not args[1:2][0])
        linear = linear or (node.op == "select" and not args[0]) or (node.op == "fma" and not (args[0] and args[1]))
        if any(args) and not linear:
            what = _WORDS.get(node.op, node.op)
            raise NotLinearError(f"{rule.name} is not linear: its step takes {what} of position, gradient or slots")
    for name, index in program.outputs:
        if name not in shared and moving[index]:
            raise NotLinearError(
                f"{rule.name} has coefficients that change with the step: they depend on its {moving[index]}"
            )
    still = dict.fromkeys(program.inputs, 0.0) | numbers_of(rule)
    for name, value in program.evaluate({key: still[key] for key in program.inputs}).items():
        if name not in shared and not value == 0.0:
            raise NotLinearError(f"{rule.name} is not linear: its {name} becomes {value} when all is 0")


def _changing(program: Program, shared: tuple[str, ...]) -> set[str]:
    """The shared slots that a step changes, and t."""
    outputs = dict(program.outputs)
    return {"t"} | {name for name in shared if program.nodes[outputs[name]].value != name}


def _observable(program: Program, variables: tuple[str, ...]) -> tuple[str, ...]:
    """The position and the slots that it depends on, now or later."""
    needs = {}
    for name, _ in program.outputs:
        inputs = {str(node.value) for node in program.select([name]).nodes if node.op == "input"}
        needs[name] = inputs & set(variables) - {"gradient"}
    wanted = {"position"}
    while True:
        more = wanted.union(*(needs.get(name, set()) for name in wanted))
        if more == wanted:
            return tuple(name for name in variables if name in wanted)
        wanted = more


def with_numbers(rule: Rule, numbers: Mapping[str, float]) -> Rule:
    """The rule with numbers at dotted paths replaced, checked."""
    heads: dict[str, Any] = {}
    for path, value in numbers.items():
        head, _, rest = path.partition(".")
        if rest:
            whole = list(heads.get(head, getattr(rule, head)))
            whole[int(rest)] = float(value)
            heads[head] = tuple(whole)
        else:
            heads[head] = float(value)
    return replace(rule, **heads)
