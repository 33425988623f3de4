"""What the printer of a library must know: how it spells things, which rules it has itself, how its loop is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from layda.objectives.data import DataObjective
from layda.porting.by_hand import ByHand
from layda.porting.expressions import Dialect
from layda.porting.schedules import Setting
from layda.rule import Rule

__all__ = ["BEHIND", "Library", "Way", "call", "counter", "indented", "positive"]

_LONGEST = 110
BEHIND = "# The parameters are the look-ahead point, where gradients are taken; the answer is the ball behind it."


@dataclass(frozen=True)
class Way:
    """A rule as the library has it.

    Attributes:
        optimizer: lines that make ``optimizer``, and its scheduler.
        notes: what a reader must know, one comment each.
        functions: the settings whose functions of the step k are needed.
        imports: further import lines.
        before, after: lines of the loop before and after the optimizer's step.
        pull: text that is added to the gradient.
        answer: lines that make ``answer``, where it is not the position.
    """

    optimizer: Sequence[str]
    notes: Sequence[str] = ()
    functions: Sequence[Setting] = ()
    imports: Sequence[str] = ()
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    pull: str = ""
    answer: Sequence[str] = ()


class Library(ABC):
    """One library that code is printed for. To add one: a subclass in a file of its own, and a line in ``code.py``."""

    title: ClassVar[str]
    home: ClassVar[str]
    """Where its optimizers live, for sentences such as "torch.optim has no lion"."""
    arrays: ClassVar[Dialect]
    plain: ClassVar[Dialect | None]
    """How plain numbers are written in the step; ``None`` where they are arrays too."""
    imports: ClassVar[tuple[str, ...]]
    differentiates: ClassVar[bool] = True
    """Whether it takes gradients of a function itself, whatever runs beneath it."""
    zeros: ClassVar[str]

    @abstractmethod
    def way(self, rule: Rule, steps: int) -> Way | str:
        """The rule as the library has it, or a sentence that says why it has not."""

    @abstractmethod
    def start(self, numbers: str, by_hand: bool) -> str:
        """The line that makes ``position`` of a list of numbers."""

    @abstractmethod
    def loop(self, way: Way, steps: int, batches: bool) -> list[str]:
        """The lines of the run with the library's optimizer."""

    @abstractmethod
    def loop_by_hand(self, hand: ByHand, steps: int, batches: bool) -> list[str]:
        """The lines of the run with ``step``."""

    @abstractmethod
    def shown(self, name: str, label: str) -> str:
        """The line that prints the answer and f there."""

    @abstractmethod
    def unpacked(self, names: Sequence[str]) -> str:
        """The line that takes the coordinates out of ``position``."""

    @abstractmethod
    def stacked(self, texts: Sequence[str]) -> str:
        """The text of an array of numbers."""

    @abstractmethod
    def loss_of(self, objective: DataObjective) -> tuple[str, str]:
        """The texts of the mean loss of ``scores``, and of tanh."""

    @abstractmethod
    def array(self, text: str) -> str:
        """The text of an array of the library from one of NumPy."""


def call(start: str, function: str, arguments: Sequence[str]) -> list[str]:
    """``start function(arguments)``, one argument to a line where one line would be too long."""
    line = f"{start}{function}({', '.join(arguments)})"
    if len(line) <= _LONGEST:
        return [line]
    return [f"{start}{function}(", *(f"    {argument}," for argument in arguments), ")"]


def indented(lines: Sequence[str]) -> list[str]:
    """The lines, one level deeper."""
    return [f"    {line}" if line else "" for line in lines]


def counter(lines: Sequence[str], steps: int) -> str:
    """``for k in range(steps):``, the counter only where it is read."""
    used = any("(k" in line or ", k)" in line for line in lines)
    return f"for {'k' if used else '_'} in range({steps}):"


def positive(setting: Setting, steps: int) -> bool:
    """Whether the setting is above zero, and far from where numbers lose their digits, at every step."""
    return all(value > 1e-150 for value in setting.values(max(steps, 1)))
