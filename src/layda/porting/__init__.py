"""The same run as code for another library: PyTorch, JAX with optax, Keras."""

from __future__ import annotations

from layda.porting.script import LIBRARIES, code

__all__ = ["LIBRARIES", "code"]
