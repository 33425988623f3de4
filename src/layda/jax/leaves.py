"""A rule's step on arrays: what is one number for all parameters is computed once, the rest for every leaf.

The rule's step is traced once (:meth:`layda.rule.Stepper.program`) and its lines are evaluated with JAX arrays in the
author's order. Lines without a coordinate in them (1 − β, Adam's bias corrections, schedules) are computed with the
hyperparameters' own precision and rounded to a leaf's precision at the last moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from layda.program import arithmetic
from layda.program.program import Node
from layda.rule import Stepper

__all__ = ["LeafStep", "computing_dtype", "kept_dtype", "parts", "whole"]

_JAX = arithmetic("jax")


class LeafStep:
    """One step of a rule, split into the lines of all leaves together and the lines of one leaf.

    Attributes:
        stepper: the rule made ready for runners.
        displacement: the line that is the update, with its sign, where the step is written as x ← x − w; ``None``
            elsewhere: the update is then the difference of two positions.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        program = stepper.program()
        self._nodes = program.nodes
        self._outputs = dict(program.outputs)
        self._own = ("position", *(slot.name for slot in stepper.slots))
        inner = {"position", "gradient", *self._own}
        self._varies = _reached(self._nodes, inner)
        self._by_position = _reached(self._nodes, {"position"})
        self.displacement = _displacement(self._nodes, self._outputs["position"])

    @cached_property
    def reads_position(self) -> str:
        """What of the step cannot be computed without the position, in words; nothing where all can."""
        if self.displacement is None:
            return "its step is no x ← x − w"
        if self._by_position[self.displacement[1]]:
            return "its step depends on x"
        found = [name for name in self._own[1:] if self._by_position[self._outputs[name]]]
        return f"its slot {found[0]!r} depends on x" if found else ""

    def common(self, values: Mapping[str, Any]) -> list[Any]:
        """The lines that are the same for every leaf.

        Args:
            values: the numbers, t, the shared slots and what the schedules carry, by their input names.
        """
        return self._run(values, [None] * len(self._nodes), [not varies for varies in self._varies])

    def common_outputs(self, lines: list[Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Outputs that no coordinate takes part in: shared slots and schedules."""
        return {name: lines[self._outputs[name]] for name in names}

    def leaf(
        self, lines: list[Any], gradient: Any, position: Any, slots: tuple[Any, ...], dtype: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """The update of one leaf of real numbers, and its next slots, all in ``dtype``.

        Args:
            lines: what :meth:`common` found.
            gradient: the leaf's gradient.
            position: the parameters; may be ``None`` where :attr:`reads_position` is empty.
            slots: the leaf's slots.
            dtype: the precision to compute with.
        """
        values = dict(zip(self._own, (position, *slots), strict=True)) | {"gradient": gradient}
        values = {name: None if value is None else value.astype(dtype) for name, value in values.items()}
        found = self._run(values, [_rounded(line, dtype) for line in lines], self._varies)
        if self.displacement is None:
            update = found[self._outputs["position"]] - values["position"]
        else:
            sign, index = self.displacement
            update = found[index] if sign > 0 else -found[index]
        shape = gradient.shape
        return _shaped(update, shape, dtype), tuple(
            _shaped(found[self._outputs[name]], shape, dtype) for name in self._own[1:]
        )

    def _run(self, values: Mapping[str, Any], lines: list[Any], wanted: list[bool]) -> list[Any]:
        for index, node in enumerate(self._nodes):
            if not wanted[index]:
                continue
            if node.op == "input":
                lines[index] = values[str(node.value)]
            elif node.op == "const":
                lines[index] = node.value
            else:
                arguments = [lines[one] for one in node.args]
                # A line that needs the position is left out where there is none; nothing that is asked for needs it.
                missing = any(one is None for one in arguments)
                lines[index] = None if missing else _JAX.apply(node.op, *arguments)
        return lines


def _reached(nodes: tuple[Node, ...], names: set[str]) -> list[bool]:
    """For every line, whether one of these inputs takes part in it."""
    found: list[bool] = []
    for node in nodes:
        found.append(node.value in names if node.op == "input" else any(found[index] for index in node.args))
    return found


def _displacement(nodes: tuple[Node, ...], line: int) -> tuple[int, int] | None:
    """(sign, line) of w where the next position is written x − w or x + w."""
    node = nodes[line]
    if node.op not in ("sub", "add"):
        return None
    first, second = (nodes[index].op == "input" and nodes[index].value == "position" for index in node.args)
    if node.op == "sub":
        return (-1, node.args[1]) if first else None
    if first or second:
        return (1, node.args[1] if first else node.args[0])
    return None


def _rounded(value: Any, dtype: Any) -> Any:
    """A common line for a leaf: numbers in the leaf's precision, truth values and plain numbers as they are."""
    return value.astype(dtype) if isinstance(value, jax.Array) and value.dtype != jnp.bool_ else value


def _shaped(value: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """A line as an array of the leaf's shape, also where the rule gives one number for all."""
    return jnp.broadcast_to(jnp.asarray(value, dtype), shape)


def computing_dtype(dtype: Any, kept: Any) -> Any:
    """The real precision that a leaf is computed with: its own or its slots' own, float32 at least."""
    return jnp.promote_types(jnp.promote_types(_real(dtype), _real(kept)), jnp.float32)


def kept_dtype(dtype: Any, chosen: Any) -> Any:
    """The precision of a leaf's slots: that which is chosen, else the leaf's, float32 at least; complex as the leaf."""
    real = jnp.promote_types(_real(dtype), jnp.float32) if chosen is None else jnp.dtype(chosen)
    if not jnp.issubdtype(dtype, jnp.complexfloating):
        return real
    return jnp.promote_types(real, jnp.complex64)


def _real(dtype: Any) -> Any:
    return jnp.finfo(dtype).dtype  # type: ignore[no-untyped-call]  # NumPy's, for all of JAX's dtypes


def parts(value: Any) -> tuple[Any, ...]:
    """The real numbers that an array is made of: itself, or its real and its imaginary part."""
    if value is not None and jnp.iscomplexobj(value):
        return (lax.real(value), lax.imag(value))
    return (value,)


def whole(pieces: tuple[Any, ...], dtype: Any) -> jax.Array:
    """The array that :func:`parts` took apart, in ``dtype``."""
    if len(pieces) == 1:
        return jnp.asarray(pieces[0]).astype(dtype)
    return lax.complex(*pieces).astype(dtype)
