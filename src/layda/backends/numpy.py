"""Many runs at once, operation by operation on NumPy arrays: slow per run, readable, the same bits in every lane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layda.program.arithmetic import arithmetic
from layda.program.loop import LOST, SETTLED, SPENT, Loop, LoopEnd, first_check

__all__ = ["run", "run_lanes"]


def run_lanes(
    loop: Loop,
    state: Mapping[str, Any],
    numbers: Mapping[str, Any],
    *,
    first: int = 0,
    last: int,
    every: int = 0,
    tolerance: float = 0.0,
    keep: bool = False,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any], dict[str, Any], np.ndarray]:
    """Run one lane per element of the (broadcast) arrays; a lane that has ended keeps its last state.

    Returns:
        codes, steps, state, observed (arrays over lanes) and records (step, lane, name).
    """
    lanes = np.broadcast_shapes(*(np.shape(value) for value in (*state.values(), *numbers.values())), (1,))
    current = {name: np.broadcast_to(np.asarray(value, np.float64), lanes).copy() for name, value in state.items()}
    floats = arithmetic("numpy")
    codes = np.full(lanes, -1)
    steps = np.full(lanes, last)
    frozen: dict[str, Any] = {}
    rows: list[np.ndarray] = []
    due = first_check(first, every)
    for t in range(first, last + 1):
        known = {**numbers, **current, "t": float(t), "tolerance": tolerance}
        observed = loop.observe.lowered.evaluate(known, floats)
        alive = observed.pop("alive")
        observed = {name: np.broadcast_to(value, lanes) for name, value in observed.items()}
        running = codes < 0
        frozen = {name: np.where(running, value, frozen.get(name, value)) for name, value in observed.items()}
        known |= observed
        if keep:
            rows.append(np.stack([current[name] for name in loop.record], axis=-1))
        ended = running & ~np.broadcast_to(alive, lanes)
        codes[ended], steps[ended] = LOST, t
        if t == due:
            due += every
            settled = np.broadcast_to(loop.check.lowered.evaluate(known, floats)["settled"], lanes)
            ended = (codes < 0) & settled
            codes[ended], steps[ended] = SETTLED, t
        running = codes < 0
        if t == last or not running.any():
            break
        moved = loop.advance.lowered.evaluate(known, floats)
        current = {name: np.where(running, moved[name], current[name]) for name in loop.state}
    codes[codes < 0] = SPENT
    records = np.stack(rows) if rows else np.empty((0, *lanes, len(loop.record)))
    return codes, steps, current, frozen, records


def run(
    loop: Loop,
    state: Mapping[str, float],
    numbers: Mapping[str, float],
    *,
    first: int = 0,
    last: int,
    every: int = 0,
    tolerance: float = 0.0,
    keep: bool = True,
) -> LoopEnd:
    """One run as one lane; arguments as in :func:`layda.program.loop.run_readably`."""
    codes, steps, end, observed, records = run_lanes(
        loop, state, numbers, first=first, last=last, every=every, tolerance=tolerance, keep=keep
    )
    return LoopEnd(
        int(codes[0]),
        int(steps[0]),
        {name: float(value[0]) for name, value in end.items()},
        {name: float(value[0]) for name, value in observed.items()},
        records[:, 0, :],
    )
