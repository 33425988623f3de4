"""The light text of :mod:`layda.backends.lanes`: whole chunks in registers, several vectors side by side.

A group of lanes goes through a *chunk* of steps with its state in registers: proven steps, a test that the state is
moderate, proven steps, …; where the stopping test is due it is asked, and lanes that have settled are written down. At
the end of the chunk the others are. When a state is not moderate nothing of the chunk has been written for the lanes
that still roll, and the careful text does the chunk again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from layda.backends.registers import Registers, new_text
from layda.backends.vector import Writer
from layda.program import Program
from layda.program.loop import SETTLED

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan

__all__ = ["write_march"]


def write_march(plan: LanePlan) -> Writer:
    """``march``: every lane from t0 to t1, chunk by chunk, each of a whole number of ``plan.every`` steps.

    Arguments of the printed function: cols, stride, n, scalars, t0, t1, chunk, tolerance, limit, code, step, ended.
    """
    return _March(plan).text()


class _March:
    def __init__(self, plan: LanePlan) -> None:
        self.plan, self.loop = plan, plan.loop
        self.w, self.lanes = new_text(plan, "march", "i64 %chunk")
        # The last steps before a test keep what passes through: the last positions, the last gradient.
        self.full = self.loop.memory if self.loop.passing else 0
        self.block = max(1, plan.proof.steps - self.full)
        self.place, self.clock, self.now, self.until = (self.lanes.variable("i64", "0") for _ in range(4))
        names = (*self.loop.persistent, *self.loop.passing)
        self.group = Registers(plan, self.lanes, plan.unroll, names, self.loop.persistent, not plan.short)

    def text(self) -> Writer:
        """The function: groups of lanes, and each of them chunk by chunk."""
        w, lanes, plan = self.w, self.lanes, self.plan
        w.line("  br label %group")
        w.label("group")
        lane = lanes.get("i64", self.place)
        lanes.put("i64", self.clock, "%t0")
        w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %n')}, label %ahead, label %done")
        w.label("ahead")
        t = lanes.get("i64", self.clock)
        w.line(f"  br i1 {w.do(f'icmp slt i64 {t}, %t1')}, label %look, label %grouped")
        w.label("look")
        w.line(f"  br i1 {self.group.look(lane)}, label %work, label %grouped")
        w.label("work")
        whole = w.do(f"add i64 {t}, %chunk")
        stop = w.do(f"select i1 {w.do(f'icmp sgt i64 {whole}, %t1')}, i64 %t1, i64 {whole}")
        if plan.proof.steps and (plan.every >= self.full or not plan.tested):
            w.line(f"  br i1 {self._unfit(t, stop)}, label %careful, label %light")
            self._light(t, stop)
        else:
            w.line("  br label %careful")
        w.label("careful")
        for place in self.group.where:
            w.line(
                f"  call void @careful(ptr %cols, i64 %stride, i64 {place}, ptr %scalars, i64 {t}, i64 {stop}, "
                f"{w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended)"
            )
        w.line("  br label %chunked")
        w.label("chunked")
        lanes.put("i64", self.clock, stop)
        w.line("  br label %ahead")
        w.label("grouped")
        lanes.add(self.place, str(w.width * plan.unroll))
        w.line("  br label %group")
        w.label("done")
        w.line("  ret void\n}")
        return w

    def _unfit(self, t: str, stop: str) -> str:
        """Whether what is left after the last test is too little for the steps that keep what passes."""
        w = self.w
        steps = w.do(f"sub i64 {stop}, {t}")
        if not self.plan.tested:
            return w.do(f"icmp slt i64 {steps}, {self.full}")
        over = w.do(f"srem i64 {steps}, {self.plan.every}")
        few = w.do(f"icmp slt i64 {over}, {self.full}")
        return w.do(f"and i1 {few}, {w.do(f'icmp sgt i64 {over}, 0')}")

    def _light(self, t: str, stop: str) -> None:
        """One chunk of one group: the state into registers, spans of ``every`` steps, the state back."""
        w, lanes, group = self.w, self.lanes, self.group
        w.label("light")
        group.load()
        lanes.put("i64", self.now, t)
        group.moderate("span", "careful")
        if self.plan.tested:
            whole = w.do(f"add i64 {lanes.get('i64', self.now)}, {self.plan.every}")
            short = w.do(f"icmp sgt i64 {whole}, {stop}")
            end = w.do(f"select i1 {short}, i64 {stop}, i64 {whole}")
            self._steps(end)
            w.line(f"  br i1 {short}, label %finished, label %test")
            w.label("test")
            write_test(self.plan, group, end, "chunked")
            w.line(f"  br i1 {w.do(f'icmp slt i64 {end}, {stop}')}, label %span, label %finished")
        else:
            self._steps(stop)
            w.line("  br label %finished")
        w.label("finished")
        for index in range(group.unroll):
            group.store(index, group.mask(index))
        w.line("  br label %chunked")

    def _steps(self, end: str) -> None:
        """Steps up to ``end``, so that after it the state is moderate and everything is known for the test."""
        w, lanes, loop, group = self.w, self.lanes, self.loop, self.group
        step = self.plan.proven(loop.step(loop.persistent))
        whole_step = self.plan.proven(loop.step((*loop.persistent, *loop.passing)))
        before = w.do(f"sub i64 {end}, {self.full}")
        w.line("  br label %round")
        w.label("round")
        reach = w.do(f"add i64 {lanes.get('i64', self.now)}, {self.block}")
        last = w.do(f"icmp sge i64 {reach}, {before}")
        lanes.put("i64", self.until, w.do(f"select i1 {last}, i64 {before}, i64 {reach}"))
        w.line("  br label %one")
        w.label("one")
        moment, until = lanes.get("i64", self.now), lanes.get("i64", self.until)
        w.line(f"  br i1 {w.do(f'icmp slt i64 {moment}, {until}')}, label %go, label %gone")
        w.label("go")
        group.run(step, moment)
        lanes.add(self.now, "1")
        w.line("  br label %one")
        w.label("gone")
        w.line(f"  br i1 {last}, label %rest, label %between")
        w.label("between")
        group.moderate("round", "careful", new=False)
        w.label("rest")
        since = self.block
        for offset in range(self.full):
            if since == self.plan.proof.steps:
                group.moderate(f"full{offset}", "careful")
                since = 0
            group.run(whole_step, w.do(f"add i64 {before}, {offset}"))
            since += 1
        lanes.put("i64", self.now, end)
        group.moderate("moderate", "careful")


def write_test(plan: LanePlan, group: Registers, t: str, nobody: str) -> None:
    """The stopping test at step t; lanes that have settled are written down and roll no more.

    Of two conditions that must both hold the first is asked of all, and the rest only where it holds somewhere.

    Args:
        plan: what is printed.
        group: the vectors.
        t: the step.
        nobody: where to go when no lane rolls any more.
    """
    w, lanes, check = group.w, group.lanes, plan.printed(plan.loop.check)
    observe = plan.proven(plan.loop.observe.select(plan.loop.observed))
    known = [group.known(index, t) for index in range(group.unroll)]
    needed = w.programs(_necessary(check), known)
    for index, own in enumerate(known):
        possible = w.both(group.mask(index), needed[index]["settled"])
        w.line(f"  br i1 {w.any(possible)}, label %possible{index}, label %tested{index}")
        w.label(f"possible{index}")
        settled = w.both(possible, w.program(check, own | w.program(observe, own))["settled"])
        w.line(f"  br i1 {w.any(settled)}, label %settled{index}, label %tested{index}")
        w.label(f"settled{index}")
        lanes.end(settled, group.where[index], SETTLED, t)
        group.store(index, settled)
        group.leave(index, settled)
        w.line(f"  br label %tested{index}")
        w.label(f"tested{index}")
    w.line(f"  br i1 {group.some()}, label %tested, label %{nobody}")
    w.label("tested")


def _necessary(check: Program) -> Program:
    """The part of the stopping test that asks for the first of its two conditions; the whole where there is one."""
    whole = dict(check.outputs)["settled"]
    last = check.nodes[whole]
    return replace(check, outputs=(("settled", last.args[0] if last.op == "and" else whole),)).select(["settled"])
