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

from layda.backends.cuda_source import PRELUDE, Printer
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

_MEMORY = """
// COUNT numbers of SIZE bytes each, as words of 32 bits. ``wide``: whether they lie at a multiple of their bytes.
template <int SIZE, int COUNT>
__device__ inline void fetch(unsigned *words, const unsigned char *from, const bool wide) {
    constexpr int BYTES = SIZE * COUNT;
    if (wide) {
        if constexpr (BYTES == 16) {
            const uint4 v = *(const uint4 *)from;
            words[0] = v.x, words[1] = v.y, words[2] = v.z, words[3] = v.w;
        } else if constexpr (BYTES == 8) {
            const uint2 v = *(const uint2 *)from;
            words[0] = v.x, words[1] = v.y;
        } else {
            words[0] = *(const unsigned *)from;
        }
        return;
    }
    if constexpr (SIZE == 8) {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) {
            const uint2 v = ((const uint2 *)from)[e];
            words[2 * e] = v.x, words[2 * e + 1] = v.y;
        }
    } else if constexpr (SIZE == 4) {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) words[e] = ((const unsigned *)from)[e];
    } else {
#pragma unroll
        for (int e = 0; e < COUNT; e += 2) {
            const unsigned low = ((const unsigned short *)from)[e], high = ((const unsigned short *)from)[e + 1];
            words[e / 2] = low | (high << 16);
        }
    }
}
"""

_STORE = """
template <int SIZE, int COUNT>
__device__ inline void put(const unsigned *words, unsigned char *to, const bool wide) {
    constexpr int BYTES = SIZE * COUNT;
    if (wide) {
        if constexpr (BYTES == 16) {
            uint4 v;
            v.x = words[0], v.y = words[1], v.z = words[2], v.w = words[3];
            *(uint4 *)to = v;
        } else if constexpr (BYTES == 8) {
            uint2 v;
            v.x = words[0], v.y = words[1];
            *(uint2 *)to = v;
        } else {
            *(unsigned *)to = words[0];
        }
        return;
    }
    if constexpr (SIZE == 8) {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) {
            uint2 v;
            v.x = words[2 * e], v.y = words[2 * e + 1];
            ((uint2 *)to)[e] = v;
        }
    } else if constexpr (SIZE == 4) {
#pragma unroll
        for (int e = 0; e < COUNT; ++e) ((unsigned *)to)[e] = words[e];
    } else {
#pragma unroll
        for (int e = 0; e < COUNT; ++e)
            ((unsigned short *)to)[e] = (unsigned short)(words[e / 2] >> (e % 2 * 16));
    }
}

// One of the numbers of 16 bits in a vector's words.
__device__ inline unsigned half_of(const unsigned *words, const int e) {
    return words[e / 2] >> (e % 2 * 16) & 0xffffu;
}
__device__ inline void set_half(unsigned *words, const int e, const unsigned bits) {
    words[e / 2] = e % 2 ? words[e / 2] | (bits << 16) : bits;
}
"""

_READ = {
    "float64": """
__device__ inline double read_float64(const unsigned *words, const int e) {
    return __longlong_as_double((long long)(((unsigned long long)words[2 * e + 1] << 32) | words[2 * e]));
}
""",
    "float32": """
__device__ inline float read_float32(const unsigned *words, const int e) { return __uint_as_float(words[e]); }
""",
    "bfloat16": """
__device__ inline float read_bfloat16(const unsigned *words, const int e) {
    return __uint_as_float(half_of(words, e) << 16);
}
""",
    "float16": """
// Its exponent moved to float32's place; a product with a power of two mends the bias, of small numbers too, exactly.
__device__ inline float read_float16(const unsigned *words, const int e) {
    const unsigned bits = half_of(words, e), rest = bits & 0x7fffu, sign = (bits & 0x8000u) << 16;
    const unsigned moved = __float_as_uint(__uint_as_float(rest << 13) * 0x1p112f);
    return __uint_as_float(sign | (rest >= 0x7c00u ? moved | 0x7f800000u : moved));
}
""",
}

_WRITE = {
    "float64": """
__device__ inline void write_float64(unsigned *words, const int e, const double value) {
    const unsigned long long bits = (unsigned long long)__double_as_longlong(value);
    words[2 * e] = (unsigned)bits, words[2 * e + 1] = (unsigned)(bits >> 32);
}
""",
    "float32": """
__device__ inline void write_float32(unsigned *words, const int e, const float value) {
    words[e] = __float_as_uint(value);
}
""",
    "bfloat16": """
// Half of the last kept bit, and one less where that bit is even: ties go to even.
__device__ inline void write_bfloat16(unsigned *words, const int e, const float value) {
    const unsigned word = __float_as_uint(value), moved = (word + ((word >> 16 & 1u) + 0x7fffu)) >> 16;
    set_half(words, e, value != value ? 0x7fc0u : moved);
}
""",
    "float16": """
// Numbers below float16's normal ones are rounded by a sum: one half has their unit as its own.
__device__ inline void write_float16(unsigned *words, const int e, const float value) {
    const unsigned word = __float_as_uint(value), sign = word >> 16 & 0x8000u, size = word & 0x7fffffffu;
    const unsigned small = __float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000u;
    const unsigned usual = (size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13;
    unsigned bits = size < 0x38800000u ? small : usual;
    bits = size >= 0x477ff000u ? 0x7c00u : bits;
    set_half(words, e, sign | (size > 0x7f800000u ? 0x7e00u : bits));
}
""",
}

_RANDOM = """
// x ^= x>>16; x *= 7feb352d; x ^= x>>15; x *= 846ca68b; x ^= x>>16 (Wellons' lowbias32, public domain).
__device__ inline unsigned mixed(unsigned x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}
// Up with the probability that keeps the mean; ``noise`` has 16 bits.
__device__ inline void write_stochastically(unsigned *words, const int e, const float value, const unsigned noise) {
    const unsigned moved = (__float_as_uint(value) + noise) >> 16;
    set_half(words, e, value != value ? 0x7fc0u : moved);
}
"""


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
            PRELUDE, _MEMORY, _STORE, *(_READ[kept] for kept in read), *(_WRITE[kept] for kept in nearest),
            *([_RANDOM] if self.random else []), *functions, "", *element, "", *self._kernel(), "",
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
        arrays, size = self.task.arrays, self.count
        # Where hashes are shared, a thread's two vectors are 16 elements apart and one hash serves both.
        apart = _PAIR if self.random else THREADS * size
        lanes = _PAIR // size
        own = f"threadIdx.x / {lanes} * {2 * _PAIR} + threadIdx.x % {lanes} * {size}" if self.random else (
            f"threadIdx.x * {size}"
        )  # fmt: skip
        kept = len(self.written)
        found = [f"columns[{self.written.index(index)} * rows + row]" if index in self.written else
                 f"moving[{self.moving.index(index)} * rows + row]" for index in range(len(arrays))]  # fmt: skip
        body = [
            "if (skip && *skip) return;", *self._key(),
            "for (long long at = blockIdx.x; at < unit_count; at += gridDim.x) {",
            "    const long long row = units[3 * at], first = units[3 * at + 1], last = units[3 * at + 2];",
            *(f"    unsigned char *const a{index} = (unsigned char *){place};" for index, place in enumerate(found)),
            *(f"    const bool wide{index} = ((unsigned long long)a{index} & {_BYTES[array.kept] * size - 1}) == 0;"
              for index, array in enumerate(arrays)),
            "    Shared shared;",
            f"    const {self.real} *const numbers = scalars + columns[{kept} * rows + row];",
            *(f"    shared.n[{index}] = numbers[{index}];" for index in range(len(self.task.scalars))),
            *([f"    const unsigned seed = mixed(mixed((unsigned)columns[{kept + 1} * rows + row]) + own_key);"]
              if self.random else []),
            f"    const long long whole = first + (last - first) / {size} * {size};",
            f"    for (long long i = first + {own}; i < whole; i += {THREADS * _VECTORS * size}) {{",
            *(f"        {line}" for line in self._vectors(apart)), "    }",
            "    for (long long i = whole + threadIdx.x; i < last; i += blockDim.x) {",
            *(f"        {line}" for line in self._single()), "    }", "}",
        ]  # fmt: skip
        return [
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
        """Two vectors of every array: read, compute, write."""
        task, size = self.task, self.count
        lines = [f"const bool both = i + {apart} < whole;"]
        for index, array in enumerate(task.arrays):
            width, words = _BYTES[array.kept], _BYTES[array.kept] * size // 4
            lines.append(f"unsigned r{index}[2][{words}] = {{}};")
            lines.append(f"fetch<{width}, {size}>(r{index}[0], a{index} + i * {width}, wide{index});")
        lines.append("if (both) {")
        for index, array in enumerate(task.arrays):
            width = _BYTES[array.kept]
            lines.append(f"    fetch<{width}, {size}>(r{index}[1], a{index} + (i + {apart}) * {width}, wide{index});")
        lines.append("}")
        for index in self.written:
            lines.append(f"unsigned w{index}[2][{_BYTES[task.arrays[index].kept] * size // 4}];")
        lines += ["#pragma unroll", f"for (int e = 0; e < {size}; ++e) {{"]
        if self.random:
            lines.append("    unsigned hash = (unsigned)(i + e) ^ seed;")
            lines += [f"    const unsigned h{index} = hash = mixed(hash);" for index in self.random]
        lines += ["#pragma unroll", "    for (int part = 0; part < 2; ++part) {"]
        lines += [f"        {line}" for line in self._compute("r{}[part]", "w{}[part]", "e", "part * 16")]
        lines += ["    }", "}"]
        for part, place in (("0", "i"), ("1", f"(i + {apart})")):
            for index in self.written:
                width = _BYTES[task.arrays[index].kept]
                line = f"put<{width}, {size}>(w{index}[{part}], a{index} + {place} * {width}, wide{index});"
                lines.append(line if part == "0" else f"if (both) {line}")
        return lines

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
    apart = THREADS * size
    body = [
        "if (skip && *skip) return;",
        "for (long long at = blockIdx.x; at < unit_count; at += gridDim.x) {",
        "    const long long row = units[3 * at], first = units[3 * at + 1], last = units[3 * at + 2];",
        "    const unsigned char *const a = (const unsigned char *)moving[row];",
        "    const bool wide = ((unsigned long long)a & 15) == 0;",
        f"    const long long whole = first + (last - first) / {size} * {size};",
        "    bool bad = false;",
        f"    for (long long i = first + threadIdx.x * {size}; i < whole; i += {4 * apart}) {{",
        "        unsigned found[4][4] = {};", "#pragma unroll", "        for (int part = 0; part < 4; ++part) {",
        f"            const long long j = i + part * {apart};",
        f"            if (j < whole) fetch<{width}, {size}>(found[part], a + j * {width}, wide);", "        }",
        "#pragma unroll", "        for (int part = 0; part < 4; ++part) {",
        "            const unsigned *const words = found[part];",
        *(f"            bad |= {test};" for test in tests), "        }", "    }",
        "    for (long long i = whole + threadIdx.x; i < last; i += blockDim.x)",
        f"        bad |= ((unsigned){single[width]} & {exponent}) == {exponent};",
        "    if (bad) atomicMin(flag, (int)row);", "}",
    ]  # fmt: skip
    return "\n".join([
        _MEMORY, f'extern "C" __global__ void __launch_bounds__({THREADS}) look_for(',
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
