"""``stretch``: the last stretch of a run, of which it is noted at every step how it goes.

The light text does it in registers, as in :mod:`layda.backends.light`, where the proof allows; otherwise, and when a
state is not moderate, the careful text does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layda.backends.light import write_test
from layda.backends.registers import Registers, new_text
from layda.backends.vector import Writer

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan

__all__ = ["write_stretch"]


def write_stretch(plan: LanePlan) -> Writer:
    """Every lane from t0 up to t1, and at t = last without a step; what happens after ``since`` is noted.

    Arguments of the printed function: cols, stride, n, scalars, t0, t1, last, since, tolerance, limit, code, step,
    ended.
    """
    return _Stretch(plan).text()


class _Stretch:
    def __init__(self, plan: LanePlan) -> None:
        assert plan.watch is not None
        self.plan, self.loop, self.watch = plan, plan.loop, plan.watch
        self.w, self.lanes = new_text(plan, "stretch", "i64 %last, i64 %since")
        self.place, self.now, self.left = (self.lanes.variable("i64", "0") for _ in range(3))
        moving = tuple(name for name in self.loop.state if name not in self.loop.still)
        names = (*moving, *self.watch.names)
        self.group = Registers(plan, self.lanes, plan.unroll_noting, names, names, together=True)
        self.since = self.lanes.time("%since")

    def text(self) -> Writer:
        """The function: groups of lanes."""
        w, lanes, group = self.w, self.lanes, self.group
        w.line("  br label %group")
        w.label("group")
        lane = lanes.get("i64", self.place)
        w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %n')}, label %look, label %done")
        w.label("look")
        w.line(f"  br i1 {group.look(lane)}, label %work, label %grouped")
        w.label("work")
        if self.plan.proof.steps:
            self._light()
        else:
            w.line("  br label %careful")
        w.label("careful")
        for place in group.where:
            w.line(
                f"  call void @watched(ptr %cols, i64 %stride, i64 {place}, ptr %scalars, i64 %t0, i64 %t1, i64 %last, "
                f"i64 %since, {w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended)"
            )
        w.line("  br label %grouped")
        w.label("grouped")
        lanes.add(self.place, str(w.width * group.unroll))
        w.line("  br label %group")
        w.label("done")
        w.line("  ret void\n}")
        return w

    def _light(self) -> None:
        """The stretch of one group: note, test, step; that the state is moderate is tested before it decides."""
        w, lanes, plan, group = self.w, self.lanes, self.plan, self.group
        group.load()
        lanes.put("i64", self.now, "%t0")
        lanes.put("i64", self.left, str(plan.proof.steps))
        group.moderate("moment", "careful")
        t = lanes.get("i64", self.now)
        w.line(f"  br i1 {w.do(f'icmp sgt i64 {t}, %since')}, label %note, label %noted")
        w.label("note")
        self._note(t)
        w.line("  br label %noted")
        w.label("noted")
        if plan.tested:
            remainder = w.do(f"srem i64 {t}, {plan.every}")
            due = w.do(f"and i1 {w.do(f'icmp eq i64 {remainder}, 0')}, {w.do(f'icmp sgt i64 {t}, 0')}")
            w.line(f"  br i1 {due}, label %sure, label %tested")
            w.label("sure")
            group.moderate("test", "careful")
            write_test(plan, group, t, "grouped")
        w.line(f"  br i1 {w.do(f'icmp eq i64 {t}, %last')}, label %end, label %advance")
        w.label("advance")
        group.run(plan.proven(self.loop.step([name for name in self.loop.state if name not in self.loop.still])), t)
        lanes.add(self.now, "1")
        left = w.do(f"sub i64 {lanes.get('i64', self.left)}, 1")
        lanes.put("i64", self.left, left)
        over = w.do(f"icmp sge i64 {lanes.get('i64', self.now)}, %t1")
        w.line(f"  br i1 {over}, label %end, label %ahead")
        w.label("ahead")
        w.line(f"  br i1 {w.do(f'icmp eq i64 {left}, 0')}, label %again, label %moment")
        w.label("again")
        lanes.put("i64", self.left, str(plan.proof.steps))
        group.moderate("moment", "careful", new=False)
        w.label("end")
        group.moderate("finished", "careful")
        for index in range(group.unroll):
            group.store(index, group.mask(index))
        w.line("  br label %grouped")

    def _note(self, t: str) -> None:
        """How it goes at step t."""
        w, group, watch = self.w, self.group, self.watch
        known = [group.known(index, t) | {"since": self.since} for index in range(group.unroll)]
        seen = w.programs(self.plan.proven(self.loop.observe.select(self.loop.observed)), known)
        found = w.programs(
            self.plan.printed(watch.program), [own | more for own, more in zip(known, seen, strict=True)]
        )
        for index, values in enumerate(found):
            for name, value in values.items():
                self.lanes.put(w.vector, group.variables[index][name], value)
