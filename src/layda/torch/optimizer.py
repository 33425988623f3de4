"""Any rule as a ``torch.optim.Optimizer``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from layda.errors import ComputationError, SettingError
from layda.rule import Rule
from layda.schedules import Schedule
from layda.torch import checkpoint
from layda.torch.answers import answers
from layda.torch.common import OfRun, check, check_run, shown
from layda.torch.names import refuse_names
from layda.torch.settings import GroupPlan, read_group, settings_of, split_schedules, taken
from layda.torch.step import StepPlan
from layda.torch.tensors import refuse_parameter

__all__ = ["Optimizer"]

_is_compiling = torch.compiler.is_compiling


class Optimizer(torch.optim.Optimizer):
    """A rule of layda's, or of your own, as an optimizer for PyTorch.

    Parameters hold the points where gradients are taken. What the rule offers as its answer (Nesterov's x, the average
    of schedule-free SGD) is swapped in by :meth:`estimates`.

    A changed ``lr`` does what the rule's equation says: with ``form="velocity"`` (v ← βv + αg) it scales what enters
    the velocity from now on, while what has been gathered keeps its pace; with ``form="step"`` (x ← x − αv,
    PyTorch's own) it changes the pace at once. ``OneCycleLR`` and ``CyclicLR`` also cycle ``momentum``, or the first of
    ``betas``; a rule that has neither takes ``cycle_momentum=False``. Adam's bias correction then divides by one minus
    the product of the β₁ that were used, where PyTorch takes the present one, 1 − β₁ᵗ.

    **Bytes** for each parameter: as many numbers as the rule has slots, in the parameter's dtype, but float32 for
    bfloat16 and float16; ``state_dtype=torch.bfloat16`` halves what float32 takes. Heavy ball: 4 bytes, or 2.

    Args:
        params: tensors, pairs (name, tensor), or dicts with ``params`` and settings of their own.
        rule: a rule, its class, or a text such as ``"heavy-ball:momentum=0.95"``.
        lr: the learning rate in place of the rule's: a number, a tensor of one element (a change of which needs no new
            program under ``torch.compile`` or in a CUDA graph), or a schedule of layda's.
        maximize: go up instead of down.
        nonfinite: what to do about gradients with infinities or NaN: ``"skip"`` the whole step, count it in
            :attr:`skipped` and warn once, ``"raise"``, or ``"pass"`` them on to the rule, as torch's optimizers do. The
            first two read all gradients once more before anything is changed; on a GPU they wait for it once a step,
            and a CUDA graph can be captured with "pass" only.
        state_dtype: what the slots are kept in, instead of the above.
        rounding: how what is kept in bfloat16 is rounded: ``"stochastic"`` (small changes are kept in the mean) or
            ``"nearest"``. Arithmetic is in float32.
        seed: of stochastic rounding. The same seed gives the same bits. With ``rounding`` and :attr:`skipped` it is
            part of ``state_dict()``, so that a run goes on with its own; all else that is no setting of a group belongs
            to the code that makes the optimizer.
        fused: whether kernels take the step; ``None``: where there is one for the parameters. ``False``: the
            readable twin.
        differentiable: let autograd see the step (the readable twin takes it).

    Raises:
        SettingError: a setting out of its range, NaN or infinite; parameters that are no floats; a rule that restarts.

    >>> import torch
    >>> from layda.rules import HeavyBall
    >>> x = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = Optimizer([x], HeavyBall(0.25, 0.5))
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x**2).sum().backward()
    ...     optimizer.step()
    >>> x.tolist()
    [-0.25]
    """

    rounding, seed, skipped = OfRun(), OfRun(), OfRun()

    def __init__(
        self,
        params: Any,
        rule: Rule | type[Rule] | str,
        lr: Any = None,
        *,
        maximize: bool = False,
        nonfinite: str = "skip",
        state_dtype: torch.dtype | None = None,
        rounding: str = "stochastic",
        seed: int = 0,
        fused: bool | None = None,
        differentiable: bool = False,
    ) -> None:
        if not isinstance(rule, Rule):
            from layda.specs.rules import to_rule

            rule = to_rule(rule)
        if rule.restart != "never":
            raise SettingError(
                f"restart is {rule.restart!r}; allowed is 'never': a restart asks about all coordinates at once, which "
                "an optimizer's step does not; leave it out"
            )
        for name, value in (("nonfinite", nonfinite), ("state_dtype", state_dtype), ("fused", fused)):
            check(name, value)
        run = {"rounding": rounding, "seed": seed, "skipped": 0}
        check_run(run)
        if fused and differentiable:
            raise SettingError("fused and differentiable are both True; a kernel has no derivative; leave fused out")
        if lr is not None:
            rule = _with_rate(rule, lr)
        self.rule = rule
        self.nonfinite, self.state_dtype, self.fused = nonfinite, state_dtype, fused
        self._warned = False
        self._swapped: list[tuple[torch.Tensor, torch.Tensor]] | None = None
        self._plan: StepPlan | None = None
        defaults = settings_of(rule) | {"maximize": maximize, "differentiable": differentiable}
        defaults |= {"rule": rule.name, "run": run}
        if isinstance(lr, torch.Tensor):
            defaults["lr"] = lr
        super().__init__(params, defaults)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("fused", "rounding", "state_dtype"):
            self.__dict__["_plan"] = None  # it was made for another way
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        lines = [line for line in super().__repr__().splitlines() if not line.startswith(("    rule: ", "    run: "))]
        return "\n".join([*lines[:-1], *shown(self), ")"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take up more parameters, with settings of their own; what is not given is as for the others.

        Raises:
            SettingError: a setting out of its range, or misspelt; parameters that are no floats.
        """
        given: Any = param_group
        if not isinstance(given, dict) or "params" not in given:
            super().add_param_group(given)  # torch says what is wrong
            return
        merged = taken(self.rule, {key: value for key, value in given.items() if key != "params"}, self.defaults)
        refuse_names(self.rule, merged)
        if merged["rule"] != self.rule.name:
            raise SettingError(
                f"a param group has the rule {merged['rule']!r}; allowed is {self.rule.name!r}: give it to the "
                "optimizer, for all groups"
            )
        merged["run"] = self.defaults["run"]  # also where the group comes from another optimizer
        split_schedules(self.rule, merged)
        read_group(self.rule, merged)
        super().add_param_group({"params": given["params"]} | merged)
        try:
            for index, parameter in enumerate(self.param_groups[-1]["params"]):
                refuse_parameter(parameter, self.name_of(len(self.param_groups) - 1, index))
                self._check_state_dtype(parameter)
        except SettingError:
            del self.param_groups[-1]
            raise
        self._plan = None

    def _check_state_dtype(self, parameter: torch.Tensor) -> None:
        if parameter.is_complex() and self.state_dtype is not None:
            raise SettingError(
                f"state_dtype is {self.state_dtype} and a parameter is complex ({parameter.dtype}), which is kept in "
                "its own numbers; allowed is None; leave state_dtype out"
            )

    def name_of(self, group: int, index: int) -> str:
        """How messages call a parameter: by its name where it was given with one."""
        chosen = self.param_groups[group]
        if "param_names" in chosen:
            return f"parameter {chosen['param_names'][index]!r}"
        shape = tuple(chosen["params"][index].shape)
        return f"parameter {index} of group {group} (shape {shape})"

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step.

        Args:
            closure: computes the loss and the gradients anew; called once, before the step.

        Returns:
            The closure's loss; ``None`` without a closure.

        Raises:
            ComputationError: with ``nonfinite="raise"``, a gradient that is not finite. Nothing has been changed then.
            SettingError: a setting that was changed to a value out of its range; a step inside :meth:`estimates`.
        """
        if _is_compiling():
            return _outside(self, closure)
        if self._swapped is not None:
            raise SettingError("step() inside estimates(), where parameters hold the answer; leave the block first")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        plan = self._plan
        if plan is None or not plan.fits():
            if not self.state and checkpoint.only_slots_are_wanted(self):
                checkpoint.make_slots(self)
                return loss
            plan = self._plan = StepPlan(self, None if plan is None else plan.parts)
        if (self.nonfinite == "pass" and "found_inf" not in self.__dict__) or self._accepted(plan):
            plan.take()
        return loss

    def _accepted(self, plan: StepPlan) -> bool:
        """Whether the gradients may be used; if not, the plan is forgotten before anything is said or raised."""
        found = self.__dict__.get("found_inf")  # a GradScaler has looked already
        number = None
        if found is not None and float(found) > 0.0:
            number = -1
        elif self.nonfinite != "pass":
            number = plan.first_not_finite()
        number = plan.agreed(number)
        if number is None:
            return True
        bad = "a GradScaler's gradient" if number < 0 else plan.name(number)
        plan.forget()
        self._plan = None
        if self.nonfinite == "raise" and found is None:
            raise ComputationError(
                f"the gradient of {bad} has infinities or NaN; nothing was changed; allowed are finite numbers; look "
                "for the cause (a learning rate that is too large, log(0), 0/0), or take nonfinite='skip'"
            )
        self.skipped += 1
        if not self._warned and found is None:
            self._warned = True
            warnings.warn(
                f"the gradient of {bad} has infinities or NaN: the step was skipped and counted in optimizer.skipped; "
                "this is said once; nonfinite='raise' stops there, 'pass' uses them as they are",
                RuntimeWarning,
                stacklevel=3,
            )
        return False

    @contextmanager
    def estimates(self) -> Iterator[None]:
        """Within the block, parameters hold what the rule offers as its answer; afterwards their own bits again.

        Use it to evaluate a model, or to save one. Steps and ``state_dict()`` are refused inside.

        >>> from layda.rules import ScheduleFreeSGD
        >>> x = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Optimizer([x], ScheduleFreeSGD(0.25, 0.5))
        >>> for _ in range(2):
        ...     x.grad = 2.0 * x.detach()
        ...     optimizer.step()
        >>> with optimizer.estimates():
        ...     print(x.item())
        0.375
        >>> x.item()
        0.3125
        """
        if self._swapped is not None:
            raise SettingError("estimates() inside estimates(); allowed is one block at a time; leave the first")
        self._swapped = []
        try:
            with torch.no_grad():
                for parameter, answer in answers(self):
                    self._swapped.append((parameter, parameter.detach().clone()))
                    parameter.copy_(answer)
            yield
        finally:
            kept, self._swapped = self._swapped, None
            with torch.no_grad():
                for parameter, own in kept:
                    parameter.copy_(own)

    @torch._disable_dynamo  # type: ignore[attr-defined]  # torch.compiler.disable would import Dynamo
    def state_dict(self) -> dict[str, Any]:
        """Everything that the run needs to go on, as plain data of its own: later steps do not change it.

        Raises:
            SettingError: inside :meth:`estimates`.
        """
        if self._swapped is not None:
            raise SettingError(
                "state_dict() inside estimates(): it belongs to the points where gradients are taken, and parameters "
                "hold the answer now; leave the block first"
            )
        return checkpoint.saved(self, super().state_dict())

    @torch._disable_dynamo  # type: ignore[attr-defined]  # torch.compiler.disable would import Dynamo
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state: this rule's, or one of ``torch.optim`` that the rule continues.

        Those are SGD's (converted to the rule's form), and Adam's, AdamW's and NAdam's without ``amsgrad``. Slots keep
        the dtype of this optimizer. Settings are the state's, with the seed and the rounding. (The other way round,
        torch's optimizers load a state of layda's without a word and fail at their next step.)

        Raises:
            SettingError: the state belongs to another rule, other parameters, or a run that this rule cannot continue.
        """
        if self._swapped is not None:
            raise SettingError("load_state_dict() inside estimates(); leave the block first")
        super().load_state_dict(checkpoint.translated(self, state_dict))

    def __getstate__(self) -> dict[str, Any]:
        """What pickle and deepcopy keep."""
        if self._swapped is not None:
            raise SettingError("a copy inside estimates(), where parameters hold the answer; leave the block first")
        names = ("rule", "nonfinite", "state_dtype", "fused", "_warned")
        return super().__getstate__() | {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._plan, self._swapped = None, None
        checkpoint.settle(self)

    def group_plans(self) -> list[GroupPlan]:
        """The groups' settings, read and checked."""
        return [read_group(self.rule, group) for group in self.param_groups]

    def inverse_scale(self) -> float | None:
        """What gradients are multiplied by because a GradScaler has scaled the loss."""
        scale = self.__dict__.get("grad_scale")
        return None if scale is None else 1.0 / float(scale)

    _step_supports_amp_scaling = True  # a GradScaler hands over its scale, and p.grad is never written


@torch._disable_dynamo  # type: ignore[attr-defined]  # torch.compiler.disable would import Dynamo
def _outside(optimizer: Optimizer, closure: Callable[[], Any] | None) -> Any:
    """The step between two compiled graphs: one call of a kernel of its own, for which new settings compile nothing."""
    return optimizer.step(closure)


def _with_rate(rule: Rule, lr: Any) -> Rule:
    if isinstance(lr, torch.Tensor):
        if lr.numel() != 1:
            raise SettingError(f"lr is a tensor of shape {tuple(lr.shape)}; allowed is a tensor of one element")
        lr = float(lr.detach())
    if isinstance(lr, bool) or not isinstance(lr, int | float | np.integer | np.floating | Schedule):
        raise SettingError(f"lr is {lr!r}; allowed is a number, a tensor of one element, or a schedule of layda's")
    changed: Rule = replace(rule, learning_rate=lr)  # type: ignore[call-arg]  # every rule has the field
    return changed
