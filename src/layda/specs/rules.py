"""Text <-> rule: ``heavy-ball:momentum=0.9,form=step``, ``HeavyBall(0.1)``, ``SGD(lr=0.1)``, ``file.py:MyRule``."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from layda.errors import SpecError, UnknownNameError, nearest
from layda.rule import Rule
from layda.rules import ALL
from layda.rules.convert import _Averaged, _Inner, _Rescaled
from layda.schedules import ALL as SCHEDULES
from layda.schedules import Schedule
from layda.settings import name_here
from layda.specs.files import file_of, from_file, split_file
from layda.specs.text import Call, check_length, plain_name, read_call, shown, split_options
from layda.specs.torch_style import from_torch, is_torch_style

__all__ = ["rule_text", "short_rule_text", "to_rule"]

# What `convert` makes of a rule under a schedule: nobody types them, but a saved rule is read back with them.
_BRIDGES: tuple[type[Schedule], ...] = (_Rescaled, _Inner, _Averaged)
_Made = TypeVar("_Made", Rule, Schedule)
_CALL = re.compile(r"[\w.\- ]+\(")
_ELSEWHERE = {
    "momentum": "heavy-ball", "polyak": "heavy-ball", "classicalmomentum": "heavy-ball", "nag": "nesterov",
    "nesterovmomentum": "nesterov", "acceleratedgradient": "nesterov", "gd": "gradient-descent",
    "gradient": "gradient-descent", "steepestdescent": "gradient-descent", "qhm": "quasi-hyperbolic",
    "aggmo": "aggregated-momentum", "signum": "sign-momentum", "signsgd": "sign-momentum",
    "sgdschedulefree": "schedule-free", "schedulefreesgd": "schedule-free", "exponentiallr": "exponential",
    "steplr": "step", "cosineannealinglr": "cosine", "cosineannealing": "cosine", "piecewiseconstant": "step",
    "linearwarmup": "warmup",
}  # fmt: skip
"""What other libraries and papers call a rule or a schedule, without hyphens -> its name here."""
_HOUSE = re.compile(r"layda\.((rules|schedules)\.)?")


def to_rule(spec: str | Rule | type[Rule], *, files: bool = True) -> Rule:
    """The rule that a text (or a rule, or a rule's class) stands for.

    Args:
        spec: ``name``, ``name:key=value,…``, ``Name(value, key=value)``, torch.optim's ``SGD(lr=0.1, momentum=0.9)``,
            or ``file.py:MyRule[:key=value,…]``. Values are numbers, words, tuples, or schedules written as calls.
        files: whether ``file.py:MyRule`` is allowed.

    Raises:
        UnknownNameError: no such rule or setting. SpecError: the text cannot be read, or the file fails.
        SettingError: a value out of range. FileError: no such file.

    >>> to_rule("heavy-ball:learning_rate=ExponentialDecay(0.5, 0.9)").learning_rate
    ExponentialDecay(initial=0.5, decay=0.9, before_first_step=True)
    >>> to_rule("SGD(lr=0.1, momentum=0.9)")
    HeavyBall(learning_rate=0.1, momentum=0.9, form='step')
    """
    if isinstance(spec, Rule):
        return spec
    if isinstance(spec, type) and issubclass(spec, Rule):
        return _made(_rule_class(spec, spec.__name__), (), {})
    if not isinstance(spec, str):
        raise SpecError(
            f"a rule is given as {type(spec).__name__}; allowed are a rule, its class, or text; "
            "write heavy-ball:momentum=0.9, for example"
        )
    text = spec.strip()
    if not text:
        raise SpecError(f"the rule is an empty text; {nearest('', [cls.name for cls in ALL])}; write one of them")
    check_length(text)
    in_file = split_file(text)
    if in_file is not None:
        if not files:
            raise SpecError(f"{shown(text)} names a Python file, which is not allowed here; name one of the rules")
        return _from_file(*in_file)
    if _CALL.match(text):
        return _from_call(read_call(text))
    name, colon, options = text.partition(":")
    if not re.fullmatch(r"[^\W\d_][\w. -]*", name):
        raise SpecError(f"{shown(text)} is no rule; write a name such as heavy-ball, name:key=value or Name(key=value)")
    if colon and not options.strip():
        raise SpecError(f"{shown(text)} ends with a colon; write key=value after it, or leave it out")
    return _from_call(Call(name.strip(), (), split_options(options, name.strip()) if colon else {}))


def _from_call(call: Call) -> Rule:
    if is_torch_style(call):
        args = tuple(item.name if _is_parameters(item) else _setting(item) for item in call.args)
        return from_torch(Call(call.name, args, {key: _setting(value) for key, value in call.keywords.items()}))
    return _made(_lookup(call.name, ALL, "rule"), call.args, call.keywords)


def _is_parameters(value: Any) -> bool:
    """``model.parameters()``, which torch takes first and nobody needs here."""
    return isinstance(value, Call) and value.name.endswith(".parameters")


def _from_file(path: str, name: str, options: str) -> Rule:
    found = from_file(path, name)
    keywords = split_options(options, name) if options else {}
    if isinstance(found, Rule):
        _check_keys(type(found), keywords)
        return dataclasses.replace(found, **{key: _setting(value) for key, value in keywords.items()})
    return _made(_rule_class(found, f"{path!r}: {name}"), (), keywords)


def _rule_class(found: Any, where: str) -> type[Rule]:
    """The class, after the checks that a class of the user's own may fail."""
    if not (isinstance(found, type) and issubclass(found, Rule)):
        kind = f"the class {found.__name__}" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise SpecError(
            f"{where} is {kind}, which is no rule; allowed is a class that derives from layda.rules.Rule; derive it"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise SpecError(f"{where} is a rule without {missing}; every rule has one; write def {missing}(…) in it")
    if "__dataclass_fields__" not in vars(found):
        raise SpecError(f"{where} is no dataclass; every rule is one; write @dataclass(frozen=True) above it")
    return found


def _lookup(name: str, classes: Sequence[type[_Made]], what: str) -> type[_Made]:
    wanted = plain_name(_HOUSE.sub("", name, count=1))
    for cls in classes:
        if wanted in (plain_name(cls.__name__), plain_name(cls.name)):
            return cls
    here = _ELSEWHERE.get(wanted)
    if any(cls.name == here for cls in classes):
        raise UnknownNameError(f"unknown {what} {shown(name)}; here it is called {here}")
    raise UnknownNameError(
        f"unknown {what} {shown(name)}; {nearest(name, [cls.name for cls in classes if cls not in _BRIDGES])}"
    )


def _check_keys(cls: type[Any], keywords: Mapping[str, Any]) -> None:
    names = [field.name for field in fields(cls)]
    for key in keywords:
        if key not in names:
            raise UnknownNameError(f"{cls.__name__} has no setting {shown(key)}; {name_here(key, names)}")


def _made(cls: type[_Made], args: tuple[Any, ...], keywords: Mapping[str, Any]) -> _Made:
    """A rule or schedule from values that were read; its own checks tell what is allowed."""
    order = [field.name for field in fields(cls) if not field.kw_only]
    if len(args) > len(order):
        raise SpecError(
            f"{cls.__name__} has {len(args)} values without a name; allowed are {len(order)} "
            f"({', '.join(order)}); write key=value"
        )
    _check_keys(cls, keywords)
    values = dict(zip(order, args, strict=False))
    for key, value in keywords.items():
        if key in values:
            raise SpecError(f"{cls.__name__}: {key} is given twice; give it once")
        values[key] = value
    for field in fields(cls):
        if field.name in values:
            values[field.name] = _fitting(cls, field, _setting(values[field.name]))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SpecError(f"{cls.__name__} needs {field.name}, which has no default; write {field.name}=…")
    return cls(**values)


def _fitting(cls: type[Any], field: dataclasses.Field[Any], value: Any) -> Any:
    """Refuse what a field would take without a word and stumble over later."""
    if isinstance(field.default, bool) and not isinstance(value, bool):
        raise SpecError(f"{cls.__name__}: {field.name} is {value!r}; allowed are true and false")
    if issubclass(cls, Schedule) and isinstance(value, Schedule) and "Schedule" not in str(field.type):
        raise SpecError(f"{cls.__name__}: {field.name} is a schedule; allowed is a number; write one")
    return value


def _setting(value: Any) -> Any:
    if isinstance(value, Call):
        return _made(_lookup(value.name, (*SCHEDULES, *_BRIDGES), "schedule"), value.args, value.keywords)
    if isinstance(value, tuple):
        return tuple(_setting(item) for item in value)
    return value


def rule_text(rule: Rule) -> str:
    """Text that :func:`to_rule` reads back to an equal rule.

    Raises:
        SpecError: a rule or schedule that no text can name, because it is neither layda's nor from a ``file.py:Name``;
            one whose text would be longer than what is read.

    >>> from layda.rules import HeavyBall
    >>> rule_text(HeavyBall(0.1))
    'HeavyBall(learning_rate=0.1, momentum=0.9, form=velocity)'
    """
    cls = type(rule)
    found = {name: getattr(rule, name) for name in rule.settings()}
    for field in fields(rule):  # weight decay is left out of settings() where it takes no part
        if field.name not in found and getattr(rule, field.name) != field.default:
            found[field.name] = getattr(rule, field.name)
    settings = [f"{name}={_text(value)}" for name, value in found.items()]
    if cls in ALL:
        text = f"{cls.__name__}({', '.join(settings)})"
        read_call(text)  # hundreds of momenta make a text that is too long to be read back: said now, not then
        return text
    path = file_of(cls)
    if path is None:
        raise SpecError(
            f"the rule {cls.__name__} has no text: it is neither one of layda's nor from a file; allowed are "
            f"{', '.join(each.name for each in ALL)}; keep it in a file and name it file.py:{cls.__name__}"
        )
    return ":".join((path, cls.__qualname__, ",".join(settings)))


def short_rule_text(rule: Rule) -> str:
    """As :func:`rule_text`, in the way in which it is typed: the name, and the settings that are not the usual ones.

    >>> from layda.rules import HeavyBall
    >>> short_rule_text(HeavyBall(0.25, 0.9))
    'heavy-ball:learning_rate=0.25'
    """
    if type(rule) not in ALL:
        return rule_text(rule)
    usual = type(rule)()
    changed = {
        field.name: _text(getattr(rule, field.name))
        for field in fields(rule)
        if getattr(rule, field.name) != getattr(usual, field.name)
    }
    words = ",".join(f"{name}={text}" for name, text in changed.items())
    return f"{rule.name}:{words}" if words else rule.name


def _text(value: Any) -> str:
    if isinstance(value, Schedule):
        if type(value) not in (*SCHEDULES, *_BRIDGES):
            raise SpecError(
                f"the schedule {type(value).__name__} has no text: it is not one of layda's; allowed are "
                f"{', '.join(cls.name for cls in SCHEDULES)}; use one of them"
            )
        inner = ", ".join(f"{field.name}={_text(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__.removeprefix('_')}({inner})"
    if isinstance(value, tuple):
        return f"({', '.join(_text(item) for item in value)},)"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w*", value):
        return value
    return repr(value)
