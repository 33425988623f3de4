"""Where parameters, slots and gradients lie, asked of torch in one native call for all tensors of a launch.

In Python the questions take some 50 ns each, six or more for every tensor: for 300 small tensors more than the step
itself. The native text asks the same questions through the C interface that torch keeps stable for compiled programs
(``aoti_torch_…``), which takes the address of a tensor's handle: that lies at a fixed place in the Python object. Both
are tried before they are relied on (:func:`available`); where either is not as expected, launches ask in Python.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from layda.backends.native import load

__all__ = ["FITS", "GONE", "MOVED", "Finder", "available"]

FITS, GONE, MOVED = 0, 1, 2
"""All is where it was, and the gradients' places are written down; a parameter, slot or gradient is another one or
missing; a gradient has another layout or dtype than its parameter."""

_HANDLE = 16  # bytes from a tensor's Python object to its handle: behind the reference count and the type
_QUESTIONS = ("data_ptr", "numel", "dtype", "layout", "is_contiguous")
_WORDS = (
    "rows", "parameters", "states", "slots", "names", "slot_count", "own_count", "table", "counts", "kind",
    "slot_kinds", "grad", "none", "tensor", "get_attribute", "release", "get_item", *_QUESTIONS,
)  # fmt: skip


class Finder:
    """The question, made once for the tensors of a launch, and asked at every step.

    Args:
        parameters: contiguous tensors of one dtype, of torch's own classes.
        states: the slots of each by name.
        names: of the slots.
        shared: names of what several tensors' states refer to: looked at only as to whether it is the same object.
        table: (columns, rows): the places of parameters, gradients, and slots, as they are now; the gradients' row is
            written by :meth:`ask`.
    """

    def __init__(
        self,
        parameters: Sequence[torch.Tensor],
        states: Sequence[dict[str, Any]],
        names: Sequence[str],
        table: np.ndarray[Any, Any],
        shared: Sequence[str] = (),
    ) -> None:
        slots = [state[name] for name in (*names, *shared) for state in states]
        texts = tuple(sys.intern(name) for name in (*names, *shared))
        counts = np.array([parameter.numel() for parameter in parameters], np.int64)
        arrays = [np.array([id(item) for item in part] or [0], np.int64) for part in (parameters, states, slots, texts)]
        slot_kinds = np.array([_answer("dtype", states[0][name]) for name in names] or [0], np.int64)
        self._owned = (
            tuple(parameters),
            tuple(states),
            slots,
            texts,
            table,
            counts,
            slot_kinds,
            arrays,
        )
        places = dict(zip(("parameters", "states", "slots", "names"), (a.ctypes.data for a in arrays), strict=True))
        words = places | {
            "rows": len(parameters), "slot_count": len(texts), "own_count": len(names), "table": table.ctypes.data,
            "counts": counts.ctypes.data, "kind": _answer("dtype", parameters[0]), "slot_kinds": slot_kinds.ctypes.data,
            "grad": id(_GRAD), "none": id(None), "tensor": id(torch.Tensor),
            "get_attribute": _python("PyObject_GetAttr"), "release": _python("Py_DecRef"),
            "get_item": _python("PyDict_GetItem"), **{name: _address(name) for name in _QUESTIONS},
        }  # fmt: skip
        self._words = np.array([words[name] for name in _WORDS], np.int64)
        self._function = _native()
        self._at = self._words.ctypes.data

    def ask(self) -> int:
        """FITS, GONE or MOVED."""
        found: int = self._function(self._at)
        return found


_GRAD = sys.intern("grad")


@cache
def _library() -> ctypes.CDLL:
    folder = Path(torch.__file__).parent / "lib"
    names = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}
    return ctypes.CDLL(str(folder / names.get(sys.platform, "libtorch_cpu.so")))


def _address(question: str) -> int:
    name = f"aoti_torch_{question}" if question.startswith("is_") else f"aoti_torch_get_{question}"
    return ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value or 0


def _python(name: str) -> int:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


def _answer(question: str, tensor: torch.Tensor) -> int:
    """What torch's C interface says of a tensor."""
    function = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)(_address(question))
    out = ctypes.c_int64(0)
    if function(id(tensor) + _HANDLE, ctypes.addressof(out)):
        return -1
    return out.value


@cache
def available() -> bool:
    """Whether tensors lie and answer as this file expects: tried on a few, reading nothing outside of their objects."""
    if sys.implementation.name != "cpython" or getattr(sys, "_is_gil_enabled", lambda: True)() is False:
        return False
    base = torch.arange(12.0)
    tried = [base[2:8], base.reshape(3, 4).t(), torch.nn.Parameter(base.double()), torch.zeros(0), torch.tensor(1.0)]
    if any(tensor.__class__.__basicsize__ < _HANDLE + 8 for tensor in tried):
        return False
    if any(ctypes.c_int64.from_address(id(tensor) + _HANDLE).value != tensor._cdata for tensor in tried):
        return False
    try:
        found = [[_answer(question, tensor) for question in _QUESTIONS] for tensor in tried]
    except (AttributeError, OSError):
        return False
    single, double = found[0][2], found[2][2]
    expected = [
        [t.data_ptr(), t.numel(), double if t.dtype is torch.float64 else single, 0, int(t.is_contiguous())]
        for t in tried
    ]
    return single != double and found == expected


@cache
def _native() -> Any:
    released = load(_TEXT, {"find": (ctypes.c_int32, ctypes.c_void_p)})["find"]
    # Called with the interpreter's lock: it asks Python for the attribute "grad".
    found = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(ctypes.cast(released, ctypes.c_void_p).value or 0)
    found.code = released  # type: ignore[attr-defined]  # keeps the machine code
    return found


def _text() -> str:
    lines: list[str] = []
    count = 0

    def do(text: str) -> str:
        nonlocal count
        count += 1
        lines.append(f"  %v{count} = {text}")
        return f"%v{count}"

    def word(name: str, kind: str = "i64") -> str:
        return do(f"load {kind}, ptr {do(f'getelementptr i64, ptr %words, i64 {_WORDS.index(name)}')}")

    def item(array: str, index: str, kind: str = "ptr") -> str:
        return do(f"load {kind}, ptr {do(f'getelementptr i64, ptr {array}, i64 {index}')}")

    def leave_unless(condition: str, label: str) -> str:
        """Go on, in a block of this name, only where the condition holds."""
        nonlocal count
        count += 1
        lines.append(f"  br i1 {condition}, label %on{count}, label %{label}")
        lines.append(f"on{count}:")
        return f"on{count}"

    def ask(question: str, handle: str, kind: str, otherwise: str) -> str:
        """The answer; on an error, away."""
        lines.append("  store i64 0, ptr %out")
        error = do(f"call i32 {known[question]}(ptr {handle}, ptr %out)")
        leave_unless(do(f"icmp eq i32 {error}, 0"), otherwise)
        return do(f"load {kind}, ptr %out")

    lines += ["define i32 @find(ptr %words) {", "entry:", "  %out = alloca i64"]
    numbers = {name: word(name) for name in ("rows", "slot_count", "own_count", "kind")}
    pointers = [name for name in _WORDS if name not in numbers]
    known = {name: word(name, "ptr") for name in pointers}
    dtype = do(f"trunc i64 {numbers['kind']} to i32")
    lines += ["  br label %row", "row:", "  %i = phi i64 [ 0, %entry ], [ %next, %done ]"]
    leave_unless(do(f"icmp slt i64 %i, {numbers['rows']}"), "fits")
    parameter = item(known["parameters"], "%i")
    handle = do(f"getelementptr i8, ptr {parameter}, i64 {_HANDLE}")
    size = item(known["counts"], "%i", "i64")
    leave_unless(
        do(f"icmp eq i64 {ask('data_ptr', handle, 'i64', 'gone')}, {item(known['table'], '%i', 'i64')}"), "gone"
    )
    leave_unless(do(f"icmp eq i64 {ask('numel', handle, 'i64', 'gone')}, {size}"), "gone")
    leave_unless(do(f"icmp eq i32 {ask('dtype', handle, 'i32', 'gone')}, {dtype}"), "gone")
    before = leave_unless(do(f"icmp ne i8 {ask('is_contiguous', handle, 'i8', 'gone')}, 0"), "gone")
    state = item(known["states"], "%i")
    lines += ["  br label %slot", "slot:", f"  %s = phi i64 [ 0, %{before} ], [ %another, %same ]"]
    lines.append(f"  %more = icmp slt i64 %s, {numbers['slot_count']}")
    lines += ["  br i1 %more, label %look, label %gradient", "look:"]
    rows, table = numbers["rows"], known["table"]
    place = do(f"add i64 {do(f'mul i64 %s, {rows}')}, %i")
    held = do(f"call ptr {known['get_item']}(ptr {state}, ptr {item(known['names'], '%s')})")
    leave_unless(do(f"icmp eq ptr {held}, {item(known['slots'], place)}"), "gone")
    lines.append(f"  %own = icmp slt i64 %s, {numbers['own_count']}")
    lines += ["  br i1 %own, label %deep, label %same", "deep:"]
    own = do(f"getelementptr i8, ptr {held}, i64 {_HANDLE}")
    column = do(f"add i64 {place}, {do(f'mul i64 2, {rows}')}")
    expected = item(table, column, "i64")
    leave_unless(do(f"icmp eq i64 {ask('data_ptr', own, 'i64', 'gone')}, {expected}"), "gone")
    leave_unless(do(f"icmp eq i64 {ask('numel', own, 'i64', 'gone')}, {size}"), "gone")
    slot_dtype = do(f"trunc i64 {item(known['slot_kinds'], '%s', 'i64')} to i32")
    leave_unless(do(f"icmp eq i32 {ask('dtype', own, 'i32', 'gone')}, {slot_dtype}"), "gone")
    leave_unless(do(f"icmp ne i8 {ask('is_contiguous', own, 'i8', 'gone')}, 0"), "gone")
    lines += ["  br label %same", "same:", "  %another = add i64 %s, 1", "  br label %slot", "gradient:"]
    gradient = do(f"call ptr {known['get_attribute']}(ptr {parameter}, ptr {known['grad']})")
    leave_unless(do(f"icmp ne ptr {gradient}, null"), "gone")
    lines.append(f"  call void {known['release']}(ptr {gradient})")  # the parameter holds it while we hold the lock
    leave_unless(do(f"icmp ne ptr {gradient}, {known['none']}"), "gone")
    kind = do(f"load ptr, ptr {do(f'getelementptr i64, ptr {gradient}, i64 1')}")
    leave_unless(do(f"icmp eq ptr {kind}, {known['tensor']}"), "moved")
    handle = do(f"getelementptr i8, ptr {gradient}, i64 {_HANDLE}")
    leave_unless(do(f"icmp eq i32 {ask('layout', handle, 'i32', 'gone')}, 0"), "gone")
    leave_unless(do(f"icmp eq i64 {ask('numel', handle, 'i64', 'gone')}, {size}"), "moved")
    leave_unless(do(f"icmp eq i32 {ask('dtype', handle, 'i32', 'gone')}, {dtype}"), "moved")
    leave_unless(do(f"icmp ne i8 {ask('is_contiguous', handle, 'i8', 'gone')}, 0"), "moved")
    found = ask("data_ptr", handle, "i64", "gone")
    place = do(f"getelementptr i64, ptr {table}, i64 {do(f'add i64 {rows}, %i')}")
    lines.append(f"  store i64 {found}, ptr {place}")
    lines += ["  br label %done", "done:", "  %next = add i64 %i, 1", "  br label %row"]
    for label, code in (("fits", FITS), ("gone", GONE), ("moved", MOVED)):
        lines += [f"{label}:", f"  ret i32 {code}"]
    lines.append("}")
    return "\n".join(lines) + "\n"


_TEXT = _text()
