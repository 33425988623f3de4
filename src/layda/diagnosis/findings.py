"""What a diagnosis is made of: plain data, from which words in any language are made afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from layda.errors import SpecError
from layda.rule import Rule
from layda.run import Trajectory
from layda.specs import rule_text
from layda.words import Say

__all__ = ["Diagnosis", "Finding", "Outcome", "Remedy", "Sentence", "shown", "tell"]


@dataclass(frozen=True)
class Sentence:
    """A sentence that is not spoken yet.

    Attributes:
        text: English, with the names of its numbers in braces.
        numbers: name -> number or word; a :class:`Sentence` is spoken first.
    """

    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def spoken(self, say: Say) -> str:
        """The sentence in the speaker's language, numbers to four figures."""
        return say(self.text, **{name: _shown(value, say) for name, value in self.numbers.items()})


def _shown(value: Any, say: Say) -> str:
    if isinstance(value, Sentence):
        return value.spoken(say)
    return shown(value) if isinstance(value, float) else str(value)


def shown(value: float) -> str:
    """A number to four figures.

    >>> shown(0.05), shown(1e-7), shown(123456.0)
    ('0.05', '1e-7', '1.235e5')
    """
    return re.sub(r"e([+-])0*", lambda sign: "e-" if sign[1] == "-" else "e", f"{value:.4g}")


def tell(text: str, **numbers: Any) -> Sentence:
    """A sentence with its numbers.

    >>> tell("{count} steps", count=3).numbers
    {'count': 3}
    """
    return Sentence(text, numbers)


@dataclass(frozen=True)
class Outcome:
    """What became of a remedy when it was tried.

    Attributes:
        kind: the verdict. steps: after how many steps. value: f at the end.
    """

    kind: str
    steps: int
    value: float


@dataclass(frozen=True)
class Remedy:
    """What to do, as settings that can be passed straight back: ``layda.descend(objective, **remedy.arguments)``.

    Attributes:
        rule: the rule with its new settings. changes: name -> new value, of what differs.
        reasons: why these.
        start: another start, where that is what helps.
        steps: another budget, where that is what helps.
        outcome: what became of it when it was tried; ``None`` when it was not.
        windows: name of a setting -> (low, high), all of which helps like the value chosen.
    """

    rule: Rule
    changes: Mapping[str, Any]
    reasons: tuple[Sentence, ...] = ()
    start: tuple[float, ...] | None = None
    steps: int | None = None
    outcome: Outcome | None = None
    windows: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def arguments(self) -> dict[str, Any]:
        """What to call :func:`layda.descend` with besides the objective."""
        found: dict[str, Any] = {"rule": self.rule}
        if self.start is not None:
            found["start"] = self.start
        if self.steps is not None:
            found["steps"] = self.steps
        return found

    @property
    def text(self) -> str:
        """The rule as it is typed, such as "HeavyBall(learning_rate=0.02, momentum=0.9, form=velocity)"."""
        try:
            return rule_text(self.rule)
        except SpecError:  # a rule of the user's own, which no text can name
            return str(self.rule)


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name. seen: what was measured. means: what follows from it. remedies: what to do, the best first.
    """

    check: str
    seen: tuple[Sentence, ...]
    means: tuple[Sentence, ...]
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with a run, and what to do.

    Attributes:
        run: the run. label: its name. kind: its verdict. checks: the names of the checks that were made.
        findings: what they found; none for a healthy run.
        gradients: what the diagnosis cost, in evaluations of the gradient. own: what the run itself cost.
        notes: what could not be done, and why.
    """

    run: Trajectory = field(repr=False)
    label: str
    kind: str
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    gradients: float
    own: int
    notes: tuple[Sentence, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether no check found anything."""
        return not self.findings

    @property
    def remedy(self) -> Remedy | None:
        """The first remedy: the one to follow."""
        return next((remedy for finding in self.findings for remedy in finding.remedies), None)

    def __str__(self) -> str:
        from layda.diagnosis.report import report

        return report(self)
