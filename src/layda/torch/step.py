"""One step over all groups: who takes part, what is one number for all elements, and which way the rest is computed."""

from __future__ import annotations

import warnings
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from layda.errors import ComputationError, SettingError
from layda.torch import eager, gpu
from layda.torch.cuda_launch import CudaLaunch
from layda.torch.fused import Entry, Launch, kind_of_launch
from layda.torch.group import Group
from layda.torch.rounding import kept, mixed, noise
from layda.torch.shared import Cohort, cohorts
from layda.torch.tensors import (
    arithmetic_dtype,
    check_slot,
    elements,
    is_plain,
    is_sharded,
    is_wrapper,
    local,
    new_slot,
    refuse,
    suits,
)  # fmt: skip
from layda.torch.watching import Watch

if TYPE_CHECKING:
    from layda.torch.optimizer import Optimizer

__all__ = ["StepPlan"]


class StepPlan:
    """Who takes part in a step and how; made anew when that changes.

    Args:
        optimizer: whose parameters have their gradients.
        parts: what :func:`layda.torch.distributed.redistributed` has found for this step already.

    Attributes:
        parts: of this step.

    Raises:
        SettingError: a setting out of its range; a parameter or gradient that cannot be stepped.
    """

    def __init__(self, optimizer: Optimizer, parts: dict[int, torch.Tensor] | None = None) -> None:
        self.optimizer = optimizer
        self._scale = optimizer.inverse_scale()
        scaled = self._scale is not None
        self._groups = [Group(optimizer, index, scaled) for index in range(len(optimizer.param_groups))]
        self._absent: list[torch.Tensor] = []
        self._fresh: list[torch.Tensor] = []
        self._sharded = [p for group in self._groups for p in group.parameters if is_sharded(p)]
        self._partners: list[Any] = []
        self.parts = parts or {}
        if self._sharded:
            from layda.torch.distributed import partners

            self._partners = partners(self._sharded)
            if parts is None:
                self._redistribute()
        self._cohorts: list[Cohort] = []
        self._launches: list[Launch | CudaLaunch] = []
        self._read_here: set[int] = set()  # cohorts whose numbers a processor's kernel reads
        self._others: list[Entry] = []
        try:
            entries = self._entries()
            self._cohort_of = self._gathered(entries)
            self._divide(entries)
        except SettingError:
            self.forget()
            raise
        self._state_dict = optimizer.state
        lists = [group.parameters for group in self._groups]  # they may be edited in place
        self._watch = Watch(optimizer.state, lists)
        self._watched = any(launch.watch(self._watch) for launch in self._launches)
        self._moving: list[Cohort] = []
        self._stale = True
        self._random = any(launch.stochastic for launch in self._launches) or bool(self._others)
        for launch in self._launches:
            if not launch.find(self.parts):
                raise ComputationError(
                    "parameters, slots or gradients were moved while a step was prepared; step again"
                )

    # --- who takes part -----------------------------------------------------------------------------------------------

    def _entries(self) -> list[Entry]:
        optimizer, found, number = self.optimizer, [], -1
        for index, group in enumerate(self._groups):
            for place, parameter in enumerate(group.parameters):
                number += 1
                if parameter.grad is None:
                    self._absent.append(parameter)
                    continue
                refuse(parameter, optimizer.name_of(index, place))
                group.active = True
                state = self._state(parameter, group, optimizer.name_of(index, place))
                found.append(Entry(parameter, number, state, index, group.program, is_sharded(parameter)))
        return found

    def _state(self, parameter: torch.Tensor, group: Group, called: str) -> dict[str, Any]:
        """The parameter's slots; before its first step they are made."""
        if parameter not in self.optimizer.state:
            self._fresh.append(parameter)
        state: dict[str, Any] = self.optimizer.state[parameter]
        if any(slot.name in state for slot in group.plan.stepper.slots):
            for slot in group.plan.stepper.shared:
                if slot.late is not None and slot.name not in state:
                    state[slot.name] = torch.tensor(slot.late, dtype=torch.float64)
        for slot in group.plan.stepper.slots:
            if slot.name not in state:
                with torch.no_grad():
                    state[slot.name] = new_slot(slot, parameter, self.optimizer.state_dtype)
            check_slot(slot.name, state[slot.name], parameter, called)
        return state

    def _gathered(self, entries: list[Entry]) -> dict[int, Cohort]:
        """The cohort of each entry, by its number."""
        together: dict[tuple[int, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            dtype = "float64" if arithmetic_dtype(entry.parameter.dtype) is torch.float64 else "float32"
            together[entry.group, dtype].append(entry)
        found: dict[int, Cohort] = {}
        for (index, dtype), part in together.items():
            group = self._groups[index]
            states = [entry.state for entry in part]
            own = cohorts(index, group.plan.stepper.shared, states, group.program.parts, dtype)
            found |= {entry.number: cohort for entry, cohort in zip(part, own, strict=True)}
        self._cohorts = list({id(cohort): cohort for cohort in found.values()}.values())
        return found

    def _divide(self, entries: list[Entry]) -> None:
        """Kernels for those that a kernel can walk over, the readable twin for the others."""
        stochastic = self.optimizer.rounding == "stochastic"
        kinds: dict[Any, list[Entry]] = defaultdict(list)
        for entry in entries:
            if self._walkable(entry):
                shared = self._cohort_of[entry.number].names  # they may depend on a group's settings
                device = local(entry.parameter).device
                uniform = entry.program.parts.uniform if device.type == "cuda" else None  # a GPU may reckon it
                kinds[device, kind_of_launch(entry, stochastic), shared, uniform].append(entry)
            else:
                self._others.append(entry)
        for (device, (task, *_), *_), part in kinds.items():
            own = [self._cohort_of[entry.number] for entry in part]
            if device.type == "cuda":
                self._launches.append(CudaLaunch(task, part, own))
            else:
                self._launches.append(Launch(task, part, own))
                self._read_here |= set(map(id, own))

    def _walkable(self, entry: Entry) -> bool:
        optimizer, parameter = self.optimizer, entry.parameter
        if optimizer.fused is False or self._groups[entry.group].group["differentiable"]:
            return False
        here = local(parameter)
        slots = [entry.state[name] for name in entry.program.arrays[2:]]
        fits = here.device.type in _KERNELS and all(map(is_plain, (parameter, *slots)))
        fits = fits and (not here.numel() or all(local(slot).stride() == here.stride() for slot in slots))
        fits = fits and all(local(slot).device == here.device for slot in slots) and _KERNELS[here.device.type]()
        if optimizer.fused and not fits:
            raise SettingError(
                f"fused is True, and {self.name(entry.number)} cannot be stepped by a kernel (device {here.device}, "
                f"strides {here.stride()}); allowed are dense tensors on the CPU, and on NVIDIA GPUs with layda[gpu]; "
                "leave fused out"
            )
        return fits

    def name(self, number: int) -> str:
        """How messages call the parameter of this number."""
        for index, group in enumerate(self._groups):
            if number < group.count:
                return self.optimizer.name_of(index, number)
            number -= group.count
        raise AssertionError(number)

    # --- the next steps -----------------------------------------------------------------------------------------------

    def fits(self) -> bool:
        """Whether the plan still holds: the same parameters with gradients, slots, kinds and places."""
        optimizer = self.optimizer
        if self._sharded:
            self._redistribute()
        scale = optimizer.inverse_scale() if "grad_scale" in optimizer.__dict__ else None
        if scale is not self._scale and scale != self._scale:
            self._scale, self._stale = scale, True
        groups = optimizer.param_groups
        if optimizer.state is not self._state_dict or len(groups) != len(self._groups):
            return False
        scaled = scale is not None
        for index, own in enumerate(self._groups):
            if groups[index] is not own.group or not own.fits(scaled):
                return False
            if own.changed:
                own.changed, self._stale = False, True
        if not self._watched and not self._watch.holds():
            return False
        if self._moving and not all(cohort.still() for cohort in self._moving):
            return False
        if self._absent and any(parameter.grad is not None for parameter in self._absent):
            return False
        if self._others and not all(map(self._still, self._others)):
            return False
        for launch in self._launches:
            if not launch.find(self.parts):
                return False
        if self._fresh:
            self._fresh = []
        return True

    def _still(self, entry: Entry) -> bool:
        """Whether the readable twin may step it; whoever makes the next plan says why not."""
        parameter, gradient = entry.parameter, entry.parameter.grad
        if gradient is None or gradient.layout != torch.strided or gradient.shape != parameter.shape:
            return False
        if is_wrapper(gradient):
            return False
        fits = all(suits(entry.state.get(name), parameter) for name in entry.program.arrays[2:])
        return fits and self._cohort_of[entry.number].held_by(entry.state)

    def _redistribute(self) -> None:
        from layda.torch.distributed import redistributed

        self.parts = redistributed(self._sharded)

    def _gradient(self, entry: Entry) -> torch.Tensor:
        """This process' part."""
        gradient = entry.parameter.grad
        assert gradient is not None
        return self.parts[id(entry.parameter)] if id(entry.parameter) in self.parts else local(gradient)

    def first_not_finite(self) -> int | None:
        """The number of the first parameter whose gradient has a number that is not finite, in this process."""
        found: list[int] = []
        for launch in self._launches:
            row = launch.first_not_finite()
            if row is not None:
                found.append(launch.entries[row].number)
        for entry in self._others:
            own = self._gradient(entry)
            if not own.is_meta and not bool(torch.isfinite(own).all()):  # on the meta device there are no numbers
                found.append(entry.number)
        return min(found, default=None)

    def agreed(self, number: int | None) -> int | None:
        """The smallest number that any process has found that holds parts of the parameters; every one must ask."""
        if not self._partners:
            return number
        from layda.torch.distributed import smallest

        return smallest(number, self._partners, local(self._sharded[0]).device)

    def forget(self) -> None:
        """The step is not taken: slots that were made for it are unmade, so that they begin where the first step is."""
        for parameter in self._fresh:
            self.optimizer.state.pop(parameter, None)
        for launch in self._launches:
            launch.forget()

    def take(self) -> None:
        """Take the step."""
        if self._stale:
            self._moving = [one for one in self._cohorts if not one.constant or self._groups[one.group].on_gpu]
            for cohort in self._cohorts:
                self._prepare(cohort)
            self._stale = False
        elif self._moving:
            for cohort in self._moving:
                self._prepare(cohort)
        key = self._key() if self._random else 0
        if self._others:  # first: torch's operations may fail for want of memory, kernels do not
            for entry in self._others:
                self._step_readably(entry, key)
        for launch in self._launches:
            launch.run(key)
        if self._moving:
            for cohort in self._moving:
                cohort.advance()
        for group in self._groups:
            if group.active:
                group.advance()
        if self.parts:
            self.parts = {}

    def _prepare(self, cohort: Cohort) -> None:
        group = self._groups[cohort.group]
        cohort.on_device = None
        if group.on_gpu and cohort.constant and id(cohort) not in self._read_here:
            cohort.on_device = group.numbers(self._scale, on_gpu=True)
        else:
            cohort.prepare(group.numbers(self._scale))

    def _key(self) -> int:
        steps = sum(group.group["steps"] for group in self._groups)
        found = mixed(self.optimizer.seed ^ int(mixed(steps & 0xFFFFFFFF)))
        assert isinstance(found, int)
        return found

    def _step_readably(self, entry: Entry, key: int) -> None:
        """The rule's program, operation by operation, on the tensors of one parameter."""
        group = self._groups[entry.group]
        differentiable = group.group["differentiable"]
        with torch.set_grad_enabled(bool(differentiable)):
            parameter, gradient = entry.parameter, self._gradient(entry)
            names = ("position", *entry.program.arrays[2:])
            if differentiable:
                tensors = {"position": parameter.clone(), "gradient": gradient} | {n: entry.state[n] for n in names[1:]}
            else:
                tensors = {"position": elements(parameter), "gradient": elements(gradient)}
                tensors |= {name: elements(entry.state[name]) for name in names[1:]}
            dtype = arithmetic_dtype(parameter.dtype)
            values: dict[str, Any] = group.numbers(self._scale) | {
                name: value.to(torch.float64).reshape(())
                for name, value in group.plan.numbers.items()
                if isinstance(value, torch.Tensor)
            }
            cohort = self._cohort_of[entry.number]
            values |= cohort.numbers()
            values |= {name: tensor.to(dtype) for name, tensor in tensors.items()}
            found = eager.evaluate(entry.program.whole, values, dtype)
            if differentiable:
                parameter.copy_(found["position"])
                entry.state.update({name: found[name] for name in names[1:]})
                return
            self._keep(entry, {name: (tensors[name], found[name]) for name in names}, key)

    def _keep(self, entry: Entry, pairs: dict[str, tuple[torch.Tensor, Any]], key: int) -> None:
        """Write the results back, rounded as the kernel rounds."""
        stochastic = self.optimizer.rounding == "stochastic"
        rounded = [name for name, (old, _) in pairs.items() if stochastic and old.dtype is torch.bfloat16]
        like = pairs["position"][0]
        bits = noise(key, entry.number, like.numel(), len(rounded)) if rounded else []
        for name, (old, new) in pairs.items():
            own = bits[rounded.index(name)] if name in rounded else None
            if own is not None and is_plain(old):
                own = own.as_strided(old.shape, old.stride())  # elements are numbered as they lie in memory
            result = new if isinstance(new, torch.Tensor) else torch.full_like(old, new)  # alike for all elements
            old.copy_(kept(result, old.dtype, own))
        torch.autograd.graph.increment_version(entry.parameter)


@cache
def _kernels() -> bool:
    """Whether LLVM is there to make kernels; if not, it is said once."""
    try:
        import llvmlite.binding  # noqa: F401
    except ImportError as error:
        warnings.warn(
            f"no kernels: llvmlite cannot be imported ({error}); steps take the slower readable path; reinstall layda",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


_KERNELS = {"cpu": _kernels, "cuda": gpu.available}
"""Device -> whether kernels can be made for it."""
