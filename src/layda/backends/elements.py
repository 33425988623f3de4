"""Program -> one native pass over many tensors: LLVM's text, vector by vector, over a table of pointers.

A tensor is a row of the table: where its arrays lie, where the numbers are that all its elements share, and its number.
The work is cut into *units* (row, first element, last), units are put together into *batches*, and every thread takes
the next batch until none is left: any number of threads gives the same bits.

Numbers are kept in 8, 4 or 2 bytes and computed with in float64 or float32. What is kept in fewer bits than it is
computed in is rounded to nearest, or *stochastically*: up with the probability that keeps the mean. The random bits are
a hash of the job's key, the tensor's number and the element's: :mod:`layda.torch.rounding` is the readable twin.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from layda.backends.native import load, vector_width
from layda.backends.vector import Writer
from layda.program import Program

__all__ = ["CLEAN", "JOB", "Array", "ElementPass", "Kernel", "finite", "kernel"]

JOB = ("counter", "batches", "bounds", "units", "columns", "count", "key", "flag")
"""The words (int64) of a job; bounds, units and columns are addresses. ``counter`` is 0, ``flag`` CLEAN at the begin.

bounds: batch b holds the units from bounds[b] to bounds[b + 1]. units: (row, first, last + 1); they begin at multiples
of 32. columns: ``count`` words each, one for every row: the addresses of its arrays, in the order of the pass, that of
its scalars, and its number."""

CLEAN = (1 << 63) - 1
"""What ``flag`` is left at by a search that found every number finite; else the first row with one that is not."""

_NARROW = 32  # bytes of a vector where nothing is converted: wider ones only make the memory's queues longer
_PAIR = 16  # elements i and i + 16 share a hash
_BITS = {"float64": 64, "float32": 32, "bfloat16": 16, "float16": 16}


@dataclass(frozen=True)
class Array:
    """An input of one number per element, kept in memory.

    Attributes:
        name: of the program's input; where the program has an output of that name, it is written back.
        kept: "float64", "float32", "bfloat16" or "float16".
        stochastic: whether it is rounded stochastically when it is written (bfloat16 alone).
    """

    name: str
    kept: str
    stochastic: bool = False


@dataclass(frozen=True)
class ElementPass:
    """What a kernel does to every element.

    Attributes:
        program: from arrays and scalars to arrays.
        arrays: in the order of a row of the table.
        scalars: the names of the numbers that a tensor's elements share.
        dtype: "float64" or "float32", what is computed in.
    """

    program: Program
    arrays: tuple[Array, ...]
    scalars: tuple[str, ...]
    dtype: str


@dataclass(frozen=True)
class Kernel:
    """Native code.

    Attributes:
        run: calls it with the address of a job (releases the interpreter's lock).
        address: where it is, for whoever starts it on several threads.
    """

    run: Any
    address: int


@lru_cache(maxsize=256)
def kernel(task: ElementPass) -> Kernel:
    """The native code of a pass, compiled or taken from the cache on disk."""
    return _loaded(_Text(task).whole())


@lru_cache(maxsize=8)
def finite(kept: str) -> Kernel:
    """Native code that looks for numbers that are not finite in the first array of every row."""
    return _loaded(_finite_text(kept))


def _loaded(text: str) -> Kernel:
    function = load(text, {"run": (None, ctypes.c_void_p)})["run"]
    return Kernel(function, ctypes.cast(function, ctypes.c_void_p).value or 0)


_SPAN = "define internal void @span(ptr %job, ptr %row, i64 %count, i64 %number, i64 %first, i64 %last, i64 %key) {"


def _in_column(w: Writer, index: int, kind: str) -> str:
    """What the table holds of the row in a column."""
    place = w.do(f"getelementptr i64, ptr %row, i64 {w.do(f'mul i64 %count, {index}')}")
    return w.do(f"load {kind}, ptr {place}")


def _walk(w: Writer) -> None:
    """Take batches until none is left; for each unit of a batch call ``span``."""
    word = "getelementptr i64, ptr"
    w.line("define void @run(ptr %job) {")
    w.label("entry")
    fields = {
        name: w.do(f"load i64, ptr {w.do(f'{word} %job, i64 {JOB.index(name)}')}")
        for name in ("batches", "count", "key")
    }
    places = {
        name: w.do(f"load ptr, ptr {w.do(f'{word} %job, i64 {JOB.index(name)}')}")
        for name in ("bounds", "units", "columns")
    }
    w.line("  br label %take")
    w.label("take")
    batch = w.do("atomicrmw add ptr %job, i64 1 monotonic")
    more = w.do(f"icmp slt i64 {batch}, {fields['batches']}")
    w.line(f"  br i1 {more}, label %begin, label %done")
    w.label("begin")
    bound = w.do(f"{word} {places['bounds']}, i64 {batch}")
    first = w.do(f"load i64, ptr {bound}")
    last = w.do(f"load i64, ptr {w.do(f'{word} {bound}, i64 1')}")
    w.line("  br label %unit")
    w.label("unit")
    w.line(f"  %at = phi i64 [ {first}, %begin ], [ %following, %unit ]")
    unit = w.do(f"{word} {places['units']}, i64 {w.do('mul i64 %at, 3')}")
    row, start, stop = (w.do(f"load i64, ptr {w.do(f'{word} {unit}, i64 {part}')}") for part in range(3))
    place = w.do(f"{word} {places['columns']}, i64 {row}")
    own = f"ptr {place}, i64 {fields['count']}, i64 {row}, i64 {start}, i64 {stop}, i64 {fields['key']}"
    w.line(f"  call void @span(ptr %job, {own})")
    w.line("  %following = add i64 %at, 1")
    w.line(f"  br i1 {w.do(f'icmp slt i64 %following, {last}')}, label %unit, label %take")
    w.label("done")
    w.line("  ret void\n}")


class _Text:
    """A pass as text."""

    def __init__(self, task: ElementPass) -> None:
        self.task = task
        width = vector_width(task.dtype)
        narrow = all(array.kept == task.dtype for array in task.arrays)
        self.w = Writer(min(width, _NARROW * 8 // _BITS[task.dtype]) if narrow else width, task.dtype)
        self.vectors = 4 if narrow else 2  # at a time
        self.written = [array for array in task.arrays if array.name in task.program.output_names]
        self.random = [array for array in self.written if array.stochastic]

    def whole(self) -> str:
        w = self.w
        self._span()
        _walk(w)
        return "\n".join([*sorted(w.declared), *w.lines]) + "\n"

    def _span(self) -> None:
        """One unit: several vectors at a time while there are so many, then vectors whose last lanes may be absent."""
        w, task = self.w, self.task
        w.line(_SPAN)
        w.label("entry")
        bases = [_in_column(w, index, "ptr") for index in range(len(task.arrays))]
        numbers = _in_column(w, len(task.arrays), "ptr")
        known = {}
        for index, name in enumerate(task.scalars):
            address = w.do(f"getelementptr {w.scalar}, ptr {numbers}, i64 {index}")
            known[name] = w.splat(w.do(f"load {w.scalar}, ptr {address}"))
        seed = self._seed() if self.random else ""
        block = self.vectors * w.width
        w.line("  br label %many")
        w.label("many")
        w.line("  %i = phi i64 [ %first, %entry ], [ %next, %blocks ]")
        w.line(f"  %next = add i64 %i, {block}")
        w.line(f"  br i1 {w.do('icmp sle i64 %next, %last')}, label %blocks, label %few")
        w.label("blocks")
        self._elements(bases, known, "%i", self.vectors, None, seed)
        w.line("  br label %many")
        w.label("few")
        w.line("  %j = phi i64 [ %i, %many ], [ %after, %rest ]")
        w.line(f"  br i1 {w.do('icmp slt i64 %j, %last')}, label %rest, label %done")
        w.label("rest")
        ints = f"<{w.width} x i64>"
        lanes = w.do(f"add {ints} {w.splat('%j', 'i64')}, {self._counting('i64')}")
        mask = w.do(f"icmp slt {ints} {lanes}, {w.splat('%last', 'i64')}")
        self._elements(bases, known, "%j", 1, mask, seed)
        w.line(f"  %after = add i64 %j, {w.width}")
        w.line("  br label %few")
        w.label("done")
        w.line("  ret void\n}")

    def _counting(self, kind: str) -> str:
        return f"<{', '.join(f'{kind} {index}' for index in range(self.w.width))}>"

    def _elements(
        self, bases: Sequence[str], known: dict[str, str], i: str, vectors: int, mask: str | None, seed: str
    ) -> None:
        """So many vectors from element i: read, compute, write."""
        w, task = self.w, self.task
        places = [w.do(f"add i64 {i}, {w.width * index}") if index else i for index in range(vectors)]
        inputs = []
        for place in places:
            own = dict(known)
            for array, base in zip(task.arrays, bases, strict=True):
                own[array.name] = self._read(array, base, place, mask)
            inputs.append(own)
        outputs = w.programs(task.program, inputs)
        noises = self._random_bits(places, seed) if self.random else [[]] * vectors
        for place, found, bits in zip(places, outputs, noises, strict=True):
            for array, base in zip(task.arrays, bases, strict=True):
                if array in self.written:
                    noise = bits[self.random.index(array)] if array.stochastic else None
                    self._write(array, base, place, mask, found[array.name], noise)

    def _address(self, array: Array, base: str, place: str) -> str:
        return self.w.do(f"getelementptr i{_BITS[array.kept]}, ptr {base}, i64 {place}")

    def _read(self, array: Array, base: str, place: str, mask: str | None) -> str:
        """A vector in the numbers that are computed with."""
        w, bits = self.w, _BITS[array.kept]
        address = self._address(array, base, place)
        kind = f"<{w.width} x {_kept_kind(array.kept)}>"
        if mask is None:
            raw = w.do(f"load {kind}, ptr {address}, align {bits // 8}")
        else:
            suffix = f"v{w.width}{_SUFFIX[array.kept]}.p0"
            w.declared.add(f"declare {kind} @llvm.masked.load.{suffix}(ptr, i32, {w.mask}, {kind})")
            raw = w.do(
                f"call {kind} @llvm.masked.load.{suffix}(ptr {address}, i32 {bits // 8}, {w.mask} {mask}, "
                f"{kind} zeroinitializer)"
            )
        if array.kept == self.task.dtype:
            return raw
        if array.kept == "bfloat16":
            wide = w.do(f"zext {kind} {raw} to {self._ints}")
            value = w.do(
                f"bitcast {self._ints} {w.do(f'shl {self._ints} {wide}, {self._whole(16)}')} to {self._floats}"
            )
        else:
            value = raw
            if array.kept == "float16":
                half = w.do(f"bitcast {kind} {raw} to <{w.width} x half>")
                value = w.do(f"fpext <{w.width} x half> {half} to {self._floats}")
            elif array.kept == "float64":
                return w.do(f"fptrunc {kind} {raw} to {w.vector}")
        return value if w.scalar == "float" else w.do(f"fpext {self._floats} {value} to {w.vector}")

    @property
    def _ints(self) -> str:
        return f"<{self.w.width} x i32>"

    @property
    def _floats(self) -> str:
        return f"<{self.w.width} x float>"

    def _whole(self, value: int) -> str:
        return self.w.whole(value, "i32")

    def _write(self, array: Array, base: str, place: str, mask: str | None, value: str, noise: str | None) -> None:
        w, bits = self.w, _BITS[array.kept]
        if array.kept != self.task.dtype:
            value = self._kept(array, value, noise)
        address = self._address(array, base, place)
        kind = f"<{w.width} x {_kept_kind(array.kept)}>"
        if mask is None:
            w.line(f"  store {kind} {value}, ptr {address}, align {bits // 8}")
            return
        suffix = f"v{w.width}{_SUFFIX[array.kept]}.p0"
        w.declared.add(f"declare void @llvm.masked.store.{suffix}({kind}, ptr, i32, {w.mask})")
        w.line(
            f"  call void @llvm.masked.store.{suffix}({kind} {value}, ptr {address}, i32 {bits // 8}, {w.mask} {mask})"
        )

    def _kept(self, array: Array, value: str, noise: str | None) -> str:
        """The number in the bits that it is kept in."""
        w = self.w
        if array.kept == "float64":
            return w.do(f"fpext {w.vector} {value} to <{w.width} x double>")
        if w.scalar == "double":
            value = w.do(f"fptrunc {w.vector} {value} to {self._floats}")
        if array.kept == "float32":
            return value
        if array.kept == "float16":
            half = w.do(f"fptrunc {self._floats} {value} to <{w.width} x half>")
            return w.do(f"bitcast <{w.width} x half> {half} to <{w.width} x i16>")
        ints = self._ints
        word = w.do(f"bitcast {self._floats} {value} to {ints}")
        if noise is None:  # half of the last kept bit, and one less where that bit is even: ties go to even
            last = w.do(f"and {ints} {w.do(f'lshr {ints} {word}, {self._whole(16)}')}, {self._whole(1)}")
            noise = w.do(f"add {ints} {last}, {self._whole(0x7FFF)}")
        moved = w.do(f"lshr {ints} {w.do(f'add {ints} {word}, {noise}')}, {self._whole(16)}")
        unknown = w.do(f"fcmp uno {self._floats} {value}, {value}")  # adding could make a number of it
        chosen = w.do(f"select {w.mask} {unknown}, {ints} {self._whole(0x7FC0)}, {ints} {moved}")
        return w.do(f"trunc {ints} {chosen} to <{w.width} x i16>")

    def _seed(self) -> str:
        """The hash of the job's key and the tensor's number, for every lane."""
        w = self.w
        number = _in_column(w, len(self.task.arrays) + 1, "i64")
        key, own = w.do("trunc i64 %key to i32"), w.do(f"trunc i64 {number} to i32")
        return w.splat(
            self._mixed("i32", w.do(f"add i32 {self._mixed('i32', own, scalar=True)}, {key}"), scalar=True), "i32"
        )

    def _mixed(self, kind: str, x: str, scalar: bool = False) -> str:
        """x ^= x>>16; x *= 7feb352d; x ^= x>>15; x *= 846ca68b; x ^= x>>16 (Wellons' lowbias32, public domain)."""
        w = self.w
        whole = (lambda value: str(value)) if scalar else self._whole
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
            x = w.do(f"xor {kind} {x}, {w.do(f'lshr {kind} {x}, {whole(shift)}')}")
            if factor is not None:
                x = w.do(f"mul {kind} {x}, {whole(factor - (1 << 32) if factor >> 31 else factor)}")
        return x

    def _random_bits(self, places: Sequence[str], seed: str) -> list[list[str]]:
        """Sixteen random bits for each stochastic array, of every vector.

        Elements i and i + 16, where i has no 16 in it, take the low and the high half of one hash. In a block of 32
        elements, which begins at a multiple of 32, it is reckoned once.
        """
        w, ints = self.w, self._ints
        if len(places) * w.width == 2 * _PAIR:
            hashes = [self._hashes(place, seed) for place in places[: len(places) // 2]]
            low = [[w.do(f"and {ints} {x}, {self._whole(0xFFFF)}") for x in own] for own in hashes]
            return low + [[w.do(f"lshr {ints} {x}, {self._whole(16)}") for x in own] for own in hashes]
        return [
            [
                w.do(f"and {ints} {w.do(f'lshr {ints} {x}, {self._half(place)}')}, {self._whole(0xFFFF)}")
                for x in self._hashes(place, seed)
            ]
            for place in places
        ]

    def _index(self, place: str) -> str:
        w = self.w
        low = w.splat(w.do(f"trunc i64 {place} to i32"), "i32")
        return w.do(f"add {self._ints} {low}, {self._counting('i32')}")

    def _half(self, place: str) -> str:
        """Sixteen where the element takes the high half, else zero."""
        return self.w.do(f"and {self._ints} {self._index(place)}, {self._whole(_PAIR)}")

    def _hashes(self, place: str, seed: str) -> list[str]:
        """One for each stochastic array, each the hash of the one before."""
        w, ints = self.w, self._ints
        x = w.do(f"and {ints} {self._index(place)}, {self._whole(~_PAIR)}")
        x = w.do(f"xor {ints} {x}, {seed}")
        found = []
        for _ in self.random:
            x = self._mixed(ints, x)
            found.append(x)
        return found


_SUFFIX = {"float64": "f64", "float32": "f32", "bfloat16": "i16", "float16": "i16"}


def _kept_kind(kept: str) -> str:
    return {"float64": "double", "float32": "float"}.get(kept, "i16")


_EXPONENT = {"float64": 0x7FF0 << 48, "float32": 0x7F80 << 16, "bfloat16": 0x7F80, "float16": 0x7C00}


def _finite_text(kept: str) -> str:
    """A number is not finite exactly where all bits of its exponent are set."""
    bits = _BITS[kept]
    w = Writer(vector_width() * 64 // bits, "float64")
    kind, vector = f"i{bits}", f"<{w.width} x i{bits}>"
    exponent = w.whole(_EXPONENT[kept], kind)
    w.line(_SPAN)
    w.label("entry")
    base = w.do("load ptr, ptr %row")
    w.line("  br label %many")
    w.label("many")
    w.line("  %i = phi i64 [ %first, %entry ], [ %next, %block ]")
    w.line("  %seen = phi " + w.mask + " [ zeroinitializer, %entry ], [ %now, %block ]")
    w.line(f"  %next = add i64 %i, {w.width}")
    w.line(f"  br i1 {w.do('icmp sle i64 %next, %last')}, label %block, label %rest")
    w.label("block")
    raw = w.do(f"load {vector}, ptr {w.do(f'getelementptr {kind}, ptr {base}, i64 %i')}, align {bits // 8}")
    bad = w.do(f"icmp eq {vector} {w.do(f'and {vector} {raw}, {exponent}')}, {exponent}")
    w.line(f"  %now = or {w.mask} %seen, {bad}")
    w.line("  br label %many")
    w.label("rest")
    some = w.any("%seen")
    w.line("  br label %single")
    w.label("single")
    w.line("  %j = phi i64 [ %i, %rest ], [ %after, %one ]")
    w.line(f"  %any = phi i1 [ {some}, %rest ], [ %also, %one ]")
    w.line(f"  br i1 {w.do('icmp slt i64 %j, %last')}, label %one, label %tell")
    w.label("one")
    single = w.do(f"load {kind}, ptr {w.do(f'getelementptr {kind}, ptr {base}, i64 %j')}")
    masked = w.do(f"and {kind} {single}, {_EXPONENT[kept]}")
    w.line(f"  %also = or i1 %any, {w.do(f'icmp eq {kind} {masked}, {_EXPONENT[kept]}')}")
    w.line("  %after = add i64 %j, 1")
    w.line("  br label %single")
    w.label("tell")
    w.line("  br i1 %any, label %note, label %done")
    w.label("note")
    flag = w.do(f"getelementptr i64, ptr %job, i64 {JOB.index('flag')}")
    w.do(f"atomicrmw min ptr {flag}, i64 %number monotonic")
    w.line("  br label %done")
    w.label("done")
    w.line("  ret void\n}")
    _walk(w)
    return "\n".join([*sorted(w.declared), *w.lines]) + "\n"
