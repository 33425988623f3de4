"""``layda theory``: what a rule does on quadratics, read off its own step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from layda.theory import LinearSystem

__all__ = ["theory"]


def theory(
    rule: Annotated[str, typer.Argument(help="A rule, such as nesterov, heavy-ball:momentum=0.95 or file.py:MyRule.")],
    mu: Annotated[float | None, typer.Option("--mu", help="μ: the smallest curvature of a quadratic.")] = None,
    steepest: Annotated[float | None, typer.Option("--L", help="L: the largest curvature.")] = None,
    save: Annotated[Path | None, typer.Option(help="Draw the map of rates and regimes as png, svg or pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Say how fast a rule is on quadratics, up to which learning rate it is stable, and which settings are best."""
    from layda.cli.console import print_json
    from layda.errors import NotLinearError, SettingError
    from layda.specs import to_rule
    from layda.theory import linear_system

    if (mu is None) != (steepest is None):
        raise SettingError("--mu and --L go together: the smallest and the largest curvature; give both or none")
    way = to_rule(rule)
    try:
        system = linear_system(way)
    except NotLinearError as error:
        if save is not None or mu is not None:
            raise
        data: dict[str, Any] = {"rule": str(way), "equation": way.equation, "linear": False, "why": str(error)}
    else:
        data = _facts(system) | ({} if mu is None or steepest is None else {"best": _best(system, mu, steepest)})
        if save is not None:
            from layda.plots import plot

            plot(system, save)
    if as_json:
        print_json(data | {"saved": None if save is None else str(save)})
        return
    _show(data)
    if save is not None:
        typer.echo(f"wrote {save}")


def _facts(system: LinearSystem) -> dict[str, Any]:
    from layda.run.records import plain
    from layda.theory import curvature_limit, stability_limit

    return {
        "rule": str(system.rule),
        "equation": system.rule.equation,
        "linear": True,
        "state": list(system.state),
        "A": plain(system.A),
        "B": plain(system.B),
        "C": plain(system.C),
        "polynomial": _polynomial(system),
        "latex": system.latex(),
        "stable_below": plain(stability_limit(system.rule)),
        "largest_curvature": plain(curvature_limit(system.rule)),
        "regimes": _regimes(system),
    }


def _polynomial(system: LinearSystem) -> str:
    """The characteristic polynomial by powers of z, in Greek letters."""
    powers = {0: "", 1: "z", 2: "z²", 3: "z³"}
    greek = {"alpha": "α", "beta": "β", "lambda": "λ", "omega": "ω", "nu": "ν"}
    found = system.characteristic_polynomial()
    terms = []
    for (power,), coefficient in sorted(found.terms(), reverse=True):
        text = str(coefficient).replace("**2", "²").replace("*", "·")
        for name, letter in greek.items():
            text = text.replace(name, letter)
        z = powers.get(power, f"z^{power}")
        terms.append(z if text == "1" and z else f"({text})·{z}" if z and " " in text else f"{text}·{z}" if z else text)
    return " + ".join(terms).replace("-", "−")


def _regimes(system: LinearSystem) -> list[dict[str, Any]]:
    """Where along αλ each regime begins, at the rule's other settings."""
    import numpy as np

    from layda.theory import stability_limit
    from layda.theory.stability import REGIMES, regimes

    limit = stability_limit(system.rule)
    top = limit if np.isfinite(limit) and limit > 0.0 else 1e4
    grid = np.concatenate([np.geomspace(1e-7 * top, 1e-3 * top, 2000), np.linspace(1e-3, 1.0, 8000)[1:-1] * top])
    codes = regimes(system.matrix(1.0, learning_rate=grid))
    codes[codes == REGIMES.index("critical")] = REGIMES.index("overdamped")  # a single point of the line
    found: list[dict[str, Any]] = [{"regime": REGIMES[codes[0]], "from": 0.0}]
    for index in np.flatnonzero(np.diff(codes)):
        low, high = grid[index], grid[index + 1]
        for _ in range(60):
            middle = 0.5 * (low + high)
            code = int(regimes(system.matrix(1.0, learning_rate=middle)))
            low, high = (middle, high) if code in (codes[index], REGIMES.index("critical")) else (low, middle)
        found.append({"regime": REGIMES[codes[index + 1]], "from": float(high)})
    if np.isfinite(limit):
        found.append({"regime": "divergent", "from": float(limit)})
    return found


def _best(system: LinearSystem, mu: float, steepest: float) -> dict[str, Any]:
    from layda.run.records import plain
    from layda.theory import best_settings, worst_rate

    best = best_settings(system.rule, mu, steepest)
    return {
        "mu": mu,
        "L": steepest,
        "settings": plain(best.settings),
        "rate": best.rate,
        "steps_per_digit": plain(best.steps_per_digit),
        "closed_form": best.closed_form,
        "source": best.source,
        "rate_now": plain(worst_rate(system.rule, mu, steepest)),
    }


def _show(data: dict[str, Any]) -> None:
    from layda.cli.console import console

    screen = console()

    def line(text: str) -> None:
        screen.print(text, soft_wrap=False)

    screen.print(data["rule"], style="bold", soft_wrap=True)
    line(data["equation"])
    if not data["linear"]:
        line(f"No theory: {data['why']}.")
        return
    line("")
    line("On a bowl λx²/2 it is the linear system ξ' = Aξ + Bu, y = Cξ, u = λy, with ξ = "
         f"({', '.join(data['state'])}).")  # fmt: skip
    for name in ("A", "B", "C"):
        rows = ["[" + "  ".join(f"{value + 0.0:>9.5g}" for value in row) + " ]" for row in data[name]]
        for index, row in enumerate(rows):
            line(f"  {name if not index else ' '}  {row}")
    line(f"Its factors per step z solve {data['polynomial']} = 0; h = αλ.")
    line("")
    limit, bound = data["stable_below"], data["largest_curvature"]
    if limit == "Infinity":
        line("Stable for every αλ.")
    else:
        line(f"Stable for αλ < {limit:.7g}; with its learning rate up to the curvature λ = {_number(bound)}.")
    line("  " + "; ".join(f"{each['regime']} from αλ = {each['from']:.4g}" for each in data["regimes"]))
    if "best" in data:
        _show_best(line, data["best"])


def _show_best(line: Any, best: dict[str, Any]) -> None:
    line("")
    settings = ", ".join(f"{name} = {value:.7g}" for name, value in best["settings"].items())
    how = best["source"] if best["closed_form"] else f"no formula is known: {best['source']}"
    line(f"Best for curvatures from {best['mu']:g} to {best['L']:g}: {settings}")
    line(
        f"  factor per step {best['rate']:.7g}, {_number(best['steps_per_digit'])} steps for each decimal place; {how}"
    )
    now = best["rate_now"]
    word = "thrown away" if isinstance(now, str) or now > 1.0 else f"factor per step {now:.7g}"
    line(f"  as it is set now: {word}")


def _number(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
