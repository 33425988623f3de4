"""The light text of :mod:`layda.backends.lanes`: whole stretches in registers, several vectors side by side."""

from __future__ import annotations

from typing import Any

from layda.backends.vector import Writer
from layda.program.loop import SETTLED

__all__ = ["write_march"]

_SHORT = 60  # operations in a step


def write_march(plan: Any, w: Writer, lanes: Any) -> None:
    """``march``: every lane from t0 to t1, or until ``threshold`` lanes have ended; returns the step reached.

    Arguments of the printed function: cols, stride, n, scalars, t0, t1, tolerance, limit, code, step, threshold.
    """
    _Light(plan, w, lanes).write()


class _Light:
    def __init__(self, plan: Any, w: Writer, lanes: Any) -> None:
        self.plan, self.w, self.lanes, self.loop = plan, w, lanes, plan.loop
        self.unroll = plan.unroll
        self.group = w.width * self.unroll

    def write(self) -> None:
        """The function: stretches, and in each of them groups of lanes."""
        w, lanes, plan = self.w, self.lanes, self.plan
        w.line(
            "define i64 @march(ptr %cols, i64 %stride, i64 %n, ptr %scalars, i64 %t0, i64 %t1, "
            f"{w.scalar} %tolerance, {w.scalar} %limit, ptr %code, ptr %step, i64 %threshold) {{"
        )
        w.label("entry")
        self.clock, self.ended = lanes.variable("i64", "%t0"), lanes.variable("i64", "0")
        self.place, self.inner = lanes.variable("i64", "0"), lanes.variable("i64", "0")
        self.step = lanes.variable("i64", "0")
        self.state = [{name: lanes.variable(w.vector) for name in self.loop.persistent} for _ in range(self.unroll)]
        self.settled = [lanes.variable(w.mask, "zeroinitializer") for _ in range(self.unroll)]
        self.uniform = lanes.numbers(None)
        self.tolerance = w.splat("%tolerance")
        w.line("  br label %stretch")
        w.label("stretch")
        t = lanes.get("i64", self.clock)
        w.line(f"  br i1 {w.do(f'icmp sge i64 {t}, %t1')}, label %done, label %begin")
        w.label("begin")
        whole = w.do(f"add i64 {t}, {plan.every}")
        short = w.do(f"icmp sgt i64 {whole}, %t1")
        stop = w.do(f"select i1 {short}, i64 %t1, i64 {whole}")
        lanes.put("i64", self.place, "0")
        w.line("  br label %group")
        w.label("group")
        lane = lanes.get("i64", self.place)
        w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %n')}, label %look, label %stretched")
        w.label("look")
        where = [w.do(f"add i64 {lane}, {index * w.width}") for index in range(self.unroll)]
        active = [lanes.active(place) for place in where]
        some = active[0]
        for mask in active[1:]:
            some = w.do(f"or {w.mask} {some}, {mask}")
        w.line(f"  br i1 {w.any(some)}, label %work, label %grouped")
        w.label("work")
        if plan.proven:
            w.line(f"  br i1 {short}, label %careful, label %light")
            self._light(where, active, t)
        else:
            w.line("  br label %careful")
        w.label("careful")
        for place in where:
            ended = w.do(
                f"call i64 @careful(ptr %cols, i64 %stride, i64 {place}, ptr %scalars, i64 {t}, i64 {stop}, "
                f"{w.scalar} %tolerance, ptr %code, ptr %step)"
            )
            lanes.add(self.ended, ended)
        w.line("  br label %grouped")
        w.label("grouped")
        lanes.add(self.place, str(self.group))
        w.line("  br label %group")
        w.label("stretched")
        lanes.put("i64", self.clock, stop)
        enough = w.do(f"icmp sge i64 {lanes.get('i64', self.ended)}, %threshold")
        w.line(f"  br i1 {enough}, label %done, label %stretch")
        w.label("done")
        w.line(f"  ret i64 {lanes.get('i64', self.clock)}\n}}")

    def _light(self, where: list[str], active: list[str], t: str) -> None:
        """One stretch of one group: the state into registers, the test, the steps, the state back."""
        w, lanes, plan, loop = self.w, self.lanes, self.plan, self.loop
        w.label("light")
        fixed = (*plan.varying, *(name for name in loop.state if name in loop.still))
        self.varying = [{name: lanes.read(lanes.column(name, place)) for name in fixed} for place in where]
        for state, place in zip(self.state, where, strict=True):
            for name, variable in state.items():
                lanes.put(w.vector, variable, lanes.read(lanes.column(name, place)))
        self._moderate("begun", active)
        if plan.tested:
            w.line(f"  br i1 {w.do(f'icmp sgt i64 {t}, 0')}, label %test, label %untested")
            w.label("test")
            passing = [{name: lanes.read(lanes.column(name, place)) for name in loop.passing} for place in where]
            found = w.programs(plan.printed(loop.check), self._seen(t, range(self.unroll), passing))
            for index, result in enumerate(found):
                lanes.put(w.mask, self.settled[index], w.both(active[index], result["settled"]))
            w.line("  br label %tested")
            w.label("untested")
            for variable in self.settled:
                lanes.put(w.mask, variable, "zeroinitializer")
            w.line("  br label %tested")
            w.label("tested")
        kept = self._steps(t, active)
        for index, place in enumerate(where):
            mask = active[index]
            if plan.tested:
                settled = lanes.get(w.mask, self.settled[index])
                mask = w.both(mask, w.opposite(settled))
                lanes.add(self.ended, lanes.end(settled, place, SETTLED, t))
            values = {name: lanes.get(w.vector, variable) for name, variable in self.state[index].items()}
            for name, value in (values | kept[index]).items():
                lanes.write(value, lanes.column(name, place), mask)
        w.line("  br label %grouped")

    def _steps(self, t: str, active: list[str]) -> list[dict[str, str]]:
        """``every`` steps: a loop over proven stretches, then the rest; the last ones keep what passes through."""
        w, lanes, plan, loop = self.w, self.lanes, self.plan, self.loop
        full = loop.memory if loop.passing else 0
        block = max(1, min(plan.proven, plan.every - full))
        rounds = (plan.every - full) // block
        rest = plan.every - full - rounds * block
        lanes.put("i64", self.inner, "0")
        w.line("  br label %round")
        w.label("round")
        inner = lanes.get("i64", self.inner)
        now = w.do(f"add i64 {t}, {w.do(f'mul i64 {inner}, {block}')}")
        lanes.put("i64", self.step, now)
        until = w.do(f"add i64 {now}, {block}")
        w.line("  br label %one")
        w.label("one")
        moment = lanes.get("i64", self.step)
        self._advance(moment)
        after = w.do(f"add i64 {moment}, 1")
        lanes.put("i64", self.step, after)
        w.line(f"  br i1 {w.do(f'icmp eq i64 {after}, {until}')}, label %stepped, label %one")
        w.label("stepped")
        self._moderate("moderate", active)
        following = w.do(f"add i64 {inner}, 1")
        lanes.put("i64", self.inner, following)
        w.line(f"  br i1 {w.do(f'icmp eq i64 {following}, {rounds}')}, label %rest, label %round")
        w.label("rest")
        kept: list[dict[str, str]] = [{} for _ in range(self.unroll)]
        since = 0
        for offset in range(rest + full):
            if since == plan.proven:
                self._moderate(f"again{offset}", active)
                since = 0
            moment = w.do(f"add i64 {t}, {rounds * block + offset}")
            if offset < rest:
                self._advance(moment)
            else:
                kept = self._advance_fully(moment, kept)
            since += 1
        return kept

    def _seen(self, t: str, vectors: range, more: list[dict[str, str]] | None = None) -> list[dict[str, str]]:
        """Everything that is known of these vectors at step t, what is observed included."""
        w, lanes, time = self.w, self.lanes, self.lanes.time(t)
        found: list[dict[str, str]] = []
        for index in vectors:
            known = self.uniform | self.varying[index] | {"tolerance": self.tolerance, "t": time}
            known |= {name: lanes.get(w.vector, variable) for name, variable in self.state[index].items()}
            found.append(known | more[index] if more else known)
        observe = self.loop.observe.select([name for name in self.loop.observed if name in self.loop.observed_by_light])
        seen = w.programs(self.plan.printed(observe), found)
        return [known | observed for known, observed in zip(found, seen, strict=True)]

    @property
    def _together(self) -> list[range]:
        """Which vectors are written operation by operation beside each other, so that one waits while others work.

        Short programs are written one vector after the other: the processor looks far enough ahead by itself, and fewer
        registers are taken.
        """
        if self.loop.operation_count > _SHORT:
            return [range(self.unroll)]
        return [range(index, index + 1) for index in range(self.unroll)]

    def _advance(self, t: str, more: list[dict[str, str]] | None = None) -> list[dict[str, str]]:
        """One step of what persists; the next values of everything that the program makes."""
        names = self.loop.persistent if more is None else (*self.loop.persistent, *self.loop.passing)
        program = self.plan.printed(self.loop.advance.select(names))
        found: list[dict[str, str]] = []
        for vectors in self._together:
            moved = self.w.programs(program, self._seen(t, vectors, more))
            for index, values in zip(vectors, moved, strict=True):
                for name, variable in self.state[index].items():
                    self.lanes.put(self.w.vector, variable, values[name])
            found += moved
        return found

    def _advance_fully(self, t: str, before: list[dict[str, str]]) -> list[dict[str, str]]:
        """One step of everything; the passing numbers after it."""
        unknown = dict.fromkeys(self.loop.passing, "zeroinitializer")
        moved = self._advance(t, [unknown | kept for kept in before])
        return [{name: values[name] for name in self.loop.passing} for values in moved]

    def _moderate(self, label: str, active: list[str]) -> None:
        """Go on only if the state of every lane that counts is moderate; otherwise do the stretch carefully."""
        w, lanes = self.w, self.lanes
        bad = ""
        moving = [name for name in self.loop.carried if name not in self.loop.still]
        for index in range(self.unroll):
            total = ""
            for name in moving:
                size = w.call("fabs", [lanes.get(w.vector, self.state[index][name])])
                total = w.do(f"fadd {w.vector} {total}, {size}") if total else size
            beyond = w.both(active[index], w.do(f"fcmp ugt {w.vector} {total}, {w.splat('%limit')}"))
            bad = w.do(f"or {w.mask} {bad}, {beyond}") if bad else beyond
        w.line(f"  br i1 {w.any(bad)}, label %careful, label %{label}")
        w.label(label)
