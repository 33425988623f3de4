"""Any rule as a function written out in a library's arithmetic, from the rule's own step: the way that always works."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, fields, replace
from typing import Any

from layda.porting.expressions import Dialect, Printer
from layda.porting.schedules import Setting
from layda.program import Program
from layda.program.tracing import Graph
from layda.rule import Rule
from layda.schedules import Schedule
from layda.settings import numbers_of, replaced

__all__ = ["ByHand", "settings_of"]


def settings_of(rule: Rule) -> dict[str, Setting]:
    """The settings that take part in the step, by path: numbers, schedules, and each number of a tuple."""
    found: dict[str, Setting] = {}
    for item in fields(rule):
        value = getattr(rule, item.name)
        if item.metadata.get("constant") or (item.name == "weight_decay" and not rule.decays_weights):
            continue
        if isinstance(value, tuple):
            found |= {f"{item.name}.{i}": Setting(f"{item.name}.{i}", one) for i, one in enumerate(value)}
        elif isinstance(value, float | Schedule):
            found[item.name] = Setting(item.name, value)
    return found


@dataclass
class ByHand:
    """A rule's step, written out.

    Attributes:
        rule: the rule.
        arrays: how arrays are written. plain: how numbers are; ``None`` where all are arrays.
    """

    rule: Rule
    arrays: Dialect
    plain: Dialect | None

    def __post_init__(self) -> None:
        self.settings = settings_of(self.rule)
        self.slots = self.rule.slots
        self.variables = {slot.name: _variable(slot.name, index) for index, slot in enumerate(self.slots)}
        self.step_program, self.answer_program = _traced(self.rule, self.settings)
        used = {node.value for node in self.step_program.nodes if node.op == "input"}
        if self.rule.decays_weights:
            used |= {"weight_decay"} | ({"learning_rate"} if self.rule.decoupled else set())
        self._used = [name for name in self.settings if name in used]
        self._ahead = [name for name in self.settings if f"next {name}" in used]

    @property
    def scheduled(self) -> list[Setting]:
        """The settings that change with the step."""
        return [self.settings[name] for name in self.settings if self.settings[name].constant is None]

    @property
    def uses_step(self) -> bool:
        """Whether the step must be told its number."""
        return any(self.settings[name].constant is None for name in (*self._used, *self._ahead))

    def constants(self) -> list[str]:
        """Lines that give the constant settings their names."""
        lines, seen = [], set()
        wanted = {*self._used, *self._ahead}
        wanted |= {str(node.value) for node in self.answer_program.nodes if node.op == "input"}
        for name, setting in self.settings.items():
            head = name.partition(".")[0]
            value = getattr(self.rule, head)
            if isinstance(value, tuple) and all(isinstance(one, float) for one in value):
                if head not in seen and any(one.startswith(head + ".") for one in wanted):
                    lines.append(f"{head} = {value!r}")
                seen.add(head)
            elif setting.constant is not None and name in wanted:
                lines.append(f"{_name(self.rule, name)} = {setting.constant!r}")
        return lines

    def state(self, zeros: str, position: str) -> str:
        """The tuple of the slots before the first step."""
        texts = []
        for slot in self.slots:
            if slot.start == "position":
                texts.append(position)
            elif slot.shared:
                texts.append(repr(float(slot.start)))
            else:
                texts.append(zeros if slot.start == 0.0 else f"{zeros} + {float(slot.start)!r}")
        return _tuple(texts)

    def step(self) -> list[str]:
        """The function ``step(position, gradient, state)``, with the step's number k where a schedule needs it."""
        rule = self.rule
        lines = [f"def step(position, gradient, state{', k' if self.uses_step else ''}):"]
        body = [f"{_tuple(list(self.variables.values()), bare=True)} = state"] if self.slots else []
        for name in self._used:
            if self.settings[name].constant is None:
                body.append(f"{_name(rule, name)} = {self.settings[name].at('k')}")
        for name in self._ahead:
            if self.settings[name].constant is None:
                body.append(f"next_{_name(rule, name)} = {self.settings[name].at('k + 1')}")
        body += self._decay()
        printer = self._printer(self.step_program)
        body += printer.lines
        results = [printer.text(slot.name) for slot in self.slots]
        moved = "moved" if "position" in results else "position"  # a slot may keep the old position
        body += printer.assigned(f"{moved} = ", "position")
        return [*lines, *(f"    {line}" for line in body), f"    return {moved}, {_tuple(results)}"]

    def answer(self, last: str) -> list[str]:
        """Lines that make ``answer`` of position and state after the last step; none where it is the position."""
        program = self.answer_program
        node = program.nodes[program.outputs[0][1]]
        if node.op == "input" and node.value == "position":
            return []
        printer = Printer(program, self._names(last), self.arrays, self.plain, self._numbers())
        read = {str(node.value) for node in program.nodes if node.op == "input"}
        kept = [own if name in read else "_" for name, own in self.variables.items()]
        return [f"{_tuple(kept, bare=True)} = state", *printer.lines, *printer.assigned("answer = ", "answer")]

    def _decay(self) -> list[str]:
        rule = self.rule
        if not rule.decays_weights:
            return []
        if not rule.decoupled:
            return ["gradient = gradient + weight_decay * position"]
        target = self.variables.get(rule.decay_target, "position")
        return [f"{target} = {target} - learning_rate * weight_decay * position"]

    def _names(self, step: str | None = None) -> dict[str, str]:
        names = {"position": "position", "gradient": "gradient"} | self.variables
        for name, setting in self.settings.items():
            fixed = setting.constant is not None
            own = _name(self.rule, name)
            names[name] = own if fixed or step is None else setting.at(step)
            names[f"next {name}"] = own if fixed else f"next_{own}"
        return names

    def _numbers(self) -> frozenset[str]:
        shared = {slot.name for slot in self.slots if slot.shared}
        return frozenset(shared | set(self.settings) | {f"next {name}" for name in self.settings})

    def _printer(self, program: Program) -> Printer:
        """The step with names for the slots' new values: their own where the old one is not read afterwards."""
        ends = dict(program.outputs)
        names: dict[str, str] = {}
        for slot in self.slots:
            node = program.nodes[ends[slot.name]]
            if node.op in ("input", "const"):
                continue
            own = self.variables[slot.name]
            names[slot.name] = f"new_{own}" if _read_later(program, slot.name) else own
        return Printer(program, self._names(), self.arrays, self.plain, self._numbers(), names)


def _read_later(program: Program, slot: str) -> bool:
    """Whether another output that is computed after the slot's new value, or from it, reads the old one."""
    ends = dict(program.outputs)
    own = ends[slot]
    reached: dict[int, bool] = {}

    def reads(index: int) -> bool:
        """Whether the line reads the old value, other than through the new one."""
        if index not in reached:
            node = program.nodes[index]
            if node.op == "input":
                reached[index] = node.value == slot
            else:
                reached[index] = index != own and any(reads(arg) for arg in node.args)
        return reached[index]

    return any(reads(index) for name, index in program.outputs if name != slot)


def _variable(slot: str, index: int) -> str:
    """A slot's name in the code; another one where Python, or the code itself, has the name already."""
    reserved = {"position", "gradient", "state", "answer", "moved", "step", "k", "f"}
    good = slot.isidentifier() and not keyword.iskeyword(slot) and slot not in reserved
    return slot if good else f"slot_{index}"


def _name(rule: Rule, path: str) -> str:
    """momenta.1 is momenta[1] where the tuple is one of numbers."""
    head, dot, place = path.partition(".")
    if not dot:
        return head
    plain = all(isinstance(one, float) for one in getattr(rule, head))
    return f"{head}[{place}]" if plain else f"{head}_{place}"


def _tuple(texts: list[str], bare: bool = False) -> str:
    if len(texts) == 1:
        return f"({texts[0]},)"
    return ", ".join(texts) if bare else f"({', '.join(texts)})"


def _traced(rule: Rule, settings: dict[str, Setting]) -> tuple[Program, Program]:
    """The rule's step, and its answer, with every setting an input."""
    graph = Graph()
    numeric = _with_numbers(rule)
    now = replaced(numeric, {path: graph.input(path) for path in numbers_of(numeric)})
    changing = {path for path, setting in settings.items() if setting.constant is None}
    coming = {path: f"next {path}" if path in changing else path for path in numbers_of(numeric)}
    ahead = replaced(numeric, {path: graph.input(name) for path, name in coming.items()})
    position, gradient = graph.input("position"), graph.input("gradient")
    slots = tuple(graph.input(slot.name) for slot in rule.slots)
    moved, state = now.step(position, gradient, slots, ahead)
    inputs = [str(node.value) for node in graph.nodes if node.op == "input"]
    outputs = {"position": moved} | {slot.name: new for slot, new in zip(rule.slots, state, strict=True)}
    answer = now.estimate(position, slots)
    return graph.program(inputs, outputs), graph.program(inputs, {"answer": answer})


def _with_numbers(rule: Rule) -> Any:
    """The rule with the first value of each schedule in its place."""
    changes: dict[str, Any] = {}
    for item in fields(rule):
        value = getattr(rule, item.name)
        if isinstance(value, Schedule):
            changes[item.name] = value.values(1)[0]
        elif isinstance(value, tuple) and any(isinstance(one, Schedule) for one in value):
            changes[item.name] = tuple(one.values(1)[0] if isinstance(one, Schedule) else one for one in value)
    return replace(rule, **changes) if changes else rule
