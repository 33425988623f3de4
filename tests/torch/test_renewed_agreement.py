"""torch's ``TestOptimRenewed``, re-made: that every way of computing a step gives the same bits.

The table of all scenarios is in :mod:`tests.torch.test_renewed_direction`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.torch.infos import INFOS, all_inputs, chosen

torch = pytest.importorskip("torch")

from torch.nn import Parameter  # noqa: E402

from layda.torch.step import StepPlan  # noqa: E402

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def _same(a: Any, b: Any) -> bool:
    """Whether two tensors have the same bits, NaN and the sign of zero included."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    kinds = {8: torch.int64, 4: torch.int32, 2: torch.int16}
    a, b = (torch.view_as_real(one) if one.is_complex() else one for one in (a.detach(), b.detach()))
    kind = kinds[a.element_size()]
    return bool(torch.equal(a.contiguous().reshape(-1).view(kind), b.contiguous().reshape(-1).view(kind)))


def _all_same(optimizers: Any, parameters: Any) -> bool:
    """Whether parameters and slots of two optimizers have the same bits."""
    for a, b in zip(*parameters, strict=True):
        slots_a, slots_b = (one.state.get(two, {}) for one, two in zip(optimizers, (a, b), strict=True))
        if not _same(a, b) or slots_a.keys() != slots_b.keys():
            return False
        if not all(_same(slots_a[name], slots_b[name]) for name in slots_a):
            return False
    return True


def _model(dtype: Any, device: str = "cpu") -> Any:
    torch.manual_seed(1)
    layers = torch.nn.Linear(2, 3), torch.nn.Sigmoid(), torch.nn.Linear(3, 1), torch.nn.Sigmoid()
    return torch.nn.Sequential(*layers).to(device, dtype)


def _walk(models: Any, optimizers: Any, check: Any) -> None:
    """Seven steps: without gradients at the third, a layer frozen at the fourth, fifth and sixth."""
    for step in range(7):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model[2].requires_grad_(step not in (3, 4))
            if step != 2:
                first = model[0].weight
                model((torch.arange(1.0, 7.0) / 10).reshape(3, 2).to(first)).sum().backward()
            optimizer.step()
        check(step)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@each_class
def test_fused_equals_readable(info: Any, dtype: Any, runs: int) -> None:
    count = 1 if dtype in (torch.bfloat16, torch.float16) else 2  # every one compiles a kernel
    for given in chosen(info.optim_inputs_func(), f"fused {info.name} {dtype}", runs, count):
        models, optimizers, parameters = [], [], []
        for fused in (True, False):
            model = _model(dtype)
            extra = torch.empty((), dtype=dtype).fill_(0.3).requires_grad_()
            extra.grad = torch.full_like(extra, 0.7)
            parameters.append([*model.parameters(), extra])
            optimizers.append(info.optim_cls(parameters[-1], **deepcopy(given.kwargs), fused=fused))
            models.append(model)

        def check(step: int, optimizers: Any = optimizers, parameters: Any = parameters, given: Any = given) -> None:
            assert _all_same(optimizers, parameters), (given.desc, step)

        _walk(models, optimizers, check)


@each_class
def test_mixed_dtypes(info: Any, runs: int) -> None:
    torch.manual_seed(2)
    kinds = (*DTYPES, torch.complex64, torch.complex128)
    start = [torch.randn(2, 3, dtype=kind) for kind in kinds]
    pushes = [[torch.randn_like(one) for one in start] for _ in range(4)]
    for given in chosen(info.optim_inputs_func(), f"mixed {info.name}", runs):
        both, optimizers = [], []
        for fused in (None, False):
            both.append([Parameter(one.clone()) for one in start])
            optimizers.append(info.optim_cls(both[-1], **deepcopy(given.kwargs), fused=fused))
        for push in pushes:
            for parameters, optimizer in zip(both, optimizers, strict=True):
                for parameter, gradient in zip(parameters, push, strict=True):
                    parameter.grad = gradient.clone()
                optimizer.step()
            assert _all_same(optimizers, both), given.desc


@each_class
def test_default_dtype_changes_nothing(info: Any) -> None:
    found = []
    for default in (torch.float32, torch.float64):
        torch.set_default_dtype(default)
        try:
            for fused in (None, False):
                x = Parameter(torch.tensor([1.0, -0.3], dtype=torch.float32))
                optimizer = info.optim_cls([x], fused=fused)
                for _ in range(3):
                    x.grad = x.detach() * 0.7
                    optimizer.step()
                slots = {name: value.dtype for name, value in optimizer.state[x].items()}
                found.append((x.detach(), slots))
        finally:
            torch.set_default_dtype(torch.float32)
    assert all(torch.equal(x, found[0][0]) and slots == found[0][1] for x, slots in found)


@each_class
def test_complex(info: Any, runs: int) -> None:
    """Complex parameters go the way of their real and imaginary parts; real ones may stand beside them."""
    torch.manual_seed(3)
    start = [torch.randn(10, 5, dtype=torch.complex64), torch.randn(10, dtype=torch.complex64), torch.randn(10, 5)]
    pushes = [[torch.randn_like(one) for one in start] for _ in range(3)]

    def real(one: Any) -> Any:
        return torch.view_as_real(one).clone() if one.is_complex() else one.clone()

    for given in chosen(all_inputs(info, skip=("differentiable",)), f"complex {info.name}", runs, 4):
        complexes = [Parameter(one.clone()) for one in start]
        reals = [Parameter(real(one)) for one in start]
        first, second = (info.optim_cls(some, **deepcopy(given.kwargs)) for some in (complexes, reals))
        for push in pushes:
            for a, b, gradient in zip(complexes, reals, push, strict=True):
                a.grad, b.grad = gradient.clone(), real(gradient)
            first.step()
            second.step()
            assert all(_same(real(a.detach()), b) for a, b in zip(complexes, reals, strict=True)), given.desc


@each_class
def test_complex_is_two_real_numbers(info: Any, runs: int) -> None:
    def rosenbrock(point: Any) -> Any:
        x, y = point
        return ((1 - x) ** 2 + 100 * (y - x**2) ** 2).abs()

    for given in chosen(all_inputs(info, skip=("differentiable",)), f"2d {info.name}", runs):
        torch.manual_seed(4)
        whole = torch.randn(2, dtype=torch.complex64, requires_grad=True)
        parts = [one.detach().clone().requires_grad_() for one in (whole.real, whole.imag)]
        first, second = info.optim_cls([whole], **given.kwargs), info.optim_cls(parts, **deepcopy(given.kwargs))
        for _ in range(3):
            for optimizer in (first, second):
                optimizer.zero_grad()
            rosenbrock(whole).backward()
            rosenbrock(torch.complex(*parts)).backward()
            assert torch.equal(whole.grad, torch.complex(*(one.grad for one in parts)))
            first.step()
            second.step()
            assert _same(whole, torch.complex(*(one.detach() for one in parts))), given.desc


@pytest.mark.parametrize("view", ["conj", "neg"])
@each_class
def test_lazy_gradients(info: Any, view: str) -> None:
    """Gradients that are conjugated or negated when they are read."""
    found = []
    for fused in (None, False):
        for lazily in (True, False):
            torch.manual_seed(5)
            x = Parameter(torch.randn(7, dtype=torch.complex64 if view == "conj" else torch.float32))
            push = torch.randn(7, dtype=torch.complex64)
            optimizer = info.optim_cls([x], fused=fused)
            for _ in range(2):
                x.grad = push.conj() if view == "conj" else push.conj().imag
                assert x.grad.is_conj() if view == "conj" else x.grad.is_neg()
                if not lazily:
                    x.grad = x.grad.resolve_conj().resolve_neg()
                optimizer.step()
            found.append(x.detach())
    assert all(_same(one, found[0]) for one in found)


@each_class
def test_fused_on_meta_is_refused(info: Any) -> None:
    with torch.device("meta"):
        model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = info.optim_cls(model.parameters(), fused=True)
    for one in model.parameters():
        one.grad = torch.rand_like(one)
    with pytest.raises(ValueError, match=r"fused is True, and parameter 0 of group 0 .*device meta"):
        optimizer.step()
    assert len(optimizer.state) == 0
    optimizer.zero_grad(set_to_none=True)
    model.to_empty(device="cpu")  # makes new parameters
    for one in model.parameters():
        one.data.fill_(0.5)
        one.grad = torch.rand_like(one)
    assert optimizer.step() is None
    optimizer = info.optim_cls(model.parameters(), fused=True)
    optimizer.step()
    assert all((one != 0.5).any() for one in model.parameters())


@pytest.mark.parametrize("fused", [None, False])
@each_class
def test_found_inf_takes_no_step(info: Any, fused: bool | None, runs: int) -> None:
    for given in chosen(info.optim_inputs_func(), f"inf {info.name}", runs):
        for scale in (None, torch.ones(1)):
            params = [torch.ones(1) for _ in range(5)]
            for one in params:
                one.grad = torch.ones(1)
            optimizer = info.optim_cls(params, **deepcopy(given.kwargs), fused=fused)
            optimizer.grad_scale, optimizer.found_inf = scale, torch.ones(())
            optimizer.step()
            assert all(one.item() == 1.0 for one in params)
            assert len(optimizer.state) == 0
            assert optimizer.skipped == 1
            assert optimizer.param_groups[0]["steps"] == 0
            optimizer.found_inf = torch.zeros(())
            optimizer.step()
            assert all(one.item() != 1.0 for one in params)
            assert optimizer.param_groups[0]["steps"] == 1


@pytest.mark.parametrize("fused", [None, False])
@each_class
def test_a_scale_is_divided_out(info: Any, fused: bool | None) -> None:
    """With a power of two, to the bit; ``p.grad`` stays scaled."""
    found = []
    for scale in (None, 1024.0):
        x = Parameter(torch.tensor([1.0, -0.3, 0.2]))
        optimizer = info.optim_cls([x], fused=fused)
        for _ in range(3):
            x.grad = torch.tensor([0.3, -0.7, 0.1]) * (scale or 1.0)
            kept = x.grad.clone()
            if scale is not None:
                optimizer.grad_scale, optimizer.found_inf = torch.tensor(scale), torch.zeros(())
            optimizer.step()
            assert torch.equal(x.grad, kept)
        found.append(x.detach())
    assert _same(*found)


@each_class
def test_a_fused_step_takes_no_memory(info: Any) -> None:
    """Not one tensor is made by a step after the first."""
    params = [Parameter(torch.randn(16, 8)) for _ in range(10)]
    for one in params:
        one.grad = torch.randn(16, 8)
    optimizer = info.optim_cls(params, nonfinite="pass", fused=True)
    optimizer.step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        optimizer.step()
    events = profiler.events()
    assert sum(event.name.startswith("aten::empty") for event in events) == 0
    assert sum(event.name == "[memory]" for event in events) == 0


@each_class
def test_the_kernel_is_what_runs(info: Any) -> None:
    for fused, count in ((None, 1), (True, 1), (False, 0)):
        params = [Parameter(torch.randn(3)) for _ in range(4)]
        optimizer = info.optim_cls(params, fused=fused)
        for one in params:
            one.grad = torch.ones(3)
        plan = StepPlan(optimizer)
        assert (len(plan._launches), len(plan._others)) == (count, 0 if count else 4)


@each_class
def test_units_of_work_cover_every_element(info: Any) -> None:
    """Tensors of more than one unit, of one, and of less, on one thread and on two."""
    threads = torch.get_num_threads()
    sizes = (40_001, 1 << 14, 33, 1)
    found = []
    try:
        for count in (1, 2, 0):  # 0: the readable path
            torch.set_num_threads(max(count, 1))
            torch.manual_seed(6)
            params = [Parameter(torch.randn(size, dtype=torch.bfloat16)) for size in sizes]
            optimizer = info.optim_cls(params, fused=None if count else False, state_dtype=torch.bfloat16)
            for _ in range(2):
                for one in params:
                    one.grad = torch.randn_like(one)
                optimizer.step()
            found.append((optimizer, params))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert _all_same((found[0][0], other[0]), (found[0][1], other[1]))


@needs_gpu
@each_class
def test_the_processor_agrees_with_the_gpu(info: Any) -> None:
    for dtype in DTYPES:
        models = [_model(dtype, device) for device in ("cpu", "cuda")]
        optimizers = [info.optim_cls(model.parameters(), rounding="nearest") for model in models]

        def check(step: int, models: Any = models, dtype: Any = dtype) -> None:
            for a, b in zip(*(model.parameters() for model in models), strict=True):
                torch.testing.assert_close(a, b.cpu(), msg=f"{info.name} {dtype} step {step}")

        _walk(models, optimizers, check)
