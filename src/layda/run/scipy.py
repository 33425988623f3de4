"""Any rule as a method of ``scipy.optimize.minimize``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.errors import SettingError
from layda.measures import CONSTANTS
from layda.objective import BlackBox
from layda.program.coordinates import default_coordinates
from layda.rule import Rule
from layda.run.descend import descend
from layda.specs import to_rule

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

__all__ = ["scipy_method"]

Array = NDArray[np.float64]
_STATUS = {"converged": 0, "unfinished": 1, "crawling": 1}  # SciPy: 1 is "the limit of iterations was reached"
_REFUSED = ("bounds", "constraints")


def scipy_method(rule: str | Rule | type[Rule]) -> Callable[..., OptimizeResult]:
    """A rule as ``method=`` of ``scipy.optimize.minimize(fun, x0, jac=…, method=…)``.

    Options: ``maxiter`` (steps, 10000), ``tol`` (the stopping test's share of the path's extent, 1e-6), ``disp``.
    Without ``jac`` the gradient is by central differences, two calls per coordinate. ``callback`` is called with the
    position after every step; raising ``StopIteration`` in it ends the run.

    Args:
        rule: a rule, its name, or text such as "heavy-ball:momentum=0.95".

    Returns:
        The method. Its ``OptimizeResult.success`` is true for the verdict "converged" alone, which here means a local
        minimum: SciPy names no box to search for better ones. ``.verdict`` and ``.trajectory`` hold the rest.

    Raises:
        SettingError: ``bounds`` or ``constraints`` were given.

    >>> from scipy.optimize import minimize
    >>> method = scipy_method("heavy-ball:learning_rate=0.1")
    >>> found = minimize(lambda x: x @ x, [3.0, 4.0], jac=lambda x: 2 * x, method=method)
    >>> found.success, bool(found.fun < 1e-9)
    (True, True)
    """
    chosen = to_rule(rule)

    def method(fun: Callable[..., Any], x0: Any, args: tuple[Any, ...] = (), **options: Any) -> OptimizeResult:
        return _minimise(chosen, fun, x0, args, options)

    method.__name__ = chosen.name
    return method


def _minimise(
    rule: Rule, fun: Callable[..., Any], x0: Any, args: tuple[Any, ...], options: dict[str, Any]
) -> OptimizeResult:
    from scipy.optimize import OptimizeResult, OptimizeWarning

    jac, callback = options.pop("jac", None), options.pop("callback", None)
    for name in _REFUSED:
        given = options.pop(name, None)
        if given is not None and not (isinstance(given, list | tuple) and not given):
            raise SettingError(f"{name} were given; {rule.name} takes steps over the whole space and allows none")
    options.pop("hess", None)
    options.pop("hessp", None)
    steps, tolerance = options.pop("maxiter", 10_000), options.pop("tol", None)
    talkative = options.pop("disp", False)
    if options:
        warnings.warn(f"options unknown to layda: {', '.join(options)}", OptimizeWarning, stacklevel=4)
    start = np.atleast_1d(np.asarray(x0, dtype=np.float64)).ravel()
    count = _Counted(fun, jac if callable(jac) else None, args)
    names = tuple(default_coordinates(len(start)))
    objective = BlackBox(
        name=getattr(fun, "__name__", "function"),
        coordinates=names,
        box=tuple((x - 1.0, x + 1.0) for x in start.tolist()),
        start=tuple(start.tolist()),
        minima=(),
        function=count.value,
        gradient=count.gradient if count.jac is not None else None,
    )
    run = descend(
        objective, rule, start=start, steps=steps, record="end",
        tolerance=CONSTANTS["tolerance"][0] if tolerance is None else float(tolerance),
        watch=None if callback is None else _watcher(callback, count),
    )  # fmt: skip
    kind = run.verdict.kind
    message = f"{kind} after {run.steps} steps"
    if talkative:
        print(message)
    run = replace(run, objective=replace(objective, function=fun))
    return OptimizeResult(
        x=run.position, fun=run.value, jac=count.last_gradient, nit=run.steps, nfev=count.values, njev=count.gradients,
        success=kind == "converged", status=_STATUS.get(kind, 2), message=message, verdict=run.verdict, trajectory=run,
    )  # fmt: skip


def _watcher(callback: Callable[..., Any], count: _Counted) -> Callable[[int, Array], None]:
    """SciPy's two kinds of callback: one array, or one keyword named intermediate_result."""
    import inspect

    from scipy.optimize import OptimizeResult

    by_result = list(inspect.signature(callback).parameters) == ["intermediate_result"]

    def watch(step: int, position: Array) -> None:
        if by_result:
            callback(intermediate_result=OptimizeResult(x=position.copy(), fun=count.last_value))
        else:
            callback(position.copy())

    return watch


class _Counted:
    """The user's functions with their calls counted."""

    def __init__(self, fun: Callable[..., Any], jac: Callable[..., Any] | None, args: tuple[Any, ...]) -> None:
        self.fun, self.jac, self.args = fun, jac, args
        self.values = self.gradients = 0
        self.last_value = float("nan")
        self.last_gradient: Array | None = None

    def value(self, x: Array) -> float:
        self.values += 1
        self.last_value = float(np.asarray(self.fun(x, *self.args)).reshape(()))
        return self.last_value

    def gradient(self, x: Array) -> Any:
        self.gradients += 1
        assert self.jac is not None
        self.last_gradient = np.asarray(self.jac(x, *self.args), dtype=np.float64)
        return self.last_gradient
