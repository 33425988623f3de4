"""LLVM's text -> machine code that ctypes calls, kept on disk under the hash of everything that it depends on.

LLVM comes with Numba (llvmlite). Compiling takes some 20 ms, loading from the cache 2 ms.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["cache_folder", "clear_cache", "keep_file", "kept_file", "kept_kernels", "load", "vector_width"]

_LOCK = threading.Lock()
_LOADED: dict[str, Any] = {}
_NUMBERS = itertools.count()
_SUFFIX = ".o"
_SUFFIXES = (_SUFFIX, ".cubin")  # of the files in the cache: for processors, for GPUs
_PIPELINE = "2"  # of the kept kernels: how text becomes code


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``LAYDA_CACHE_DIR``, else the user's cache folder."""
    if named := os.environ.get("LAYDA_CACHE_DIR"):
        return Path(named)
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "layda" / "kernels"


def kept_kernels() -> list[Path]:
    """The files of the cache."""
    return sorted(path for path in cache_folder().glob("*") if path.suffix in _SUFFIXES)


def clear_cache() -> int:
    """Remove every kept kernel; how many there were."""
    kernels = kept_kernels()
    for path in kernels:
        path.unlink(missing_ok=True)
    return len(kernels)


@cache
def _machine() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    features["prefer-256-bit"] = False  # the programs are long enough to gain from the widest vectors
    return llvm.Target.from_default_triple().create_target_machine(
        # Constants beside the code, found from where the code is, without an instruction that loads their address.
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3, reloc="pic", codemodel="small",
    )  # fmt: skip


@cache
def vector_width(dtype: str = "float64") -> int:
    """Lanes per vector register of this machine."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    size = 64 if features.get("avx512f") else 32 if features.get("avx") else 16
    return size // (8 if dtype == "float64" else 4)


@cache
def _compiler() -> Any:
    import llvmlite.binding as llvm

    return llvm.create_lljit_compiler(_machine())


def _key(text: str) -> str:
    import llvmlite
    import llvmlite.binding as llvm

    machine = (_machine().triple, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    parts = (_PIPELINE, text, llvmlite.__version__, str(llvm.llvm_version_info), *machine)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _compiled(text: str) -> bytes:
    import llvmlite.binding as llvm

    module = llvm.parse_assembly(text)
    module.verify()
    # The text is unrolled and vectorised already; what is left is to choose instructions and registers.
    options = llvm.create_pipeline_tuning_options(2)
    options.slp_vectorization = options.loop_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
    with _written_order():
        found: bytes = _machine().emit_object(module)
    return found


@contextmanager
def _written_order() -> Iterator[None]:
    """Leave instructions in the order of the text, which interleaves what can go side by side.

    LLVM's own order needs more registers than there are. These are switches of the whole process: whatever else
    compiles meanwhile (Numba, in another thread) gets the same machine code in another order.
    """
    import llvmlite.binding as llvm

    llvm.set_option("", "-enable-misched=false")
    llvm.set_option("", "-pre-RA-sched=source")
    try:
        yield
    finally:
        llvm.set_option("", "-enable-misched=true")
        llvm.set_option("", "-pre-RA-sched=default")


def kept_file(path: Path) -> bytes | None:
    """What an earlier process has kept there; ``None`` when there is nothing or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, code = data[:32], data[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def keep_file(path: Path, code: bytes) -> None:
    """Keep machine code under its checksum, whole or not at all.

    A cache that cannot be written (a read-only home) is done without.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(name, path)
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        return


def load(text: str, functions: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Compile a module, or take it from the cache, and give its functions.

    Args:
        text: the module in LLVM's language.
        functions: name -> ctypes types, that of the result first. Calls release the interpreter's lock.
    """
    key = _key(text)
    with _LOCK:
        if key not in _LOADED:
            import llvmlite.binding as llvm

            path = cache_folder() / (key + _SUFFIX)
            code = kept_file(path)
            if code is None:
                code = _compiled(text)
                keep_file(path, code)
            library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
            for name in functions:
                library.export_symbol(name)
            _LOADED[key] = library.link(_compiler(), f"{key}-{next(_NUMBERS)}")
        tracker = _LOADED[key]
    found: dict[str, Any] = {name: ctypes.CFUNCTYPE(*types)(tracker[name]) for name, types in functions.items()}
    for function in found.values():
        function.code = tracker  # the machine code lives as long as who can call it
    return found
