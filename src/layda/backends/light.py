"""The light text of :mod:`layda.backends.lanes`: whole stretches in registers, several vectors side by side.

A group of lanes goes through a *chunk* of steps with its state in registers: proven steps, a test that the state is
moderate, proven steps, …; where the stopping test is due it is asked, and lanes that have settled are written down. At
the end of the chunk the others are. When a state is not moderate nothing of the chunk has been written for the lanes
that still roll, and the careful text does the chunk again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layda.backends.vector import Writer
from layda.program import Program
from layda.program.loop import SETTLED

__all__ = ["write_march"]


def write_march(plan: Any, w: Writer, lanes: Any) -> None:
    """``march``: every lane from t0 to t1, chunk by chunk, each of a whole number of ``plan.every`` steps.

    Arguments of the printed function: cols, stride, n, scalars, t0, t1, chunk, tolerance, limit, code, step, ended.
    """
    _Light(plan, w, lanes).write()


class _Light:
    def __init__(self, plan: Any, w: Writer, lanes: Any) -> None:
        self.plan, self.w, self.lanes, self.loop = plan, w, lanes, plan.loop
        self.unroll = plan.unroll
        self.group = w.width * self.unroll
        # The last steps before a test keep what passes through: the last positions, the last gradient.
        self.full = self.loop.memory if self.loop.passing else 0
        self.block = max(1, plan.proof.steps - self.full)

    def write(self) -> None:
        """The function: groups of lanes, and each of them chunk by chunk."""
        w, lanes, plan, loop = self.w, self.lanes, self.plan, self.loop
        w.line(
            "define void @march(ptr %cols, i64 %stride, i64 %n, ptr %scalars, i64 %t0, i64 %t1, i64 %chunk, "
            f"{w.scalar} %tolerance, {w.scalar} %limit, ptr %code, ptr %step, ptr %ended) {{"
        )
        w.label("entry")
        self.place, self.clock, self.now = (lanes.variable("i64", "0") for _ in range(3))
        self.until = lanes.variable("i64", "0")
        self.state = [{name: lanes.variable(w.vector) for name in loop.persistent} for _ in range(self.unroll)]
        # Whatever it is before: the last steps of a span are enough to make it anew.
        self.kept = [
            {name: lanes.variable(w.vector, "zeroinitializer") for name in loop.passing} for _ in range(self.unroll)
        ]
        self.active = [lanes.variable(w.mask) for _ in range(self.unroll)]
        self.uniform = lanes.numbers(None)
        self.tolerance = w.splat("%tolerance")
        w.line("  br label %group")
        w.label("group")
        lane = lanes.get("i64", self.place)
        lanes.put("i64", self.clock, "%t0")
        w.line(f"  br i1 {w.do(f'icmp slt i64 {lane}, %n')}, label %ahead, label %done")
        w.label("ahead")
        t = lanes.get("i64", self.clock)
        w.line(f"  br i1 {w.do(f'icmp slt i64 {t}, %t1')}, label %look, label %grouped")
        w.label("look")
        self.where = [w.do(f"add i64 {lane}, {index * w.width}") for index in range(self.unroll)]
        for variable, place in zip(self.active, self.where, strict=True):
            lanes.put(w.mask, variable, lanes.active(place))
        w.line(f"  br i1 {self._some_active()}, label %work, label %grouped")
        w.label("work")
        whole = w.do(f"add i64 {t}, %chunk")
        stop = w.do(f"select i1 {w.do(f'icmp sgt i64 {whole}, %t1')}, i64 %t1, i64 {whole}")
        if plan.proof.steps and (plan.every >= self.full or not plan.tested):
            over = w.do(f"sub i64 {stop}, {t}")
            unfit = w.do(f"icmp slt i64 {over}, {self.full}")
            if plan.tested:  # what is left after the last test must be enough for the steps that keep what passes
                over = w.do(f"srem i64 {over}, {plan.every}")
                few = w.do(f"icmp slt i64 {over}, {self.full}")
                unfit = w.do(f"and i1 {few}, {w.do(f'icmp sgt i64 {over}, 0')}")
            w.line(f"  br i1 {unfit}, label %careful, label %light")
            self._light(t, stop)
        else:
            w.line("  br label %careful")
        w.label("careful")
        for place in self.where:
            w.line(
                f"  call void @careful(ptr %cols, i64 %stride, i64 {place}, ptr %scalars, i64 {t}, i64 {stop}, "
                f"{w.scalar} %tolerance, ptr %code, ptr %step, ptr %ended)"
            )
        w.line("  br label %chunked")
        w.label("chunked")
        lanes.put("i64", self.clock, stop)
        w.line("  br label %ahead")
        w.label("grouped")
        lanes.add(self.place, str(self.group))
        w.line("  br label %group")
        w.label("done")
        w.line("  ret void\n}")

    def _some_active(self) -> str:
        some = self.lanes.get(self.w.mask, self.active[0])
        for variable in self.active[1:]:
            some = self.w.do(f"or {self.w.mask} {some}, {self.lanes.get(self.w.mask, variable)}")
        return self.w.any(some)

    def _light(self, t: str, stop: str) -> None:
        """One chunk of one group: the state into registers, spans of ``every`` steps, the state back."""
        w, lanes, plan, loop = self.w, self.lanes, self.plan, self.loop
        w.label("light")
        fixed = (*plan.varying, *(name for name in loop.state if name in loop.still))
        self.varying = [{name: lanes.read(lanes.column(name, place)) for name in fixed} for place in self.where]
        for own, place in zip(self.state, self.where, strict=True):
            for name, variable in own.items():
                lanes.put(w.vector, variable, lanes.read(lanes.column(name, place)))
        self._write_programs()
        lanes.put("i64", self.now, t)
        self._moderate("span")
        if plan.tested:
            whole = w.do(f"add i64 {lanes.get('i64', self.now)}, {plan.every}")
            short = w.do(f"icmp sgt i64 {whole}, {stop}")
            end = w.do(f"select i1 {short}, i64 {stop}, i64 {whole}")
            self._steps(end)
            w.line(f"  br i1 {short}, label %finished, label %test")
            w.label("test")
            self._test(end)
            w.line(f"  br i1 {w.do(f'icmp slt i64 {end}, {stop}')}, label %span, label %finished")
        else:
            self._steps(stop)
            w.line("  br label %finished")
        w.label("finished")
        for index in range(self.unroll):
            self._store(index, lanes.get(w.mask, self.active[index]))
        w.line("  br label %chunked")

    def _write_programs(self) -> None:
        """One step as one program, as it is printed here: what the proof decides is decided."""
        loop, plan = self.loop, self.plan
        self.observe = plan.proven(loop.observe.select(loop.observed))
        self.advance = plan.proven(loop.step(loop.persistent))
        self.advance_fully = plan.proven(loop.step((*loop.persistent, *loop.passing)))

    def _steps(self, end: str) -> None:
        """Steps up to ``end``, so that after it the state is moderate and everything is known for the test."""
        w, lanes = self.w, self.lanes
        before = w.do(f"sub i64 {end}, {self.full}")
        w.line("  br label %round")
        w.label("round")
        begin = lanes.get("i64", self.now)
        reach = w.do(f"add i64 {begin}, {self.block}")
        last = w.do(f"icmp sge i64 {reach}, {before}")
        lanes.put("i64", self.until, w.do(f"select i1 {last}, i64 {before}, i64 {reach}"))
        w.line("  br label %one")
        w.label("one")
        moment = lanes.get("i64", self.now)
        until = lanes.get("i64", self.until)
        w.line(f"  br i1 {w.do(f'icmp slt i64 {moment}, {until}')}, label %go, label %gone")
        w.label("go")
        self._advance(moment)
        lanes.add(self.now, "1")
        w.line("  br label %one")
        w.label("gone")
        w.line(f"  br i1 {last}, label %rest, label %between")
        w.label("between")
        self._moderate("round")
        w.label("rest")
        since = self.block
        for offset in range(self.full):
            if since == self.plan.proof.steps:
                self._moderate(f"full{offset}")
                since = 0
            self._advance_fully(w.do(f"add i64 {before}, {offset}"))
            since += 1
        lanes.put("i64", self.now, end)
        self._moderate("moderate")

    def _test(self, t: str) -> None:
        """The stopping test; lanes that have settled are written down and roll no more.

        Of two conditions that must both hold the first is asked of all, and the rest only where it holds somewhere.
        """
        w, lanes, check = self.w, self.lanes, self.plan.printed(self.loop.check)
        passing = [{name: lanes.get(w.vector, variable) for name, variable in own.items()} for own in self.kept]
        known = self._known(t, range(self.unroll), passing)
        needed = w.programs(_necessary(check), known)
        for index, own in enumerate(known):
            active = self.active[index]
            possible = w.both(lanes.get(w.mask, active), needed[index]["settled"])
            w.line(f"  br i1 {w.any(possible)}, label %possible{index}, label %tested{index}")
            w.label(f"possible{index}")
            seen = w.program(self.observe, own)
            settled = w.both(possible, w.program(check, own | seen)["settled"])
            w.line(f"  br i1 {w.any(settled)}, label %settled{index}, label %tested{index}")
            w.label(f"settled{index}")
            lanes.end(settled, self.where[index], SETTLED, t)
            self._store(index, settled)
            lanes.put(w.mask, active, w.both(lanes.get(w.mask, active), w.opposite(settled)))
            w.line(f"  br label %tested{index}")
            w.label(f"tested{index}")
        w.line(f"  br i1 {self._some_active()}, label %tested, label %chunked")
        w.label("tested")

    def _store(self, index: int, mask: str) -> None:
        w, lanes = self.w, self.lanes
        for name, variable in (self.state[index] | self.kept[index]).items():
            lanes.write(lanes.get(w.vector, variable), lanes.column(name, self.where[index]), mask)

    def _known(self, t: str, vectors: range, more: list[dict[str, str]] | None = None) -> list[dict[str, str]]:
        """Everything that is known of these vectors at step t."""
        w, lanes, time = self.w, self.lanes, self.lanes.time(t)
        found: list[dict[str, str]] = []
        for index in vectors:
            known = self.uniform | self.varying[index] | {"tolerance": self.tolerance, "t": time}
            known |= {name: lanes.get(w.vector, variable) for name, variable in self.state[index].items()}
            found.append(known | more[index] if more else known)
        return found

    @property
    def _together(self) -> list[range]:
        """Which vectors are written operation by operation beside each other, so that one waits while others work.

        Short programs are written one vector after the other: the processor looks far enough ahead by itself, and fewer
        registers are taken.
        """
        if self.plan.short:
            return [range(index, index + 1) for index in range(self.unroll)]
        return [range(self.unroll)]

    def _advance(self, t: str) -> None:
        """One step of what persists."""
        for vectors in self._together:
            moved = self.w.programs(self.advance, self._known(t, vectors))
            for index, values in zip(vectors, moved, strict=True):
                for name, variable in self.state[index].items():
                    self.lanes.put(self.w.vector, variable, values[name])

    def _advance_fully(self, t: str) -> None:
        """One step of everything."""
        w, lanes = self.w, self.lanes
        for vectors in self._together:
            before = [{name: lanes.get(w.vector, variable) for name, variable in own.items()} for own in self.kept]
            moved = w.programs(self.advance_fully, self._known(t, vectors, before))
            for index, values in zip(vectors, moved, strict=True):
                for name, variable in (self.state[index] | self.kept[index]).items():
                    lanes.put(w.vector, variable, values[name])

    def _moderate(self, label: str) -> None:
        """Go on only if the state of every lane that counts is moderate; otherwise do the chunk carefully."""
        w, lanes = self.w, self.lanes
        totals: list[str] = []
        for index in range(self.unroll):
            known = {name: lanes.get(w.vector, variable) for name, variable in self.state[index].items()}
            known |= {name: self.varying[index][name] for name in self.loop.still}
            sizes = [w.call("fabs", [known[name]]) for name in self.loop.carried]
            totals.append(w.choose(lanes.get(w.mask, self.active[index]), self._total(sizes), w.number(0.0)))
        # One comparison for all: it takes a multiplier's time, sums do not.
        bad = w.do(f"fcmp ugt {w.vector} {self._total(totals)}, {w.splat('%limit')}")
        w.line(f"  br i1 {w.any(bad)}, label %careful, label %{label}")
        if label != "round":
            w.label(label)

    def _total(self, values: list[str]) -> str:
        """The sum, added up in pairs."""
        while len(values) > 1:
            pairs = [values[index : index + 2] for index in range(0, len(values), 2)]
            values = [self.w.do(f"fadd {self.w.vector} {', '.join(p)}") if len(p) > 1 else p[0] for p in pairs]
        return values[0]


def _necessary(check: Program) -> Program:
    """The part of the stopping test that asks for the first of its two conditions; the whole where there is one."""
    last = check.nodes[dict(check.outputs)["settled"]]
    first = last.args[0] if last.op == "and" else dict(check.outputs)["settled"]
    return replace(check, outputs=(("settled", first),)).select(["settled"])
