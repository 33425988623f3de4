"""The text by which CUDA's threads read and write numbers of all kinds, as words of 32 bits: plain C++.

What is kept in fewer bits than it is computed in is converted by its bits, so that a processor can run the text, and
without the headers of CUDA's small floats.
"""

from __future__ import annotations

__all__ = ["MEMORY", "RANDOM", "READ", "STORE", "WRITE"]

MEMORY = """
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

STORE = """
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

READ = {
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

WRITE = {
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

RANDOM = """
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
