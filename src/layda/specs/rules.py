"""Text -> rule and back: ``heavy-ball:momentum=0.9,form=step``, ``HeavyBall(0.1)``, ``SGD(lr=0.1)``, ``file.py:MyRule``."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from layda.errors import SpecError, UnknownNameError, nearest
from layda.rule import Rule
from layda.rules import ALL
from layda.schedules import ALL as SCHEDULES
from layda.schedules import Schedule
from layda.specs.files import from_file, split_file
from layda.specs.text import Call, read_call, shown, split_options
from layda.specs.torch_style import from_torch, is_torch_style

__all__ = ["rule_text", "to_rule"]


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()


def _lookup(name: str, classes: tuple[type[Any], ...], what: str) -> type[Any]:
    wanted = _plain(name)
    for cls in classes:
        if wanted in (_plain(cls.__name__), _plain(cls.name)):
            return cls
    raise UnknownNameError(f"unknown {what} {shown(name)}; {nearest(name, [cls.name for cls in classes])}")


def to_rule(spec: str | Rule | type[Rule], *, files: bool = True) -> Rule:
    """The rule that a text (or a rule, or a rule's class) stands for.

    Args:
        spec: ``name``, ``name:key=value,…``, ``Name(value, key=value)``, torch.optim's ``SGD(lr=0.1, momentum=0.9)``, or
            ``file.py:MyRule[:key=value,…]``. Values are numbers, words, tuples, or schedules written as calls.
        files: whether ``file.py:MyRule`` is allowed.

    Raises:
        UnknownNameError: no such rule or setting. SpecError: the text cannot be read. SettingError: a value out of range.

    >>> to_rule("heavy-ball:learning_rate=ExponentialDecay(0.5, 0.9)")
    HeavyBall(learning_rate=ExponentialDecay(initial=0.5, decay=0.9, before_first_step=True), momentum=0.9, form='velocity')
    >>> to_rule("SGD(lr=0.1, momentum=0.9)")
    HeavyBall(learning_rate=0.1, momentum=0.9, form='step')
    """
    if isinstance(spec, Rule):
        return spec
    if isinstance(spec, type) and issubclass(spec, Rule):
        return spec()
    if not isinstance(spec, str):
        raise SpecError(f"a rule is given as {type(spec).__name__}; allowed are a rule, its name, or text such as heavy-ball:momentum=0.9")
    text = spec.strip()
    if not text:
        raise SpecError(f"the rule is an empty text; {nearest('', [cls.name for cls in ALL])}")
    in_file = split_file(text)
    if in_file is not None:
        if not files:
            raise SpecError(f"{shown(text)} names a Python file, which is not allowed here")
        return _from_file(*in_file)
    head = text.split("(", 1)[0]
    if "(" in text and ":" not in head and "=" not in head:
        return _from_call(read_call(text))
    name, colon, options = text.partition(":")
    if not _plain(name).isidentifier():
        raise SpecError(f"{shown(text)} is no rule; write a name such as heavy-ball, name:key=value or Name(key=value)")
    cls = _lookup(name, ALL, "rule")
    if colon and not options.strip():
        raise SpecError(f"{shown(text)} ends with a colon; write key=value after it, or leave it out")
    return _built(cls, (), split_options(options, cls.name) if options.strip() else {})


def _from_file(path: str, name: str, options: str) -> Rule:
    found = from_file(path, name)
    if isinstance(found, Rule) and not options:
        return found
    if not (isinstance(found, type) and issubclass(found, Rule)):
        raise SpecError(f"{path}:{name} is no rule; a rule is a frozen dataclass that derives from layda.Rule")
    return _built(found, (), split_options(options, name) if options else {})


def _from_call(call: Call) -> Rule:
    if is_torch_style(call):
        return from_torch(call)
    return _built(_lookup(call.name, ALL, "rule"), call.args, call.keywords)


def _built(cls: type[Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """A rule or schedule from values that were read; its own checks tell what is allowed."""
    names = [field.name for field in fields(cls)]
    order = [field.name for field in fields(cls) if not field.kw_only]
    if len(args) > len(order):
        raise SpecError(f"{cls.__name__} takes {len(order)} values without a name ({', '.join(order)}); received {len(args)}")
    values = dict(zip(order, args, strict=False))
    for key, value in keywords.items():
        if key not in names:
            raise UnknownNameError(f"{cls.__name__} has no setting {key!r}; {nearest(key, names)}")
        if key in values:
            raise SpecError(f"{cls.__name__}: {key} is given twice; give it once")
        values[key] = value
    return cls(**{key: _setting(value) for key, value in values.items()})


def _setting(value: Any) -> Any:
    if isinstance(value, Call):
        return _built(_lookup(value.name, SCHEDULES, "schedule"), value.args, value.keywords)
    if isinstance(value, tuple):
        return tuple(_setting(item) for item in value)
    return value


def rule_text(rule: Rule) -> str:
    """Text that :func:`to_rule` reads back to an equal rule.

    >>> from layda.rules import HeavyBall
    >>> rule_text(HeavyBall(0.1))
    'HeavyBall(learning_rate=0.1, momentum=0.9, form=velocity)'
    """
    found = {name: getattr(rule, name) for name in rule.settings()}
    for field in fields(rule):  # weight decay is left out of settings() where it takes no part
        if field.name not in found and getattr(rule, field.name) != field.default:
            found[field.name] = getattr(rule, field.name)
    return f"{type(rule).__name__}({', '.join(f'{name}={_text(value)}' for name, value in found.items())})"


def _text(value: Any) -> str:
    if isinstance(value, Schedule):
        inner = ", ".join(f"{field.name}={_text(getattr(value, field.name))}" for field in fields(value))
        return f"{type(value).__name__}({inner})"
    if isinstance(value, tuple):
        return f"({', '.join(_text(item) for item in value)},)"
    return value if isinstance(value, str) else repr(value)
