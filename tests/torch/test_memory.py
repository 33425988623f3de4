"""A step needs no memory beyond the state, and keeps nothing alive that the user has let go."""

from __future__ import annotations

import copy
import gc
import tracemalloc
import weakref
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")

import layda.torch as lt  # noqa: E402
from layda.errors import ComputationError  # noqa: E402
from layda.rules import HeavyBall  # noqa: E402
from tests.cases import RULES  # noqa: E402

COUNT = 300_000  # elements: one temporary tensor would be seen at once
KINDS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def tensors(kind: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(count, generator=draw).to(kind)) for count in (COUNT, 64, 1)]


def give(parameters: list[Any]) -> None:
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)


def of_tensors(step: Any, times: int = 1) -> int:
    """Bytes that torch allocates for tensors, freed or not."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        for _ in range(times):
            step()
    return sum(event.nbytes() for event in _allocations(profiled))


def _allocations(profiled: Any) -> list[Any]:
    found = []
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]" and event.nbytes() > 0:
            found.append(event)
    return found


def test_the_measure_sees_a_temporary_tensor() -> None:
    parameters = tensors()
    give(parameters)
    theirs = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, foreach=True, weight_decay=0.1)
    theirs.step()
    assert of_tensors(theirs.step) >= 4 * COUNT


@pytest.mark.parametrize("policy", ["skip", "pass"])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_after_the_first_step_no_tensor_memory_is_taken(rule: Any, policy: str) -> None:
    parameters = tensors()
    optimizer = lt.Optimizer(parameters, rule, nonfinite=policy)
    give(parameters)
    optimizer.step()
    assert of_tensors(optimizer.step, 3) == 0


@pytest.mark.parametrize("kept", [None, torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_in_every_dtype(kind: torch.dtype, kept: torch.dtype | None) -> None:
    parameters = tensors(kind)
    optimizer = lt.HeavyBall(parameters, state_dtype=kept)
    give(parameters)
    optimizer.step()
    assert of_tensors(optimizer.step, 3) == 0


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_first_step_takes_the_state_alone(rule: Any, kind: torch.dtype) -> None:
    parameters = tensors(kind)
    optimizer = lt.Optimizer(parameters, rule)
    give(parameters)
    taken = of_tensors(optimizer.step)
    state = sum(value.nbytes for slots in optimizer.state.values() for value in slots.values() if value.dim())
    assert state <= taken <= state + 1024
    width = 4 if kind in (torch.bfloat16, torch.float16) else kind.itemsize
    assert state == (COUNT + 65) * width * len([slot for slot in rule.slots if not slot.shared])


def test_python_takes_no_more_with_every_step() -> None:
    parameters = tensors()[1:]
    optimizer = lt.Adam(parameters)
    give(parameters)
    for _ in range(3000):  # CPython keeps up to 2000 tuples of each length for the next use
        optimizer.step()
    tracemalloc.start()
    try:
        for _ in range(5):
            optimizer.step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            optimizer.step()
        now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now - before < 4096
    assert most - before < 16 * 1024


@pytest.mark.parametrize("fused", [None, False], ids=["fused", "readable"])
@pytest.mark.parametrize("layout", ["alike", "unlike"])
def test_gradients_are_let_go(layout: str, fused: bool | None) -> None:
    """Also those of which a copy had to be made because they lie otherwise in memory."""
    parameters = [torch.nn.Parameter(torch.randn(40, 30)), torch.nn.Parameter(torch.ones(()))]
    optimizer = lt.HeavyBall(parameters, fused=fused)
    for _ in range(3):
        gradients = [torch.ones(30, 40).t() if layout == "unlike" else torch.ones(40, 30), torch.ones(())]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        seen = [weakref.ref(gradient) for gradient in gradients]
        del gradients, gradient
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        assert [reference() for reference in seen] == [None, None]  # at once, not when cycles are looked for
    assert _held_by(optimizer) == 0


def _held_by(optimizer: Any) -> int:
    """How many tensors the plan keeps that are neither parameters nor state."""
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    known |= {id(value) for slots in optimizer.state.values() for value in slots.values()}
    found, todo, seen = 0, [optimizer._plan], set()
    while todo:
        item = todo.pop()
        if id(item) in seen or isinstance(item, type) or item is optimizer:
            continue
        seen.add(id(item))
        if isinstance(item, torch.Tensor):
            found += id(item) not in known
        elif isinstance(item, dict | list | tuple) or type(item).__module__.startswith("layda.torch"):
            todo += gc.get_referents(item)
    return found


@pytest.mark.parametrize("policy", ["skip", "raise"])
def test_gradients_are_let_go_where_the_step_is_refused(policy: str) -> None:
    parameter = torch.nn.Parameter(torch.randn(40, 30))
    optimizer = lt.HeavyBall([parameter], nonfinite=policy)
    for value in (1.0, float("nan")):
        parameter.grad = torch.full((30, 40), value).t()
        seen = weakref.ref(parameter.grad)
        try:
            optimizer.step()
        except ComputationError:
            assert policy == "raise"
        except RuntimeWarning:  # warnings are errors in this run
            assert policy == "skip"
        optimizer.zero_grad(set_to_none=True)
        assert seen() is None
        assert optimizer._plan is None or _held_by(optimizer) == 0
    assert optimizer._plan is None
    assert len(optimizer.state) == 1


def test_the_optimizer_is_let_go_with_its_tensors() -> None:
    parameters = tensors()
    optimizer = lt.Adam(parameters)
    give(parameters)
    optimizer.step()
    other = copy.deepcopy(optimizer)
    seen = [weakref.ref(optimizer), weakref.ref(other), weakref.ref(parameters[0])]
    slots = [weakref.ref(value) for value in optimizer.state[parameters[0]].values()]
    del optimizer, other, parameters
    gc.collect()
    assert [reference() for reference in seen + slots] == [None] * len(seen + slots)


def test_a_plan_that_was_made_anew_leaves_nothing() -> None:
    """Replaced slots are let go, too."""
    parameters = tensors()
    optimizer = lt.Optimizer(parameters, HeavyBall())
    give(parameters)
    optimizer.step()
    seen = weakref.ref(optimizer.state[parameters[0]]["velocity"])
    optimizer.state[parameters[0]]["velocity"] = torch.zeros(COUNT)
    optimizer.step()
    gc.collect()
    assert seen() is None
