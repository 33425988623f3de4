"""One function per rule, made from the rule's fields: ``layda.jax.heavy_ball(learning_rate=0.01, momentum=0.9, …)``."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import optax

from layda.jax.given import understood
from layda.jax.transformation import transformation
from layda.rule import Hyperparameter, Rule

__all__ = ["function_name", "named"]

_COMMON = {
    "weight_decay": "λ ≥ 0 of the penalty λ|x|²/2, added to the gradient as λx.",
    "decoupled": "take λ out of the gradient and shrink x ← x − αλx instead (Loshchilov and Hutter 2019).",
    "state_dtype": "the dtype of the slots; by default the parameters', float32 at least.",
}


def function_name(rule: type[Rule]) -> str:
    """The rule's name as a Python identifier.

    >>> from layda.rules import HeavyBall
    >>> function_name(HeavyBall)
    'heavy_ball'
    """
    return rule.name.replace("-", "_")


def named(rule: type[Rule]) -> Callable[..., optax.GradientTransformationExtraArgs]:
    """The function that makes a rule's transformation from its settings, with a signature and words of its own.

    Args:
        rule: the rule's class.

    >>> from layda.rules import HeavyBall
    >>> import inspect
    >>> list(inspect.signature(named(HeavyBall)).parameters)
    ['learning_rate', 'momentum', 'form', 'weight_decay', 'decoupled', 'state_dtype']
    """
    signature = _signature(rule)

    def make(*args: Any, **kwargs: Any) -> optax.GradientTransformationExtraArgs:
        try:
            settings = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{make.__name__}: {error}; its arguments are {_written(signature)}") from None
        state_dtype = settings.pop("state_dtype", None)
        return transformation(understood(rule, settings), state_dtype)

    make.__name__ = make.__qualname__ = function_name(rule)
    make.__module__ = "layda.jax"
    make.__signature__ = signature  # type: ignore[attr-defined]  # inspect and editors read it
    make.__doc__ = _documentation(rule)
    return make


def _signature(rule: type[Rule]) -> inspect.Signature:
    found = []
    for item in dataclasses.fields(rule):
        if item.name == "restart":  # runs restart; a transformation cannot
            continue
        kind = inspect.Parameter.KEYWORD_ONLY if item.kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
        default = inspect.Parameter.empty if item.default is dataclasses.MISSING else item.default
        annotation = type(item.default) if isinstance(item.default, str | bool) else Hyperparameter
        found.append(inspect.Parameter(item.name, kind, default=default, annotation=annotation))
    found.sort(key=lambda one: one.kind)
    found.append(inspect.Parameter("state_dtype", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Any))
    return inspect.Signature(found, return_annotation=optax.GradientTransformationExtraArgs)


def _written(signature: inspect.Signature) -> str:
    """Names and defaults."""
    return ", ".join(f"{one.name}={one.default!r}" for one in signature.parameters.values())


def _documentation(rule: type[Rule]) -> str:
    """The rule's own words, with the settings that all rules share and an example of optax's kind."""
    name = function_name(rule)
    text = inspect.cleandoc(rule.__doc__ or rule.name).partition(">>>")[0].rstrip()
    before, header, after = text.partition("\n\nArgs:\n")
    own, gap, rest = after.partition("\n\n")
    written = {line.strip().partition(":")[0] for line in own.splitlines()}
    common = [f"    {key}: {words}" for key, words in _COMMON.items() if key not in written]
    arguments = "\n".join([*([own] if header else []), *common])
    example = f"""
>>> import jax.numpy as jnp, layda, optax
>>> transform = layda.jax.{name}(learning_rate=0.1)
>>> params = jnp.array([1.0, -2.0])
>>> state = transform.init(params)
>>> updates, state = transform.update(2 * params, state, params)  # the gradient of x²
>>> bool((abs(optax.apply_updates(params, updates)) < abs(params)).all())
True
"""
    remark = (
        "Every number may also be a schedule of layda or a function of the step count. See :func:`layda.jax.optimizer`."
    )
    return f"{before}\n\nArgs:\n{arguments}\n\n{rest}{gap}{remark}\n{example}"
