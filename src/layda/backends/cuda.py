"""Blocks of balls on an NVIDIA GPU: the printed kernel compiled by NVRTC, kept on disk, launched through cuda.core.

:func:`run_block` is to a GPU what :func:`layda.backends.blocks.run_block` is to a processor's lanes: same arguments,
same bits. It goes in three: :func:`pack` and :func:`block_end` on the processor, :func:`launch` on the GPU.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layda.backends.blocks import BlockEnd
from layda.backends.cache import cache_folder, keep_file, kept_file
from layda.backends.cuda_source import THREADS, kernel_source
from layda.errors import ComputationError, LaydaError, MissingExtraError, SettingError
from layda.program.loop import SPENT

if TYPE_CHECKING:
    from layda.backends.lanes import LanePlan

__all__ = [
    "Compiled", "Packed", "block_end", "compiled", "compiler_version", "devices", "launch", "loaded", "pack", "require",
    "run_block", "start",
]  # fmt: skip

Array = NDArray[Any]
_BLOCKS_PER_PROCESSOR = 16
_AGAIN = "try fewer balls or device='cpu'; a GPU that has failed may answer a new Python process only"
_READABLY = "fused=False takes the step without kernels; a GPU that has failed may answer a new Python process only"
_UPDATE = "update cuda-core, or use device='cpu'"
_FORM = "1"  # of the kept kernels: how they are compiled, and what stands before the code


@dataclass(frozen=True)
class Compiled:
    """A kernel for one kind of GPU.

    Attributes:
        code: the machine code (cubin).
        registers: 32-bit registers of each thread.
        stack, spilled: bytes of local memory of each thread: its stack, and registers that did not fit.
    """

    code: bytes
    registers: int
    stack: int
    spilled: int


def _core() -> Any:
    try:
        import cuda.core as core
    except ImportError:
        raise MissingExtraError("cuda-core", "gpu", "device='cuda'") from None
    return core


@contextmanager
def _asked(what: str, remedy: str) -> Iterator[None]:
    """What CUDA's libraries raise meanwhile, told as a ComputationError: they keep their classes of errors private."""
    try:
        yield
    except LaydaError:  # says already what was wrong
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise ComputationError(f"{what} failed: {told}; {remedy}") from error


def compiler_version() -> list[int]:
    """NVRTC's, major and minor.

    Raises:
        MissingExtraError: cuda-core is not installed.
        ComputationError: NVRTC is missing.
    """
    _core()
    from cuda.bindings import nvrtc

    with _asked("asking NVRTC for its version", _UPDATE):
        _, *release = nvrtc.nvrtcVersion()
    return [int(part) for part in release]


def compiled(source: str, architecture: str) -> Compiled:
    """Compile a kernel, or take it from the cache; needs NVRTC, but neither a GPU nor its driver.

    Args:
        source: from :func:`layda.backends.cuda_source.kernel_source`.
        architecture: "sm_80", "sm_90", …

    Raises:
        MissingExtraError: cuda-core is not installed.
        ComputationError: NVRTC is missing, does not know the architecture, or refuses the kernel.
    """
    core, release = _core(), compiler_version()
    key = hashlib.sha256(f"{_FORM}\0{release}\0{core.__version__}\0{architecture}\0{source}".encode()).hexdigest()
    path = cache_folder() / f"{key}.cubin"
    kept = kept_file(path)
    if kept is not None:
        head, code = kept[:12], kept[12:]
        return Compiled(code, *(int.from_bytes(head[place : place + 4], "little") for place in (0, 4, 8)))
    log = io.StringIO()
    with _asked(f"compiling a kernel for {architecture}", _UPDATE):
        options = core.ProgramOptions(arch=architecture, fma=False, std="c++17", ptxas_options=["-v"])
        code = bytes(core.Program(source, "c++", options).compile("cubin", logs=log).code)
    report = log.getvalue()
    figures = [_figure(rf"(\d+) {words}", report) for words in ("registers", "bytes stack frame", "bytes spill stores")]
    keep_file(path, b"".join(figure.to_bytes(4, "little") for figure in figures) + code)
    return Compiled(code, *figures)


def _figure(pattern: str, report: str) -> int:
    found = re.findall(pattern, report)
    if not found:
        raise ComputationError(f"NVRTC's report does not say {pattern!r}; it was: {report.strip()[:300]}")
    return max(map(int, found))


def devices() -> list[str]:
    """The names of the GPUs that can be used; empty where there is none, or no driver.

    Raises:
        MissingExtraError: cuda-core is not installed.
    """
    core = _core()
    from cuda.bindings import driver

    try:
        (error,) = driver.cuInit(0)
    except RuntimeError:  # there is no driver's library
        return []
    return [] if int(error) else [str(device.name) for device in core.Device.get_all_devices()]


@lru_cache(maxsize=1)
def _device() -> tuple[Any, Any]:
    """The first GPU and a stream on it."""
    core = _core()
    with _asked("beginning with the GPU", _AGAIN):
        if not devices():
            raise SettingError("device is 'cuda', but no NVIDIA GPU with a driver answers here; use device='cpu'")
        device = core.Device(0)
        device.set_current()
        return device, device.create_stream()


def require() -> None:
    """Nothing where a GPU answers; what has not been begun cannot be lost.

    Raises:
        SettingError: there is no GPU.
        MissingExtraError: cuda-core is not installed.
        ComputationError: the GPU failed.
    """
    _device()


@lru_cache(maxsize=64)
def _kernel(plan: LanePlan, notes_from: tuple[tuple[str, float], ...]) -> Any:
    core, (device, _) = _core(), _device()
    with _asked("asking the GPU for its kind", _AGAIN):
        architecture = f"sm_{device.properties.compute_capability_major}{device.properties.compute_capability_minor}"
    code = compiled(kernel_source(plan, dict(notes_from)), architecture).code
    with _asked("loading the kernel", _AGAIN):
        return core.ObjectCode.from_cubin(code).get_kernel("roll")


class _Memory:
    """Room on the GPU, given back at the end."""

    def __init__(self) -> None:
        from cuda.bindings import driver

        self._driver, self._held = driver, list[Any]()

    def _checked(self, found: Any) -> Any:
        error, *values = found
        if int(error) != 0:
            _, name = self._driver.cuGetErrorName(error)
            told = name.decode() if name else str(error)
            raise ComputationError(f"the GPU answered {told}; with too little memory, fewer balls at once may help")
        return values[0] if values else None

    def room(self, size: int) -> Any:
        """So many bytes."""
        place = self._checked(self._driver.cuMemAlloc(max(size, 8)))
        self._held.append(place)
        return place

    def sent(self, array: Array) -> Any:
        """A copy of an array."""
        place = self.room(array.nbytes)
        self._checked(self._driver.cuMemcpyHtoD(place, array.ctypes.data, array.nbytes))
        return place

    def settle(self) -> None:
        """Wait until the copies are there: cuMemcpyHtoD may return before, and our stream does not wait for it."""
        self._checked(self._driver.cuCtxSynchronize())

    def fetch(self, place: Any, array: Array) -> Array:
        """The array, filled from the GPU."""
        self._checked(self._driver.cuMemcpyDtoH(array.ctypes.data, place, array.nbytes))
        return array

    def close(self) -> None:
        """Give everything back."""
        for place in self._held:
            self._driver.cuMemFree(place)
        self._held.clear()


@contextmanager
def _memory() -> Iterator[_Memory]:
    memory = _Memory()
    try:
        yield memory
    finally:
        memory.close()


@dataclass(frozen=True)
class Packed:
    """The arguments of a kernel, as they lie in the processor's memory.

    Attributes:
        columns: the state and the varying numbers, one row each.
        scalars: the uniform numbers.
        count, steps, split: balls, the budget, and after which step it is noted how things go.
        tolerance: of the stopping test.
        ends, codes, last, notes: what the kernel writes.
    """

    columns: Array
    scalars: Array
    count: np.int64
    steps: np.int64
    split: np.int64
    tolerance: Any
    ends: Array
    codes: Array
    last: Array
    notes: Array

    @property
    def written(self) -> tuple[Array, Array, Array, Array]:
        """What the kernel writes, in the order of its arguments."""
        return self.ends, self.codes, self.last, self.notes

    def arguments(self, read: tuple[Any, Any], written: Sequence[Any], queue: Any) -> tuple[Any, ...]:
        """All of them in the kernel's order.

        Args:
            read: where the columns and the scalars are.
            written: where :attr:`written` is to be.
            queue: where the number of the next waiting ball is.
        """
        return (*read, self.count, self.steps, self.split, self.tolerance, *written, queue)


def run_block(
    plan: LanePlan,
    columns: Mapping[str, Any],
    scalars: Mapping[str, float],
    count: int,
    *,
    steps: int,
    tolerance: float,
    split: int | None = None,
    starts: Mapping[str, float] | None = None,
) -> BlockEnd:
    """Run a block on the first GPU; arguments as in :func:`layda.backends.blocks.run_block`.

    Raises:
        SettingError: there is no GPU.
        MissingExtraError: cuda-core is not installed.
        ComputationError: the kernel does not compile, the GPU ran out of memory, or failed.
    """
    packed = pack(plan, columns, scalars, count, steps=steps, tolerance=tolerance, split=split)
    launch(plan, packed, starts or {})
    return block_end(plan, packed)


def pack(
    plan: LanePlan,
    columns: Mapping[str, Any],
    scalars: Mapping[str, float],
    count: int,
    *,
    steps: int,
    tolerance: float,
    split: int | None,
) -> Packed:
    """The arguments of a block's kernel, with room for what it writes; arguments as of :func:`run_block`."""
    loop, begin = plan.loop, steps if split is None or plan.watch is None else split
    watched = plan.watch.names if plan.watch and begin < steps else ()
    given = np.empty((len(loop.state) + len(plan.varying), count), plan.dtype)
    for row, name in enumerate((*loop.state, *plan.varying)):
        given[row] = columns[name]
    return Packed(
        given,
        np.array([scalars[name] for name in plan.uniform] or [0.0], plan.dtype),
        np.int64(count), np.int64(steps), np.int64(begin), np.dtype(plan.dtype).type(tolerance),
        np.empty((len(loop.state), count), plan.dtype), np.empty(count, np.int32), np.empty(count, np.int32),
        np.empty((4, len(watched), count), plan.dtype),
    )  # fmt: skip


def launch(plan: LanePlan, packed: Packed, starts: Mapping[str, float]) -> None:
    """Run the kernel on the first GPU and fetch what it writes.

    Args:
        plan: what is run.
        packed: from :func:`pack`.
        starts: accumulator -> its value before a quarter.

    Raises:
        SettingError: there is no GPU.
        MissingExtraError: cuda-core is not installed.
        ComputationError: the kernel does not compile, the GPU ran out of memory, or failed.
    """
    core, (device, stream) = _core(), _device()
    with _asked("speaking to the GPU", _AGAIN):
        device.set_current()  # this thread may be another one
        processors = device.properties.multiprocessor_count
    kernel = _kernel(plan, tuple(sorted(starts.items())))
    blocks = max(1, min(-(-int(packed.count) // THREADS), _BLOCKS_PER_PROCESSOR * processors))
    with _memory() as memory:
        rooms = [memory.room(array.nbytes) for array in packed.written]
        read = int(memory.sent(packed.columns)), int(memory.sent(packed.scalars))
        queue = int(memory.sent(np.zeros(1, np.uint64)))
        memory.settle()
        with _asked(f"running {packed.count} balls on the GPU", _AGAIN):
            arguments = packed.arguments(read, [int(room) for room in rooms], queue)
            core.launch(stream, core.LaunchConfig(grid=blocks, block=THREADS), kernel, *arguments)
            stream.sync()
        for room, array in zip(rooms, packed.written, strict=True):
            if array.size:
                memory.fetch(room, array)


def block_end(plan: LanePlan, packed: Packed) -> BlockEnd:
    """What the kernel has written, as the lanes' blocks tell it."""
    ends, codes, last, notes = packed.written
    state = {name: ends[row] for row, name in enumerate(plan.loop.state)}
    late = np.flatnonzero((codes == SPENT) | (last > packed.split)) if notes.size else np.empty(0, np.int64)
    if not len(late):
        return BlockEnd(state, codes, last, None, {})
    assert plan.watch is not None
    kept = notes[:, :, late]
    kept[:, :, codes[late] != SPENT] = 0.0
    return BlockEnd(state, codes, last, late, {name: kept[:, row] for row, name in enumerate(plan.watch.names)})


@lru_cache(maxsize=256)
def loaded(source: str, name: str, device: int) -> Any:
    """A kernel of a text, ready to be started on a GPU.

    Args:
        source: the text.
        name: of the kernel in it.
        device: the GPU's number; its primary context, which other libraries use too, becomes the thread's.

    Raises:
        MissingExtraError: cuda-core is not installed.
        ComputationError: the kernel does not compile, or the GPU failed.
    """
    core = _core()
    with _asked("asking the GPU for its kind", _READABLY):
        own = core.Device(device)
        own.set_current()
        architecture = f"sm_{own.properties.compute_capability_major}{own.properties.compute_capability_minor}"
    code = compiled(source, architecture).code
    with _asked("loading a kernel", _READABLY):
        return core.ObjectCode.from_cubin(code).get_kernel(name)


def start(kernel: Any, blocks: int, threads: int, stream: int, device: int, arguments: Sequence[Any]) -> None:
    """Start a kernel on a stream that belongs to somebody else, and do not wait for it.

    Args:
        kernel: from :func:`loaded`.
        blocks: how many.
        threads: in each.
        stream: the handle of a stream of that GPU; 0 is its default stream.
        device: the GPU's number.
        arguments: in the kernel's order: addresses as ints, numbers as NumPy's.

    Raises:
        ComputationError: the GPU failed.
    """
    core = _core()
    with _asked("starting a kernel on the GPU", _READABLY):
        core.Device(device).set_current()
        own = core.Stream.from_handle(stream) if stream else core.LEGACY_DEFAULT_STREAM
        core.launch(own, core.LaunchConfig(grid=blocks, block=threads), kernel, *arguments)
