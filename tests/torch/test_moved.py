"""Tensors that are moved, replaced, reshaped or shared between steps: nothing is silently wrong, nothing crashes."""

from __future__ import annotations

import copy
import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra [torch] is not installed")

import layda.torch as lt  # noqa: E402
from layda.errors import SettingError  # noqa: E402
from layda.rules import HeavyBall, Nesterov  # noqa: E402
from tests.cases import RULES  # noqa: E402

KINDS = (torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.complex64, torch.complex128)


FUSED = {"native": None, "python": None, "readable": False}
"""How an optimizer looks at its tensors: in a native call, in Python because one has a single element, or readably."""

ALL_WAYS = pytest.mark.parametrize("way", FUSED)


def tensors(way: str = "python", kinds: Any = (torch.float32, torch.float32), seed: int = 0) -> list[Any]:
    """Parameters of three shapes for each kind, one of a single element; without that for a native call."""
    draw = torch.Generator().manual_seed(seed)
    shapes = ((4, 4), (40,), (3,) if way == "native" else ())
    made = [torch.randn(shape, generator=draw).to(kind) for kind in kinds for shape in shapes]
    return [torch.nn.Parameter(tensor) for tensor in made]


def give(parameters: list[Any], seed: int) -> None:
    """A gradient for each, new tensors every time."""
    draw = torch.Generator().manual_seed(1000 + seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=draw).to(parameter.dtype)


def run(optimizer: Any, parameters: list[Any], steps: range) -> None:
    for index in steps:
        give(parameters, index)
        optimizer.step()


def bits(tensors_: Any) -> list[bytes]:
    return [tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() for tensor in tensors_]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_many_dtypes_in_one_optimizer_do_as_each_alone(rule: Any) -> None:
    together = tensors(kinds=KINDS)
    optimizer = lt.Optimizer(together, rule, rounding="nearest")
    run(optimizer, together, range(5))
    for place, kind in enumerate(KINDS):
        alone = tensors(kinds=KINDS)  # all, so that gradients are the same, of which this one's are used
        chosen = alone[3 * place : 3 * place + 3]
        own = lt.Optimizer(chosen, rule, rounding="nearest", fused=False)
        run(own, alone, range(5))
        assert bits(chosen) == bits(together[3 * place : 3 * place + 3]), kind


def moved(change: Callable[[Any, list[Any]], Any], rule: Any, way: str) -> list[Any]:
    """Six steps with a change in the middle that should not be seen: parameters, and the state as it is saved."""
    parameters = tensors(way)
    optimizer = lt.Optimizer(parameters, rule, fused=FUSED[way])
    run(optimizer, parameters, range(3))
    change(optimizer, parameters)
    run(optimizer, parameters, range(3, 6))
    return parameters + [value for slots in optimizer.state_dict()["state"].values() for value in slots.values()]


def _clone_parameters(optimizer: Any, parameters: list[Any]) -> None:
    for parameter in parameters:
        parameter.data = parameter.data.clone()


def _clone_state(optimizer: Any, parameters: list[Any]) -> None:
    for slots in optimizer.state.values():
        for name, value in slots.items():
            slots[name] = value.clone()


def _clone_data_of_state(optimizer: Any, parameters: list[Any]) -> None:
    for slots in optimizer.state.values():
        for value in slots.values():
            value.data = value.data.clone()


def _new_dicts(optimizer: Any, parameters: list[Any]) -> None:
    for parameter, slots in list(optimizer.state.items()):
        optimizer.state[parameter] = dict(slots)


def _new_groups(optimizer: Any, parameters: list[Any]) -> None:
    optimizer.param_groups = [{**group, "params": list(group["params"])} for group in optimizer.param_groups]


def _there_and_back(optimizer: Any, parameters: list[Any]) -> None:
    for parameter in parameters:
        parameter.data = parameter.data.double().float()


def _reload(optimizer: Any, parameters: list[Any]) -> None:
    optimizer.load_state_dict(optimizer.state_dict())


def _strided_alike(optimizer: Any, parameters: list[Any]) -> None:
    wide = torch.zeros(4, 8)
    wide[:, ::2] = parameters[0].data
    parameters[0].data = wide[:, ::2]  # with gaps: no kernel walks over it


def _transposed_in_memory(optimizer: Any, parameters: list[Any]) -> None:
    parameters[0].data = parameters[0].data.t().contiguous().t()


UNSEEN = (
    _clone_parameters,
    _clone_state,
    _clone_data_of_state,
    _new_dicts,
    _new_groups,
    _there_and_back,
    _reload,
    _strided_alike,
    _transposed_in_memory,
)


@ALL_WAYS
@pytest.mark.parametrize("change", UNSEEN, ids=lambda change: change.__name__.strip("_"))
def test_what_keeps_the_numbers_changes_no_bit(change: Any, way: str) -> None:
    for rule in RULES:
        quiet = moved(lambda optimizer, parameters: None, rule, way)
        assert bits(moved(change, rule, way)) == bits(quiet), rule


@ALL_WAYS
def test_a_shared_number_that_is_replaced_counts_from_then_on(way: str) -> None:
    parameters = tensors(way)
    optimizer = lt.Adam(parameters, fused=FUSED[way])
    run(optimizer, parameters, range(3))
    name = next(name for name, value in optimizer.state[parameters[1]].items() if value.dim() == 0)
    before = float(optimizer.state[parameters[0]][name])
    optimizer.state[parameters[1]][name] = torch.tensor(0.5, dtype=torch.float64)
    run(optimizer, parameters, range(3, 4))
    saved = optimizer.state_dict()["state"]
    assert float(saved[0][name]) != before
    assert float(saved[1][name]) not in (0.5, float(saved[0][name]))


@ALL_WAYS
@pytest.mark.parametrize(
    "forget",
    [
        lambda optimizer, parameters: optimizer.state.clear(),
        lambda optimizer, parameters: [optimizer.state.pop(parameter) for parameter in parameters],
        lambda optimizer, parameters: optimizer.state.update({parameter: {} for parameter in parameters}),
        lambda optimizer, parameters: [optimizer.state[parameter].clear() for parameter in parameters],
    ],
    ids=["clear", "pop", "empty", "emptied"],
)
def test_a_forgotten_state_begins_anew(forget: Any, way: str) -> None:
    for rule in RULES:
        parameters = tensors(way)
        optimizer = lt.Optimizer(parameters, rule, fused=FUSED[way])
        run(optimizer, parameters, range(3))
        forget(optimizer, parameters)
        ours = copy.deepcopy(parameters)
        run(optimizer, parameters, range(3, 6))
        other = lt.Optimizer(ours, rule, fused=FUSED[way])
        for group, own in zip(optimizer.param_groups, other.param_groups, strict=True):
            own["steps"] = group["steps"] - 3  # schedules go on: they belong to the group
            if "schedule_state" in group:
                break
        else:
            run(other, ours, range(3, 6))
            assert bits(parameters) == bits(ours), rule


def _shorter(parameter: Any) -> None:
    parameter.data = parameter.data[:2]


def _longer(parameter: Any) -> None:
    parameter.data = torch.zeros(400, 4)


def _flat(parameter: Any) -> None:
    parameter.data = parameter.data.reshape(-1).clone()


@ALL_WAYS
@pytest.mark.parametrize("change", [_shorter, _longer, _flat], ids=["shorter", "longer", "flat"])
def test_another_shape_than_the_slots_is_refused(change: Any, way: str) -> None:
    parameters = tensors(way)
    optimizer = lt.HeavyBall(parameters, fused=FUSED[way])
    run(optimizer, parameters, range(3))
    change(parameters[0])
    kept = bits(parameters)
    with pytest.raises(SettingError, match=r"gradient of parameter 0 .* call zero_grad"):
        optimizer.step()  # the gradient is of the old shape
    optimizer.zero_grad()
    give(parameters, 3)
    with pytest.raises(SettingError, match=r"slot 'velocity' of parameter 0 .* begin anew"):
        optimizer.step()
    assert bits(parameters) == kept
    del optimizer.state[parameters[0]]
    optimizer.step()
    assert bits(parameters)[0] != kept[0]


@ALL_WAYS
def test_a_square_parameter_turned_over_keeps_its_slots_by_place(way: str) -> None:
    """What torch does: element (i, j) of the slot belongs to element (i, j) of the parameter."""
    parameters, others = tensors(way), tensors(way)
    optimizer = lt.SGD(parameters, lr=0.125, momentum=0.5, fused=FUSED[way])
    theirs = torch.optim.SGD(others, lr=0.125, momentum=0.5)
    for both in ((optimizer, parameters), (theirs, others)):
        run(*both, range(2))
        both[1][0].data = both[1][0].data.t()
        run(*both, range(2, 4))
    for own, other in zip(parameters, others, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [
        lambda slots: slots.update(velocity=slots["velocity"][:2]),
        lambda slots: slots["velocity"].resize_(2, 4),
        lambda slots: slots.update(velocity=slots["velocity"].to(torch.int32)),
        lambda slots: slots.update(velocity=slots["velocity"].to(torch.complex64)),
        lambda slots: slots.update(velocity=3.0),
        lambda slots: slots.update(velocity=None),
        lambda slots: slots.update(velocity=slots["velocity"].to("meta")),
        lambda slots: slots.update(velocity=slots["velocity"].to_sparse()),
    ],
    ids=["cut", "resized", "whole numbers", "complex", "number", "none", "meta", "sparse"],
)
@ALL_WAYS
def test_a_slot_that_does_not_fit_is_refused(change: Any, way: str) -> None:
    parameters = tensors(way)
    optimizer = lt.HeavyBall(parameters, fused=FUSED[way])
    run(optimizer, parameters, range(3))
    change(optimizer.state[parameters[0]])
    kept = bits(parameters)
    give(parameters, 3)
    with pytest.raises(SettingError, match="slot 'velocity' of parameter 0"):
        optimizer.step()
    assert bits(parameters) == kept


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_a_model_in_another_dtype_goes_on(kind: torch.dtype) -> None:
    """Fused and readable alike; slots keep the dtype that they were made in."""
    found = []
    for fused in (None, False):
        parameters = tensors()
        optimizer = lt.HeavyBall(parameters, rounding="nearest", fused=fused)
        run(optimizer, parameters, range(3))
        for parameter in parameters:
            parameter.data = parameter.data.to(kind)
        optimizer.zero_grad()
        run(optimizer, parameters, range(3, 6))
        assert all(optimizer.state[parameter]["velocity"].dtype is torch.float32 for parameter in parameters)
        found.append(bits(parameters))
    assert found[0] == found[1]


def test_another_dtype_at_the_same_address() -> None:
    """Half as many numbers of twice the size lie where the parameter lay."""
    parameters = [torch.nn.Parameter(torch.ones(8))]
    optimizer = lt.GradientDescent(parameters, lr=0.25)
    run(optimizer, parameters, range(2))
    parameters[0].data = parameters[0].data.view(torch.float64)
    parameters[0].data.fill_(1.0)
    parameters[0].grad = torch.ones(4, dtype=torch.float64)
    optimizer.step()
    assert parameters[0].tolist() == [0.75] * 4


@ALL_WAYS
def test_the_list_of_parameters_edited_in_place(way: str) -> None:
    parameters, others = tensors(way), tensors(way, seed=1)
    optimizer = lt.HeavyBall(parameters, fused=FUSED[way])
    run(optimizer, parameters, range(2))
    own = optimizer.param_groups[0]["params"]
    kept = bits(parameters[:1])
    own[0] = others[0]
    before = bits(others)
    run(optimizer, own, range(2, 4))
    assert bits(parameters[:1]) == kept
    assert bits(others)[0] != before[0]
    own.append(others[1])
    run(optimizer, own, range(4, 6))
    assert bits(others)[1] != before[1]
    del own[1]
    kept = bits(parameters[1:2])
    run(optimizer, own, range(6, 8))
    assert bits(parameters[1:2]) == kept


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_meta_device_takes_steps_without_numbers(rule: Any) -> None:
    """As torch's optimizers do: what a step needs can be seen before there is memory for it."""
    parameters = [torch.nn.Parameter(torch.empty(3, 5, device="meta"))]
    optimizer = lt.Optimizer(parameters, rule)
    for _ in range(2):
        parameters[0].grad = torch.empty_like(parameters[0])
        optimizer.step()
    with optimizer.estimates():
        assert parameters[0].is_meta
    slots = [value for value in optimizer.state[parameters[0]].values() if value.dim()]
    assert all(value.is_meta and value.shape == (3, 5) for value in slots)
    assert len(slots) == len([slot for slot in rule.slots if not slot.shared])


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_deep_copy_goes_on_alone(rule: Any) -> None:
    parameters = tensors()
    optimizer = lt.Optimizer(parameters, rule)
    run(optimizer, parameters, range(3))
    others, other = copy.deepcopy((parameters, optimizer))
    kept = bits(parameters)
    run(other, others, range(3, 6))
    assert bits(parameters) == kept
    run(optimizer, parameters, range(3, 6))
    assert bits(parameters) == bits(others)


def test_two_threads_each_with_its_own_optimizer() -> None:
    def descend(rule: Any, found: dict[Any, Any]) -> None:
        draw = torch.Generator().manual_seed(3)
        parameters = [torch.nn.Parameter(torch.randn(50_000, generator=draw)), *tensors()]
        optimizer = lt.Optimizer(parameters, rule, state_dtype=torch.bfloat16)
        run(optimizer, parameters, range(30))
        found[rule] = bits(parameters)

    alone: dict[Any, Any] = {}
    rules = (HeavyBall(), Nesterov())
    for rule in rules:
        descend(rule, alone)
    together: dict[Any, Any] = {}
    threads = [threading.Thread(target=descend, args=(rule, together)) for rule in rules]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert together == alone


def _child(answer: Any, parameters: list[Any], optimizer: Any) -> None:
    run(optimizer, parameters, range(3, 6))
    answer.send(bits(parameters))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:os.fork.. was called:RuntimeWarning")  # JAX, where another test has begun with it
def test_a_forked_child_steps_its_own() -> None:
    """Also where the parent's threads, which the child has not, have shared the work before."""
    draw = torch.Generator().manual_seed(3)
    parameters = [torch.nn.Parameter(torch.randn(100_000, generator=draw)), *tensors()]
    optimizer = lt.HeavyBall(parameters)
    run(optimizer, parameters, range(3))
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(there, parameters, optimizer))
    child.start()
    answers = here.poll(20)
    found = here.recv() if answers else None
    child.terminate()
    child.join()
    assert answers, "the child hangs"
    run(optimizer, parameters, range(3, 6))
    assert bits(parameters) == found
