"""Program -> CUDA C++: one launch over many tensors, the twin of :mod:`layda.backends.elements` on an NVIDIA GPU.

A tensor is a row, and work is cut into units (row, first, last + 1), as for the processor; a block of threads takes a
unit. Where arrays lie is in two tables: ``moving`` has a column for each array that is only read (gradients may lie
elsewhere at every step), ``columns`` one for each that is written, and stays. The operations are the processor's in the
same order, the random bits of stochastic rounding the same hash, so compiled without contraction (``--fmad=false``) it
gives the same bits. The text is plain C++ but for a dozen names of CUDA's: it can be read, and run on a processor.

A step is bound by memory. Every thread reads two *vectors* of each array (16 bytes of the widest kind) before it
computes anything, so with three float32 arrays a thread has 96 bytes on their way. Where an array does not begin at a
multiple of its vector's bytes, as a gradient inside of a bucket may, that array alone is read number by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from layda.backends.cuda_source import PRELUDE, Printer
from layda.backends.cuda_words import MEMORY, RANDOM, READ, STORE, WRITE
from layda.backends.elements import Array, ElementPass

__all__ = ["CLEAN_ROW", "PLACED", "THREADS", "finite_source", "kernel_source", "place_source", "round_of"]

THREADS = 256
"""Threads in a block."""

CLEAN_ROW = (1 << 31) - 1
"""What the flag of a search is set to before, and left at where every number is finite; else the first such row."""

PLACED = 64
"""Words that one launch of the kernel ``place`` writes."""

_VECTORS = 2  # of every array, read by a thread before it computes
_HELD = 64  # numbers, of all arrays together, that a thread has read
_PAIR = 16  # elements i and i + 16 share a hash
_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
_EXPONENT = {"float64": "0x7ff00000u", "float32": "0x7f800000u", "bfloat16": "0x7f80u", "float16": "0x7c00u"}


@lru_cache(maxsize=256)
def kernel_source(task: ElementPass) -> str:
    """The kernel ``take_step``, which does to every element what :func:`layda.backends.elements.kernel` does.

    Its arguments, in order: moving, columns, scalars, units (addresses), the number of units, the number of rows, key
    (long long; of the key 32 bits count), counter, skip (addresses of an int and of a word of 32 bits, or 0).

    A column has a word of 64 bits for each row. ``columns`` ends with two more: where in ``scalars`` the row's begin,
    and its number. With a counter the key is the hash of its sum with ``key``, so that a step that a CUDA graph repeats
    draws new bits. Where the word at ``skip`` is not zero (a flag, or the 1.0 that a GradScaler found), the kernel
    returns at once.

    Args:
        task: what is done; the same as for the processor.

    >>> from layda.program import Graph
    >>> graph, names = Graph(), ("position", "gradient", "u0")
    >>> x, g, u0 = (graph.input(name) for name in names)
    >>> program = graph.program(names, {"position": x - u0 * g})
    >>> arrays = (Array("position", "bfloat16"), Array("gradient", "bfloat16"))
    >>> 'extern "C" __global__' in kernel_source(ElementPass(program, arrays, ("u0",), "float32"))
    True
    """
    return _Text(task).whole()


def round_of(kinds: Sequence[str]) -> int:
    """Elements that a block takes at a time: a unit of work is best a multiple of it.

    >>> round_of(["float32", "bfloat16"]), round_of(["bfloat16", "bfloat16"]), round_of(["float64"])
    (2048, 4096, 1024)
    """
    return THREADS * _VECTORS * _numbers(kinds)


def _numbers(kinds: Sequence[str]) -> int:
    """Numbers in a vector: 16 bytes of the widest kind, so that neighbours' vectors are neighbours in every array.

    Fewer where there are so many arrays that a thread's numbers would not fit into its registers.
    """
    found = 16 // max(_BYTES[kept] for kept in kinds)
    while found > 2 and _VECTORS * found * len(kinds) > _HELD:
        found //= 2
    return found


class _Text:
    """A pass as text."""

    def __init__(self, task: ElementPass) -> None:
        self.task = task
        self.written = [index for index, array in enumerate(task.arrays) if array.name in task.program.output_names]
        self.moving = [index for index in range(len(task.arrays)) if index not in self.written]
        self.random = [index for index in self.written if task.arrays[index].stochastic]
        self.count = _numbers([array.kept for array in task.arrays])
        self.printer = Printer(task.dtype)
        self.real = self.printer.real

    def whole(self) -> str:
        arrays, written = self.task.arrays, [self.task.arrays[index] for index in self.written]
        element = self._element()
        read = sorted({array.kept for array in arrays})
        nearest = sorted({array.kept for array in written if not array.stochastic})
        functions = [line for lines in self.printer.functions.values() for line in lines]
        return "\n".join([
            PRELUDE, MEMORY, STORE, *(READ[kept] for kept in read), *(WRITE[kept] for kept in nearest),
            *([RANDOM] if self.random else []), *functions, "", *element, "", *self._kernel(), "",
        ])  # fmt: skip

    def _element(self) -> list[str]:
        """A function from one number of each array to the new ones."""
        task, real = self.task, self.real
        names = {array.name: f"x{index}" for index, array in enumerate(task.arrays)}
        names |= {name: f"shared.n[{index}]" for index, name in enumerate(task.scalars)}
        program = task.program if task.dtype == "float32" else task.program.lowered
        lines, found = self.printer.lines(program, names, "v")
        taken = [f"const {real} x{index}" for index in range(len(task.arrays))]
        given = [f"{real} &y{index}" for index in self.written]
        return [
            f"struct Shared {{ {real} n[{max(1, len(task.scalars))}]; }};",
            f"__device__ inline void element({', '.join(['const Shared &shared', *taken, *given])}) {{",
            *(f"    {line}" for line in lines),
            *(f"    y{index} = {found[task.arrays[index].name]};" for index in self.written), "}",
        ]  # fmt: skip

    def _kernel(self) -> list[str]:
        arrays, size, written = self.task.arrays, self.count, self.written
        # Where hashes are shared, a thread's two vectors are 16 elements apart and one hash serves both.
        apart = _PAIR if self.random else THREADS * size
        lanes = _PAIR // size
        paired = f"threadIdx.x / {lanes} * {2 * _PAIR} + threadIdx.x % {lanes} * {size}"
        own = paired if self.random else f"threadIdx.x * {size}"
        kept = len(written)
        found = [
            f"columns[{written.index(index)} * rows + row]"
            if index in written
            else f"moving[{self.moving.index(index)} * rows + row]"
            for index in range(len(arrays))
        ]
        places = ", ".join(f"a{index}, wide{index}" for index in range(len(arrays)))
        given = f"i, shared, {'seed' if self.random else '0u'}, {places}"
        body = [
            "if (skip && *skip) return;", *self._key(),
            "for (long long at = blockIdx.x; at < unit_count; at += gridDim.x) {",
            "    const long long row = units[3 * at], first = units[3 * at + 1], last = units[3 * at + 2];",
            *(f"    unsigned char *const a{index} = (unsigned char *){place};" for index, place in enumerate(found)),
            # Else it would be asked at every read which kind of memory it is.
            *(f"    __builtin_assume(__isGlobal(a{index}));" for index in range(len(arrays))),
            *(f"    const bool wide{index} = ((unsigned long long)a{index} & {_BYTES[array.kept] * size - 1}) == 0;"
              for index, array in enumerate(arrays)),
            f"    const bool all_wide = {' && '.join(f'wide{index}' for index in range(len(arrays)))};",
            "    Shared shared;",
            f"    const {self.real} *const numbers = scalars + columns[{kept} * rows + row];",
            *(f"    shared.n[{index}] = numbers[{index}];" for index in range(len(self.task.scalars))),
            *([f"    const unsigned seed = mixed(mixed((unsigned)columns[{kept + 1} * rows + row]) + own_key);"]
              if self.random else []),
            f"    const long long whole = first + (last - first) / {size} * {size};",
            f"    long long i = first + {own};",
            f"    const long long round = {THREADS * _VECTORS * size}, both = whole - {apart};",
            "    if (all_wide) {",
            f"        for (; i < both; i += round) vectors<true, {_VECTORS}>({given});",
            f"        if (i < whole) vectors<true, 1>({given});", "    } else {",
            f"        for (; i < both; i += round) vectors<false, {_VECTORS}>({given});",
            f"        if (i < whole) vectors<false, 1>({given});", "    }",
            "    for (i = whole + threadIdx.x; i < last; i += blockDim.x) {",
            *(f"        {line}" for line in self._single()), "    }", "}",
        ]  # fmt: skip
        return [
            *self._vectors(apart), "",
            f'extern "C" __global__ void __launch_bounds__({THREADS}) take_step(',
            "    const unsigned long long *__restrict__ moving, const unsigned long long *__restrict__ columns,",
            f"    const {self.real} *__restrict__ scalars, const long long *__restrict__ units,",
            "    const long long unit_count, const long long rows, const long long key,",
            "    const int *__restrict__ counter, const unsigned *__restrict__ skip) {",
            *(f"    {line}" for line in body), "}",
        ]  # fmt: skip

    def _key(self) -> list[str]:
        if not self.random:
            return []
        return ["const unsigned own_key = counter ? mixed((unsigned)key + (unsigned)*counter) : (unsigned)key;"]

    def _vectors(self, apart: int) -> list[str]:
        """One or two vectors of every array: read all, compute, write all.

        Where every array is wide there is no branch between the reads, so none waits for another.
        """
        task, size = self.task, self.count
        body = []
        for index, array in enumerate(task.arrays):
            body.append(f"unsigned r{index}[PARTS][{_BYTES[array.kept] * size // 4}];")
        body += ["#pragma unroll", "for (int part = 0; part < PARTS; ++part) {"]
        for index, array in enumerate(task.arrays):
            width = _BYTES[array.kept]
            place = f"a{index} + (i + part * {apart}) * {width}"
            body.append(f"    fetch<{width}, {size}>(r{index}[part], {place}, WIDE || wide{index});")
        body.append("}")
        body += [f"unsigned w{i}[PARTS][{_BYTES[task.arrays[i].kept] * size // 4}];" for i in self.written]
        body += ["#pragma unroll", f"for (int e = 0; e < {size}; ++e) {{"]
        if self.random:
            body.append("    unsigned hash = (unsigned)(i + e) ^ seed;")
            body += [f"    const unsigned h{index} = hash = mixed(hash);" for index in self.random]
        body += ["#pragma unroll", "    for (int part = 0; part < PARTS; ++part) {"]
        body += [f"        {line}" for line in self._compute("r{}[part]", "w{}[part]", "e", f"part * {_PAIR}")]
        body += ["    }", "}", "#pragma unroll", "for (int part = 0; part < PARTS; ++part) {"]
        for index in self.written:
            width = _BYTES[task.arrays[index].kept]
            place = f"a{index} + (i + part * {apart}) * {width}"
            body.append(f"    put<{width}, {size}>(w{index}[part], {place}, WIDE || wide{index});")
        body.append("}")
        places = ", ".join(
            f"unsigned char *const a{index}, const bool wide{index}" for index in range(len(task.arrays))
        )
        head = f"const long long i, const Shared &shared, const unsigned seed, {places}"
        return [
            "template <bool WIDE, int PARTS>", f"__device__ __forceinline__ void vectors({head}) {{",
            *(f"    {line}" for line in body), "}",
        ]  # fmt: skip

    def _single(self) -> list[str]:
        """One number of every array: what is left where a tensor's numbers do not fill a vector."""
        lines = []
        for index, array in enumerate(self.task.arrays):
            lines.append(f"unsigned r{index}[{max(1, _BYTES[array.kept] // 4)}];")
            lines.append(_SINGLE_READ[_BYTES[array.kept]].format(to=f"r{index}", at=f"a{index}"))
        for index in self.written:
            lines.append(f"unsigned w{index}[{max(1, _BYTES[self.task.arrays[index].kept] // 4)}];")
        if self.random:
            lines.append(f"unsigned hash = ((unsigned)i & ~{_PAIR}u) ^ seed;")
            lines += [f"const unsigned h{index} = hash = mixed(hash);" for index in self.random]
        lines += self._compute("r{}", "w{}", "0", f"((unsigned)i & {_PAIR}u)")
        for index in self.written:
            lines.append(_SINGLE_WRITE[_BYTES[self.task.arrays[index].kept]].format(of=f"w{index}", at=f"a{index}"))
        return lines

    def _compute(self, read: str, write: str, e: str, half: str) -> list[str]:
        """One element, from words to words."""
        task, real = self.task, self.real
        values = [f"({real})read_{array.kept}({read.format(index)}, {e})" for index, array in enumerate(task.arrays)]
        lines = [f"{real} y{index};" for index in self.written]
        lines.append(f"element({', '.join(['shared', *values, *(f'y{index}' for index in self.written)])});")
        for index in self.written:
            lines.append(self._kept(task.arrays[index], index, f"{write.format(index)}, {e}", half))
        return lines

    def _kept(self, array: Array, index: int, place: str, half: str) -> str:
        """The number in the bits that it is kept in."""
        value = f"y{index}" if array.kept == "float64" else f"(float)y{index}"
        if array.stochastic:
            return f"write_stochastically({place}, {value}, h{index} >> {half} & 0xffffu);"
        return f"write_{array.kept}({place}, {value});"


_SINGLE_READ = {
    8: "{to}[0] = ((const unsigned *){at})[2 * i], {to}[1] = ((const unsigned *){at})[2 * i + 1];",
    4: "{to}[0] = ((const unsigned *){at})[i];",
    2: "{to}[0] = ((const unsigned short *){at})[i];",
}
_SINGLE_WRITE = {
    8: "((unsigned *){at})[2 * i] = {of}[0], ((unsigned *){at})[2 * i + 1] = {of}[1];",
    4: "((unsigned *){at})[i] = {of}[0];",
    2: "((unsigned short *){at})[i] = (unsigned short){of}[0];",
}


def finite_source(kept: str) -> str:
    """The kernel ``look_for``, which looks for numbers that are not finite in the first array of every row.

    Its arguments, in order: moving, units (addresses), the number of units (long long), flag (the address of an int
    that holds :data:`CLEAN_ROW`), skip (as of :func:`kernel_source`). The flag becomes the first row that has one.

    Args:
        kept: "float64", "float32", "bfloat16" or "float16".

    >>> "atomicMin" in finite_source("float32")
    True
    """
    width = _BYTES[kept]
    size, exponent = 16 // width, _EXPONENT[kept]
    # The word of a number, or its upper one, holds all bits of the exponent; where those are set it is not finite.
    parts = ["words[{}]", "words[{}] >> 16"] if width == 2 else ["words[{}]"]
    places = (1, 3) if width == 8 else range(4)
    tests = [f"(({part.format(word)}) & {exponent}) == {exponent}" for word in places for part in parts]
    single = {8: "((const unsigned *)a)[2 * i + 1]", 4: "((const unsigned *)a)[i]", 2: "((const unsigned short *)a)[i]"}
    apart, many = THREADS * size, 4
    look = [
        "template <bool WIDE, int PARTS>",
        "__device__ __forceinline__ bool bad_in(const unsigned char *const a, const long long i, const bool wide) {",
        "    unsigned found[PARTS][4];", "    bool bad = false;",
        "#pragma unroll", "    for (int part = 0; part < PARTS; ++part)",
        f"        fetch<{width}, {size}>(found[part], a + (i + part * {apart}) * {width}, WIDE || wide);",
        "#pragma unroll", "    for (int part = 0; part < PARTS; ++part) {",
        "        const unsigned *const words = found[part];", *(f"        bad |= {test};" for test in tests), "    }",
        "    return bad;", "}",
    ]  # fmt: skip
    body = [
        "if (skip && *skip) return;",
        "for (long long at = blockIdx.x; at < unit_count; at += gridDim.x) {",
        "    const long long row = units[3 * at], first = units[3 * at + 1], last = units[3 * at + 2];",
        "    const unsigned char *const a = (const unsigned char *)moving[row];",
        "    __builtin_assume(__isGlobal(a));",
        "    const bool wide = ((unsigned long long)a & 15) == 0;",
        f"    const long long whole = first + (last - first) / {size} * {size}, all = whole - {(many - 1) * apart};",
        "    bool bad = false;", f"    long long i = first + threadIdx.x * {size};",
        f"    if (wide) for (; i < all; i += {many * apart}) bad |= bad_in<true, {many}>(a, i, true);",
        f"    for (; i < whole; i += {apart}) bad |= bad_in<false, 1>(a, i, wide);",
        "    for (i = whole + threadIdx.x; i < last; i += blockDim.x)",
        f"        bad |= ((unsigned){single[width]} & {exponent}) == {exponent};",
        "    if (bad) atomicMin(flag, (int)row);", "}",
    ]  # fmt: skip
    return "\n".join([
        MEMORY, *look, f'extern "C" __global__ void __launch_bounds__({THREADS}) look_for(',
        "    const unsigned long long *__restrict__ moving, const long long *__restrict__ units,",
        "    const long long unit_count, int *flag, const unsigned *__restrict__ skip) {",
        *(f"    {line}" for line in body), "}", "",
    ])  # fmt: skip


def place_source() -> str:
    """The kernel ``place``, which writes words that are its own arguments: a CUDA graph keeps them as they are.

    Its arguments, in order: to (an address), count (long long, at most :data:`PLACED`), and that many words of 64 bits.

    >>> place_source().count("w63")
    2
    """
    words = ", ".join(f"const unsigned long long w{index}" for index in range(PLACED))
    lines = (f"    if (count > {index}) to[{index}] = w{index};" for index in range(PLACED))
    head = f'extern "C" __global__ void place(unsigned long long *to, const long long count, {words}) {{'
    return "\n".join([head, "    if (blockIdx.x || threadIdx.x) return;", *lines, "}", ""])
