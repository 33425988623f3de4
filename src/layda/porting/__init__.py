"""The same run as code for another library: PyTorch, JAX with optax, Keras."""

from __future__ import annotations

from layda.porting.script import LIBRARIES, check_library, code

__all__ = ["LIBRARIES", "check_library", "code"]
