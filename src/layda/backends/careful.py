"""The careful text of :mod:`layda.backends.lanes`: at every step it is asked whether f and its gradient are finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layda.backends.columns import Columns
from layda.backends.native import vector_width
from layda.backends.vector import Writer
from layda.program.loop import LOST, SETTLED

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan, Watch

__all__ = ["write_careful"]


def write_careful(plan: LanePlan, name: str, watch: Watch | None) -> Writer:
    """One vector of lanes from t0 up to t1, asking at every step; with a watch, at t = last without a step."""
    w = Writer(vector_width(plan.dtype), plan.dtype)
    lanes, loop = Columns(plan, w), plan.loop
    last = ", i64 %last, i64 %since" if watch else ""
    w.line(
        f"define internal void @{name}(ptr %cols, i64 %stride, i64 %lane, ptr %scalars, i64 %t0, i64 %t1{last}, "
        f"{w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended) noinline {{"
    )
    w.label("entry")
    state = {column: lanes.variable(w.vector) for column in loop.state}
    notes = {column: lanes.variable(w.vector) for column in (watch.names if watch else ())}
    active, clock = lanes.variable(w.mask), lanes.variable("i64", "%t0")
    started = lanes.active("%lane")
    lanes.put(w.mask, active, started)
    for column, variable in (state | notes).items():
        lanes.put(w.vector, variable, lanes.read(lanes.column(column, "%lane")))
    numbers = lanes.numbers("%lane") | {"tolerance": w.splat("%tolerance")}
    if watch:
        numbers["since"] = lanes.time("%since")
    w.line("  br label %walk")
    w.label("walk")
    t = lanes.get("i64", clock)
    known = numbers | {column: lanes.get(w.vector, variable) for column, variable in state.items()}
    known["t"] = lanes.time(t)
    seen = w.program(plan.printed(loop.observe), known)
    alive = seen.pop("alive")
    known |= seen
    before = lanes.get(w.mask, active)
    lost = w.both(before, w.opposite(alive))
    going = w.both(before, alive)
    lanes.put(w.mask, active, going)
    some = w.any(lost)
    w.line(f"  br i1 {some}, label %lost, label %looked")
    w.label("lost")
    lanes.end(lost, "%lane", LOST, t)
    w.line("  br label %looked")
    w.label("looked")
    if watch:
        noted = w.program(
            plan.printed(watch.program), known | {column: lanes.get(w.vector, v) for column, v in notes.items()}
        )
        begun = w.do(f"icmp sgt i64 {t}, %since")
        wanted = w.both(going, w.splat(begun, "i1"))
        for column, variable in notes.items():
            lanes.put(w.vector, variable, w.choose(wanted, noted[column], lanes.get(w.vector, variable)))
    if plan.tested:
        remainder = w.do(f"srem i64 {t}, {plan.every}")
        due = w.do(f"and i1 {w.do(f'icmp eq i64 {remainder}, 0')}, {w.do(f'icmp sgt i64 {t}, 0')}")
        w.line(f"  br i1 {due}, label %test, label %tested")
        w.label("test")
        settled = w.both(going, w.program(plan.printed(loop.check), known)["settled"])
        lanes.put(w.mask, active, w.both(going, w.opposite(settled)))
        lanes.end(settled, "%lane", SETTLED, t)
        w.line("  br label %tested")
        w.label("tested")
    moving = lanes.get(w.mask, active)
    stop = w.do(f"xor i1 {w.any(moving)}, true")
    if watch:
        stop = w.do(f"or i1 {stop}, {w.do(f'icmp eq i64 {t}, %last')}")
    w.line(f"  br i1 {stop}, label %done, label %advance")
    w.label("advance")
    moved = w.program(plan.printed(loop.advance), known)
    for column, variable in state.items():
        lanes.put(w.vector, variable, w.choose(moving, moved[column], known[column]))
    following = w.do(f"add i64 {t}, 1")
    lanes.put("i64", clock, following)
    w.line(f"  br i1 {w.do(f'icmp sge i64 {following}, %t1')}, label %done, label %walk")
    w.label("done")
    for column, variable in (state | notes).items():
        lanes.write(lanes.get(w.vector, variable), lanes.column(column, "%lane"), started)
    w.line("  ret void\n}")
    return w
