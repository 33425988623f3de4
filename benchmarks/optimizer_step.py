"""One step of momentum on a model's parameters: layda.torch, torch.optim, and others, in one run, as ratios.

Run: python benchmarks/optimizer_step.py [--rounds 30] [--only big small] [--dtype float32 bfloat16].

All optimizers step the same parameters with the same gradients, in turns; the ratio of two is the median over the
rounds of the ratio within a round, with the upper end of its 95% interval (bootstrap). The stream beside them reads
three numbers and writes two for every parameter, as one pass of momentum must, in a loop of Numba's.

Every table is measured in processes of its own: layda and torch's eager steps in several, because where memory comes to
lie makes a step faster or slower for as long as a process lives; then the same beside compiled steps and other
libraries, whose waiting threads take a share of the cores from whoever comes after them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import layda.torch

RATE, MOMENTUM = 1e-7, 0.9


def resnet50() -> list[tuple[int, ...]]:
    """The shapes of a ResNet-50's parameters (25.6 million in 161 tensors)."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    inside = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            for shape in ((width, inside, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1)):
                shapes += [shape, shape[:1], shape[:1]]
            if block == 0:
                shapes += [(4 * width, inside, 1, 1), (4 * width,), (4 * width,)]
            inside = 4 * width
    return [*shapes, (1000, 2048), (1000,)]


def gpt2() -> list[tuple[int, ...]]:
    """The shapes of a GPT-2-small's parameters (124 million in 148 tensors)."""
    width = 768
    block: list[tuple[int, ...]] = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,)]
    block += [(width,), (width,), (width, 4 * width), (4 * width,), (4 * width, width), (width,)]
    return [(50257, width), (1024, width), *block * 12, (width,), (width,)]


SHAPES: dict[str, list[tuple[int, ...]]] = {
    "64 elements": [(64,)],
    "65,536 elements": [(1 << 16,)],
    "1M elements": [(1 << 20,)],
    "big": [(20_000_000,)],
    "small": [(4096,)] * 100 + [(64,)] * 200,
    "ResNet-50": resnet50(),
    "GPT-2-small": gpt2(),
}


class Empty(torch.optim.Optimizer):
    """An optimizer whose step does nothing: what torch's own wrapper costs."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {})

    def step(self, closure: Any = None) -> None:
        """Nothing."""


@dataclass
class Contestant:
    """An optimizer at work.

    Attributes:
        step: takes one step.
        state: its bytes of state.
        times: seconds of one step, round by round.
        extra: bytes that a step took besides, at its peak.
    """

    step: Callable[[], Any]
    state: int = 0
    times: list[float] = field(default_factory=list)
    extra: int = 0


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """The bytes of all tensors of the state."""
    slots = [value for state in optimizer.state.values() for value in state.values()]
    return sum(value.numel() * value.element_size() for value in slots if isinstance(value, torch.Tensor))


def of_torch(make: Callable[[], torch.optim.Optimizer]) -> Contestant:
    """An optimizer of torch's kind, after two steps."""
    optimizer = make()
    for _ in range(2):
        optimizer.step()
    return Contestant(optimizer.step, state_bytes(optimizer))


def compiled(parameters: list[Any]) -> Contestant:
    """torch's foreach step, compiled; lr as a tensor, so that a change needs no new program."""
    optimizer = torch.optim.SGD(parameters, torch.tensor(RATE), MOMENTUM, foreach=True)
    step = torch.compile(optimizer.step)
    for _ in range(3):
        step()
    return Contestant(step, state_bytes(optimizer))


def of_optax(shapes: list[tuple[int, ...]], dtype: torch.dtype) -> Contestant:
    """optax.sgd and apply_updates in one compiled function with donated parameters and state."""
    import jax
    import jax.numpy as jnp
    import optax

    kind = jnp.bfloat16 if dtype is torch.bfloat16 else jnp.float32
    transformation = optax.sgd(RATE, MOMENTUM)
    parameters = [jnp.ones(shape, kind) for shape in shapes]
    gradients = [jnp.full(shape, 0.01, kind) for shape in shapes]
    room = {"carried": (parameters, transformation.init(parameters))}

    @(lambda function: jax.jit(function, donate_argnums=(0, 1)))
    def move(parameters: Any, state: Any, gradients: Any) -> Any:
        updates, state = transformation.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    def step() -> None:
        room["carried"] = move(*room["carried"], gradients)
        jax.block_until_ready(room["carried"])

    step()
    step()
    return Contestant(step, sum(leaf.nbytes for leaf in jax.tree.leaves(room["carried"][1])))


def contestants(
    shapes: list[tuple[int, ...]], parameters: list[Any], dtype: torch.dtype, beside: str
) -> dict[str, Any]:
    """Name -> how to make it; what is not installed says so when it is made. ``beside``: "torch" or "peers"."""

    def outside(module: str, name: str, **settings: Any) -> Callable[[], Contestant]:
        return lambda: of_torch(lambda: getattr(importlib.import_module(module), name)(parameters, **settings))

    def layda_step(**settings: Any) -> Callable[[], Contestant]:
        return lambda: of_torch(lambda: layda.torch.HeavyBall(parameters, RATE, MOMENTUM, "step", **settings))

    def torch_step(**settings: Any) -> Callable[[], Contestant]:
        return lambda: of_torch(lambda: torch.optim.SGD(parameters, RATE, MOMENTUM, **settings))

    short = {"state_dtype": torch.bfloat16}
    own = short if dtype is torch.bfloat16 else {}  # as torch keeps it, so that both move the same bytes
    both: dict[str, Any] = {
        "layda": layda_step(nonfinite="pass", **own),
        "torch, loop": torch_step(foreach=False, fused=False),
        "torch, foreach": torch_step(foreach=True),
        "torch, fused": torch_step(fused=True),
    }
    alone: dict[str, Any] = {
        "layda, skipping what is not finite": layda_step(**own),
        "layda, bfloat16 state" if not own else "layda, float32 state": layda_step(
            nonfinite="pass", **(short if not own else {})
        ),
        "empty step": lambda: of_torch(lambda: Empty(parameters)),
    }
    total = sum(parameter.numel() for parameter in parameters)
    if dtype is torch.float32 and total >= 1 << 20:
        alone |= {"stream": lambda: stream(total), "copy": lambda: copying(total)}
    peers: dict[str, Any] = {
        "torch, compiled": lambda: compiled(parameters),
        "optax, jit, donated": lambda: of_optax(shapes, dtype),
        "HeavyBall SGD": lambda: _heavyball(parameters),
        "timm SGDW": outside("timm.optim.sgdw", "SGDW", lr=RATE, momentum=MOMENTUM),
        "pytorch_optimizer SGDW": outside("pytorch_optimizer", "SGDW", lr=RATE, momentum=MOMENTUM),
        "layda schedule-free": lambda: of_torch(
            lambda: layda.torch.ScheduleFreeSGD(parameters, RATE, MOMENTUM, nonfinite="pass")
        ),
        "schedulefree SGD": lambda: of_torch(lambda: _schedule_free(parameters)),
    }
    return both | (alone if beside == "torch" else peers)


def _heavyball(parameters: list[Any]) -> Contestant:
    """It takes the gradients away at every step, so it gets parameters of its own and gradients again."""
    import heavyball

    own = [torch.nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    gradients = [parameter.grad for parameter in parameters]
    optimizer = heavyball.SGD(own, lr=RATE, beta=MOMENTUM)

    def step() -> None:
        for parameter, gradient in zip(own, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    step()
    step()
    return Contestant(step, state_bytes(optimizer))


def _schedule_free(parameters: list[Any]) -> Any:
    import schedulefree

    optimizer = schedulefree.SGDScheduleFree(parameters, lr=RATE, momentum=MOMENTUM)
    optimizer.train()
    return optimizer


def stream(count: int) -> Contestant:
    """Read three, write two, for so many float32 numbers."""
    import numba

    @numba.njit(parallel=True, fastmath=True)
    def walk(a: Any, b: Any, c: Any) -> None:
        for i in numba.prange(len(a)):
            a[i] += c[i]
            b[i] += c[i]

    numba.set_num_threads(min(numba.get_num_threads(), torch.get_num_threads()))
    held = [torch.randn(count) for _ in range(3)]  # torch's memory, every page of it written
    arrays = [tensor.numpy() for tensor in held]
    walk(*arrays)
    return Contestant(lambda: walk(*arrays))


def copying(count: int) -> Contestant:
    """Read one, write one."""
    source, target = torch.ones(count), torch.zeros(count)
    return Contestant(lambda: target.copy_(source))


def peak(step: Callable[[], Any]) -> int:
    """Bytes of memory that a step takes at its peak; Linux tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0

    def tells(name: str) -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    Path("/proc/self/clear_refs").write_text("5")
    before = tells("VmRSS")
    step()
    return max(0, tells("VmHWM") - before)


def measure(found: dict[str, Contestant], rounds: int) -> None:
    """In turns, so that whatever else the machine does meets all alike."""
    repeats = {}
    for name, contestant in found.items():
        begin = time.perf_counter()
        contestant.step()
        repeats[name] = max(1, min(2000, int(0.01 / max(time.perf_counter() - begin, 1e-7))))
        contestant.extra = peak(contestant.step)
    order, random = list(found), np.random.default_rng(0)
    for _ in range(rounds):
        random.shuffle(order)  # whose threads still spin must not always meet the same one
        for name in order:
            time.sleep(0.005)
            found[name].step()
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                found[name].step()
            found[name].times.append((time.perf_counter() - begin) / repeats[name])


def ratio(first: Contestant, second: Contestant) -> tuple[float, float]:
    """The median ratio of their times within a round, and the upper end of its 95% interval."""
    pairs = np.array(first.times) / np.array(second.times)
    draws = np.random.default_rng(0).choice(pairs, (2000, len(pairs)))
    return float(np.median(pairs)), float(np.quantile(np.median(draws, axis=1), 0.95))


def show(shape: str, dtype: str, found: dict[str, Contestant], parameters: int) -> None:
    """A table of one shape."""
    torchs = {name: one for name, one in found.items() if name.startswith("torch")}
    if dtype == "bfloat16":
        torchs.pop("torch, fused", None)  # torch 2.13: skips most elements (pytorch#191763)
    best = min(torchs, key=lambda name: statistics.median(torchs[name].times))
    print(f"\n### {shape}, {dtype}: {parameters:,} parameters; the fastest of torch: {best}\n")
    print("| | µs a step | against the fastest of torch | upper 95% | GB/s | state, bytes each | peak, MB |")
    print("|---|---|---|---|---|---|---|")
    size = 2 if dtype == "bfloat16" else 4
    for name, one in found.items():
        middle = statistics.median(one.times)
        against, upper = ratio(one, found[best])
        moved = {"stream": 20, "copy": 8}.get(name, 3 * size + 2 * one.state / parameters)
        speed = f"{moved * parameters / middle / 1e9:.1f}" if parameters >= 1 << 20 and name != "empty step" else ""
        state = f"{one.state / parameters:.2f}" if one.state else ""
        figures = (f"{middle * 1e6:,.1f}", f"{against:.3f}", f"{upper:.3f}", speed, state, f"{one.extra / 1e6:.1f}")
        print(f"| {name} | {' | '.join(figures)} |")
    if "stream" in found:
        share, _ = ratio(found["stream"], found["layda"])
        print(f"\nlayda takes {1 / share:.3f} of the stream's time: {share:.3f} of its speed.")


_FIRST = """
import sys, time
import torch
if {numba}: import numba
begin = time.perf_counter()
import layda.torch
imported = time.perf_counter()
x = torch.nn.Parameter(torch.ones(1000)); x.grad = torch.ones(1000)
torch.optim.SGD([x])
others = time.perf_counter()
optimizer = layda.torch.HeavyBall([x], 0.1)
made = time.perf_counter()
optimizer.step()
print(imported - begin, others - imported, made - others, time.perf_counter() - made)
"""


def first_steps(repeats: int = 5) -> None:
    """What a new process waits for: the import beside torch's, and the first step, with and without kept kernels."""
    print("\n### A new process\n")
    print("| | import layda.torch after torch, s | a torch.optim.SGD made, s | then layda's, s | its first step, s |")
    print("|---|---|---|---|---|")
    for name, numba in (("no kernels kept", False), ("kernels kept", False), ("kernels kept, Numba imported", True)):
        told: list[list[float]] = []
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(repeats + 1):
                cold = folder if name != "no kernels kept" else os.path.join(folder, str(turn))
                done = subprocess.run(  # noqa: S603 - our own text
                    [sys.executable, "-c", _FIRST.format(numba=numba)], check=True, capture_output=True, text=True,
                    env=os.environ | {"LAYDA_CACHE_DIR": cold},
                )  # fmt: skip
                if turn:
                    told.append([float(word) for word in done.stdout.split()])
        print(f"| {name} | {' | '.join(f'{statistics.median(column):.3f}' for column in zip(*told, strict=True))} |")


def in_process(shape: str, dtype: str, beside: str, rounds: int) -> tuple[dict[str, Contestant], int]:
    """Measure here, for whoever started this process."""
    kind, shapes = getattr(torch, dtype), SHAPES[shape]
    parameters = [torch.nn.Parameter(torch.randn(one, dtype=kind) * 0.1) for one in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    total = sum(parameter.numel() for parameter in parameters)
    found: dict[str, Contestant] = {}
    for name, make in contestants(shapes, parameters, kind, beside).items():
        try:
            found[name] = make()
        except Exception as error:  # a peer that is not installed, or cannot do this
            print(f"{name}: left out ({type(error).__name__}: {str(error).splitlines()[0][:120]})", file=sys.stderr)
    measure(found, rounds if total < 1 << 26 else max(5, rounds // 3))
    return found, total


def elsewhere(shape: str, dtype: str, beside: str, rounds: int, processes: int) -> None:
    """Measure in processes of their own, one after another, and show what all of them found."""
    together: dict[str, Contestant] = {}
    total = 0
    for _ in range(processes):
        words = ["--only", shape, "--dtype", dtype, "--beside", beside, "--rounds", str(rounds), "--here"]
        done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603 - our own
        total, told = json.loads(done.stdout.splitlines()[-1])
        for name, (times, state, extra) in told.items():
            one = together.setdefault(name, Contestant(lambda: None, state))
            one.times += times
            one.extra = max(one.extra, extra)
    show(shape, dtype, together, total)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="of each process")
    parser.add_argument("--processes", type=int, default=5, help="beside torch; beside peers one")
    parser.add_argument("--only", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--dtype", nargs="*", choices=["float32", "bfloat16"], default=["float32", "bfloat16"])
    parser.add_argument("--beside", nargs="*", choices=["torch", "peers"], default=["torch", "peers"])
    parser.add_argument("--here", action="store_true", help="one table's figures, in this process, as JSON")
    options = parser.parse_args()
    if options.here:
        found, total = in_process(options.only[0], options.dtype[0], options.beside[0], options.rounds)
        print(json.dumps([total, {name: [one.times, one.state, one.extra] for name, one in found.items()}]))
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; momentum {MOMENTUM}, {options.rounds} rounds")
    first_steps()
    for dtype in options.dtype:
        for beside in options.beside:
            print(f"\n## {dtype}, beside {beside}", flush=True)
            for shape in options.only:
                elsewhere(shape, dtype, beside, options.rounds, options.processes if beside == "torch" else 1)


if __name__ == "__main__":
    main()
