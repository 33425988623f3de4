"""Program -> runnable code. A backend knows programs, never rules or objectives.

All run a :class:`layda.program.loop.Loop` and give the same bits: ``python`` prints Python source and runs it as it is,
``numba`` compiles that same source, ``numpy`` works operation by operation on many runs at once, and ``readable``
(:func:`layda.program.loop.run_readably`) is the twin that they are tested against.

Very many runs go another way, to the same bits. ``vector`` prints a program as LLVM's vector code, and ``lanes`` makes
the kernels of a loop from it: ``light`` for most steps, ``careful`` where numbers may overflow (``proof`` says where
they cannot), ``noting`` for the last stretch, each with its state in ``registers`` or ``columns``. ``blocks`` takes a
block of balls through them and closes their ``ranks``; ``mapped`` evaluates one program on whole arrays; ``native``
compiles and loads, and ``cache`` keeps. ``cuda_source`` prints a loop as CUDA C++, and ``cuda`` compiles and launches
it.
"""

from __future__ import annotations

from layda.backends.choice import BACKENDS, run_loop

__all__ = ["BACKENDS", "run_loop"]
