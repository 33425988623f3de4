"""LLVM's text -> machine code that ctypes calls, kept on disk under the hash of everything that it depends on.

LLVM comes with Numba (llvmlite). Compiling takes some 20 ms, loading from the cache 2 ms.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from layda.backends.cache import cache_folder, keep_file, kept_file

__all__ = ["load", "vector_width"]

_LOCK = threading.Lock()
# Machine code stays for the life of the process: where LLVM unloaded some while other threads loaded, calls crashed.
_LOADED: dict[str, Any] = {}
_NUMBERS = itertools.count()  # LLVM never takes the name of a library twice, not even of one that is unloaded
_PIPELINE = "3"  # of the kept kernels: how text becomes code


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

    # JITLink lays code and constants side by side; the older linker may find no room for both within the reach of an
    # address (2 GiB) in a process that has mapped much, and ends the process then.
    return llvm.create_lljit_compiler(_machine(), use_jit_link=True)


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
    # The text is unrolled and vectorised already; what is left is to choose instructions and registers: the second
    # level takes twice the time to the same code.
    options = llvm.create_pipeline_tuning_options(1)
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

            path = cache_folder() / f"{key}.o"
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
        function.code = tracker  # what can be called keeps its code, even if _LOADED is emptied
    return found
