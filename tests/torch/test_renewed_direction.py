"""torch's ``TestOptimRenewed``, re-made: that steps go where they should, and what is refused.

Every scenario of torch's class, and what stands for it here. "all inputs" are the settings of the class on the readable
path (``fused=False``), on the fused one and with ``differentiable=True``; the ordinary run takes a sample of them,
another for every scenario, and ``--runs 2`` all.

==============================================  ========================================================================
torch's scenario                                here
==============================================  ========================================================================
optim_infos_do_not_specify_global_cliquey...    test_infos_leave_the_path_open
errors                                          test_errors
forloop_goes_right_direction                    test_goes_in_the_right_direction (readable, fused, and left open)
forloop_goes_right_direction_multigpu           test_goes_in_the_right_direction_on_two_gpus (skipped without)
param_group_with_lrscheduler_goes_right_...     test_a_group_with_a_rate_of_its_own_and_schedulers
tensor_lr                                       test_a_tensor_as_the_rate
rosenbrock_sparse                               test_sparse_gradients_are_refused: momentum moves every element
param_groups_weight_decay                       test_groups_with_weight_decay
param_groups_lr                                 test_groups_with_rates
step_is_noop_when_params_have_no_grad           test_without_gradients_nothing_happens
step_is_noop_for_zero_grads                     test_zero_gradients_move_nothing
optimizer_can_be_printed                        test_can_be_printed
non_empty_state                                 test_state_is_not_empty
complex                                         test_renewed_agreement: test_complex
complex_2d                                      test_renewed_agreement: test_complex_is_two_real_numbers
foreach_matches_forloop                         there is one way to compute many tensors: fused, below
set_default_dtype_works_with_foreach            test_renewed_agreement: test_default_dtype_changes_nothing
mixed_device_dtype                              test_renewed_agreement: test_mixed_dtypes (devices: where a GPU is)
foreach_large_tensor, fused_large_tensor        2**32 elements: test_renewed_agreement tests the units of work instead
peak_memory_foreach                             test_renewed_agreement: test_a_fused_step_takes_no_memory
fused_matches_forloop                           test_renewed_agreement: test_fused_equals_readable (bit for bit)
fused_error_on_params_on_meta                   test_renewed_agreement: test_fused_on_meta_is_refused
fused_does_not_step_if_foundinf                 test_renewed_agreement: test_found_inf_takes_no_step
cpu_load_state_dict                             test_renewed_state: test_state_moves_between_devices
fused_cpu_matches_cuda                          test_renewed_agreement: test_the_processor_agrees_with_the_gpu
state_dict_deterministic                        test_renewed_state: test_state_dict_is_deterministic
can_load_older_state_dict                       test_renewed_state: test_loads_older_states
can_load_from_to_named_state_dict               test_renewed_state: test_loads_from_and_to_names
save_load_equality_with_weights_only            test_renewed_state: test_saved_equals_loaded
load_nontensor_step                             test_renewed_state: test_loads_plain_numbers (our shared slots)
state_dict_with_cuda_params                     test_renewed_state: test_state_moves_between_devices
state_dict_pre_hook, _post_hook, _pre_post_     test_renewed_state: test_hooks_of_state_dict
load_state_dict_pre_hook_and_prepend            test_renewed_state: test_hooks_before_loading
load_state_dict_post_hook, _pre_post_hook       test_renewed_state: test_hooks_after_loading
step_pre_hook, step_post_hook, step_all_hooks   test_renewed_state: test_hooks_of_the_step
deepcopy_copies_all_public_attrs                test_renewed_state: test_deepcopy, test_pickle
second_order_optims_return_consistent_types     none of ours is of second order
defaults_changed_to_foreach                     test_renewed_agreement: test_the_kernel_is_what_runs
==============================================  ========================================================================
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import Any

import pytest

from tests.torch.infos import INFOS, all_inputs, chosen, tools

torch = pytest.importorskip("torch")

from torch.nn import Parameter  # noqa: E402
from torch.optim.lr_scheduler import ReduceLROnPlateau  # noqa: E402

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


def _weights(contiguous: bool = True) -> tuple[Any, Any, Any]:
    torch.manual_seed(1)
    if contiguous:
        return Parameter(torch.randn(10, 5)), Parameter(torch.randn(10)), 0.3 * torch.randn(5)
    return Parameter(torch.randn(10, 5, 2)[..., 0]), Parameter(torch.randn(10, 2)[..., 0]), 0.3 * torch.randn(5)


def _descend(optimizer: Any, weight: Any, bias: Any, given: Any, schedulers: Any = (), closed: bool = True) -> Any:
    """The loss before and after 20 steps."""

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (weight.mv(given).to(bias.device) + bias).pow(2).sum()
        loss.backward()
        return loss

    first = closure().item()
    for _ in range(20):
        if closed:
            loss = optimizer.step(closure)
        else:
            loss = closure()
            optimizer.step()
        for scheduler in schedulers:
            scheduler.step(loss.item()) if isinstance(scheduler, ReduceLROnPlateau) else scheduler.step()
    return first, closure().item()


def _right(losses: tuple[float, float], kwargs: dict[str, Any]) -> bool:
    return losses[1] > losses[0] if kwargs.get("maximize") else losses[1] < losses[0]


@each_class
def test_infos_leave_the_path_open(info: Any) -> None:
    for given in info.optim_inputs_func():
        assert not {"fused", "differentiable"} & set(given.kwargs)


@each_class
def test_errors(info: Any) -> None:
    errors = info.optim_error_inputs_func("cpu", torch.float32)
    assert len(errors) > 15
    for error in errors:
        given = error.optimizer_error_input
        params = [Parameter(torch.randn(1, 1))] if given.params is None else given.params
        told = pytest.warns if issubclass(error.error_type, Warning) else pytest.raises
        with told(error.error_type, match=error.error_regex):
            info.optim_cls(params, **given.kwargs)


@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("contiguous", [True, False])
@each_class
def test_goes_in_the_right_direction(info: Any, contiguous: bool, fused: bool | None, runs: int) -> None:
    scenario = f"direction {info.name} {contiguous} {fused}"
    plans = [None, *chosen(list(info.scheduler_inputs), scenario, runs, 2)]
    for number, plan in enumerate(plans):
        for given in chosen(info.optim_inputs_func(), f"{scenario} {number}", runs, 2):
            weight, bias, data = _weights(contiguous)
            optimizer = info.optim_cls([weight, bias], **deepcopy(given.kwargs), fused=fused)
            schedulers = [make(optimizer) for make in plan or ()]
            losses = _descend(optimizer, weight, bias, data, schedulers, closed=number % 2 == 0)
            assert _right(losses, given.kwargs), (given.desc, losses)


@two_gpus
@each_class
def test_goes_in_the_right_direction_on_two_gpus(info: Any) -> None:
    for given in info.optim_inputs_func():
        weight, bias, data = _weights()
        weight, bias = Parameter(weight.detach().to("cuda:0")), Parameter(bias.detach().to("cuda:1"))
        optimizer = info.optim_cls([weight, bias], **deepcopy(given.kwargs))
        assert _right(_descend(optimizer, weight, bias, data.to("cuda:0")), given.kwargs)


@each_class
def test_a_group_with_a_rate_of_its_own_and_schedulers(info: Any) -> None:
    for plan in info.scheduler_inputs:
        weight, bias, data = _weights()
        optimizer = info.optim_cls([{"params": [weight]}, {"params": [bias], "lr": 0.01}])
        first, last = _descend(optimizer, weight, bias, data, [make(optimizer) for make in plan])
        assert last < first
        assert optimizer.param_groups[1].get("initial_lr", 0.01) == 0.01


@each_class
def test_a_tensor_as_the_rate(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"tensor {info.name}", runs, 4):
        found = []
        for rate in (1e-3, torch.tensor(1e-3, dtype=torch.float64), torch.tensor([1e-3], dtype=torch.float64)):
            weight, bias, data = _weights()
            optimizer = info.optim_cls([weight, bias], **given.kwargs | {"lr": rate})
            _descend(optimizer, weight, bias, data)
            assert optimizer.param_groups[0]["lr"] is rate  # whoever changes it in place is heard
            found.append((weight.detach(), bias.detach()))
        for others in found[1:]:
            assert all(map(torch.equal, others, found[0])), given.desc


@each_class
def test_a_tensor_changed_in_place_counts_at_the_next_step(info: Any) -> None:
    for fused in (None, False):
        rate = torch.tensor(0.5, dtype=torch.float64)
        found = []
        for lr in (rate, 0.5):
            x = Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
            optimizer = info.optim_cls([x], lr=lr, fused=fused)
            for step in range(4):
                if step == 2:
                    rate.fill_(0.125) if lr is rate else optimizer.param_groups[0].update(lr=0.125)
                x.grad = torch.tensor([0.5, 1.0], dtype=torch.float64)
                optimizer.step()
            found.append(x.detach())
        assert torch.equal(*found)


@each_class
def test_sparse_gradients_are_refused(info: Any) -> None:
    table = torch.nn.Embedding(5, 3, sparse=True)
    optimizer = info.optim_cls(table.parameters())
    before = table.weight.detach().clone()
    table(torch.tensor([1, 1, 2])).sum().backward()
    with pytest.raises(ValueError, match=r"sparse.*build the layer with sparse=False"):
        optimizer.step()
    assert torch.equal(table.weight, before)
    table.weight.grad = table.weight.grad.to_dense()
    optimizer.step()
    assert not torch.equal(table.weight, before)


@each_class
def test_parameters_without_a_place_of_their_own_are_refused(info: Any) -> None:
    """torch fails in the middle of the step, or steps something else."""
    row = torch.zeros(3, dtype=torch.complex64)
    for wrong, told in (
        (row.conj().requires_grad_(), "conjugated or negated whenever it is read"),
        (row.conj().imag.detach().requires_grad_(), "conjugated or negated whenever it is read"),
        (torch.zeros(1).expand(5).requires_grad_(), r"elements of parameter 0 of group 1 .* share a place in memory"),
        (torch.zeros(3, dtype=torch.int64), r"is of torch\.int64; allowed are"),
    ):
        optimizer = info.optim_cls([Parameter(torch.ones(2))])
        with pytest.raises(ValueError, match=told):
            optimizer.add_param_group({"params": [wrong]})
        assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("fused", [None, False])
def test_gradients_of_other_classes_are_refused(fused: bool | None) -> None:
    """They keep their numbers elsewhere: a kernel would look for them at no address."""
    from torch.testing._internal.two_tensor import TwoTensor

    for first in (True, False):
        x = Parameter(torch.ones(2))
        optimizer = INFOS[1].optim_cls([x], fused=fused, nonfinite="pass")
        if not first:
            x.grad = torch.ones(2)
            optimizer.step()
        before = x.detach().clone()
        x.grad = TwoTensor(torch.ones(2), torch.ones(2))
        with pytest.raises(ValueError, match="is a TwoTensor; allowed are plain tensors"):
            optimizer.step()
        assert torch.equal(x, before)


@each_class
def test_groups_with_weight_decay(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"decay {info.name}", runs):
        weight, bias, data = _weights()
        path = {name: given.kwargs[name] for name in ("fused",) if name in given.kwargs}
        kept = {name: value for name, value in given.kwargs.items() if name not in ("fused", "foreach")}
        groups = [{"params": [weight], **kept}, {"params": [bias], **kept, "weight_decay": 0.0}]
        optimizer = info.optim_cls(groups, **path)
        assert _right(_descend(optimizer, weight, bias, data, closed=False), given.kwargs), given.desc


@each_class
def test_groups_with_rates(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info, skip=("differentiable",)), f"rates {info.name}", runs):
        weight, bias, data = _weights()
        other = Parameter(torch.randn(2))
        before = other.detach().clone()
        kept = {name: value for name, value in given.kwargs.items() if name not in ("fused", "foreach")}
        group = {"params": [weight, bias], "lr": 1e-3, **kept}
        optimizer = info.optim_cls([group, {"params": [other]}], lr=1e-28, fused=given.kwargs.get("fused"))
        other.grad = torch.rand_like(other)
        optimizer.step()
        assert _right(_descend(optimizer, weight, bias, data), given.kwargs), given.desc
        if info.name == "ScheduleFreeSGD":  # (1 − β)z + βx is made anew from z and x at every step, and rounds
            torch.testing.assert_close(other.detach(), before)
        else:
            assert torch.equal(other.detach(), before)


@each_class
def test_without_gradients_nothing_happens(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info), f"none {info.name}", runs, 4):
        params = [torch.randn(2, 3) for _ in range(2)]
        before = [one.clone() for one in params]
        optimizer = info.optim_cls(params, **given.kwargs)
        assert optimizer.step(lambda: torch.tensor([1.0])).item() == 1.0
        assert optimizer.step() is None
        assert all(map(torch.equal, params, before))
        assert len(optimizer.state) == 0
        assert optimizer.param_groups[0]["steps"] == 0


@each_class
def test_zero_gradients_move_nothing(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info), f"zero {info.name}", runs, 6):
        if given.kwargs.get("weight_decay") or (info.name == "AdamW" and "weight_decay" not in given.kwargs):
            continue
        leaf = torch.randn(5, 1, requires_grad=True)
        before = leaf.detach().clone()
        param = leaf.clone() if given.kwargs.get("differentiable") else leaf
        param.grad = torch.zeros_like(param)
        optimizer = info.optim_cls([param], **given.kwargs)
        optimizer.step(lambda: torch.tensor([1.0]))
        if info.name == "ScheduleFreeSGD":
            torch.testing.assert_close(param.detach(), before)
        else:
            assert torch.equal(param.detach(), before), given.desc


@pytest.mark.parametrize("fused", [None, False])
@each_class
def test_empty_and_scalar_parameters(info: Any, fused: bool | None) -> None:
    params = [Parameter(torch.empty(0)), Parameter(torch.tensor(1.0)), Parameter(torch.empty(3, 0, 2))]
    optimizer = info.optim_cls(params, fused=fused)
    for _ in range(2):
        for one in params:
            one.grad = torch.ones_like(one)
        optimizer.step()
    assert params[1].item() < 1.0
    assert [tuple(one.shape) for one in params] == [(0,), (), (3, 0, 2)]


@each_class
def test_can_be_printed(info: Any, runs: int) -> None:
    for given in chosen(all_inputs(info), f"print {info.name}", runs):
        text = repr(info.optim_cls([Parameter(torch.randn(2, 3)) for _ in range(2)], **given.kwargs))
        assert text.startswith(f"{info.name} (")
        assert "lr: " in text
        assert f"rule: {info.name}" in text


@each_class
def test_state_is_not_empty(info: Any) -> None:
    for given in info.optim_inputs_func():
        model = torch.nn.Linear(5, 5)
        optimizer = info.optim_cls(model.parameters(), **given.kwargs)
        model(torch.rand(2, 5)).sum().backward()
        optimizer.step()
        if not optimizer.group_plans()[0].stepper.rule.slots:  # nothing is carried: there is nothing to say
            assert all(not slots for slots in optimizer.state.values())
            continue
        assert len(optimizer.state) == 2
        assert all(slots for slots in optimizer.state.values())


@each_class
def test_schedulers_do_not_warn_in_the_right_order(info: Any) -> None:
    x = Parameter(torch.ones(2))
    optimizer = info.optim_cls([x])
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    x.grad = torch.ones(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
        scheduler.step()
    other = info.optim_cls([x])
    scheduler = torch.optim.lr_scheduler.StepLR(other, 1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()


def test_tools_left_no_traces() -> None:
    import sys

    from hypothesis import settings

    assert settings.get_current_profile_name() in ("ordinary", "campaign")
    stand_in = sys.modules.get("expecttest")
    assert stand_in is None or stand_in.__spec__ is not None
    assert tools.OptimizerInfo.__module__ == "torch.testing._internal.common_optimizers"
