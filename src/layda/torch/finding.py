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
from layda.torch.watching import Watch, native

__all__ = ["FITS", "GONE", "MOVED", "Finder", "available"]

FITS, GONE, MOVED = 0, 1, 2
"""All is where it was, and the gradients' places are written down; a parameter, slot or gradient is another one or
missing; a gradient has another layout or dtype than its parameter."""

_HANDLE = 16  # bytes from a tensor's Python object to its handle: behind the reference count and the type
_QUESTIONS = ("data_ptr", "numel", "dtype", "layout", "is_contiguous")
_WORDS = (
    "rows", "parameters", "states", "slots", "names", "slot_count", "own_count", "table", "counts", "kind",
    "slot_kinds", "shared_at", "held", "taken", "grad", "none", "tensor", "get_attribute", "release", "get_item",
    "save", "restore", "watch", "same", *_QUESTIONS,
)  # fmt: skip


class Finder:
    """The question, made once for the tensors of a launch, and asked at every step.

    Args:
        parameters: contiguous tensors of one dtype, of torch's own classes.
        states: the slots of each by name.
        names: of the slots.
        shared: names of the slots of one number: looked at only as to whether they are the same objects in their place.
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
        shared_at = np.array([state[name].data_ptr() for name in shared for state in states] or [0], np.int64)
        held = np.zeros(len(parameters), np.int64)
        # All that the words point to stays where it is as long as this does.
        self._owned = (
            tuple(parameters),
            tuple(states),
            slots,
            texts,
            table,
            counts,
            slot_kinds,
            shared_at,
            held,
            arrays,
        )
        places = dict(zip(("parameters", "states", "slots", "names"), (a.ctypes.data for a in arrays), strict=True))
        words = places | {
            "rows": len(parameters), "slot_count": len(texts), "own_count": len(names), "table": table.ctypes.data,
            "counts": counts.ctypes.data, "kind": _answer("dtype", parameters[0]), "slot_kinds": slot_kinds.ctypes.data,
            "shared_at": shared_at.ctypes.data, "held": held.ctypes.data, "taken": 0,
            "grad": id(_GRAD), "none": id(None), "tensor": id(torch.Tensor),
            "get_attribute": _python("PyObject_GetAttr"), "release": _python("Py_DecRef"),
            "get_item": _python("PyDict_GetItem"), "save": _python("PyEval_SaveThread"),
            "restore": _python("PyEval_RestoreThread"), "watch": 0,
            "same": 0, **{name: _address(name) for name in _QUESTIONS},
        }  # fmt: skip
        self._words = np.array([words[name] for name in _WORDS], np.int64)
        self._find, self._finish = _native()
        self._at = self._words.ctypes.data

    def watch(self, watched: Watch) -> None:
        """From now on :meth:`ask` also asks whether these objects are where they were, and says GONE if not."""
        words, own = watched.words()
        same = native()
        self._watched = words, own, same
        self._words[_WORDS.index("watch")] = words.ctypes.data
        self._words[_WORDS.index("same")] = ctypes.cast(same, ctypes.c_void_p).value or 0

    def ask(self) -> int:
        """FITS, GONE or MOVED; with FITS the gradients are held until :meth:`finish`, whoever else lets them go."""
        found: int = self._find(self._at)
        return found

    def finish(self, kernel: int = 0, job: int = 0) -> None:
        """Run a kernel, without the interpreter's lock; then let the gradients go.

        Args:
            kernel: its address; 0: none.
            job: the address of its job.
        """
        self._finish(self._at, kernel, job)

    def __del__(self) -> None:
        if self._words[_TAKEN]:
            self.finish()


_GRAD = sys.intern("grad")
_TAKEN = _WORDS.index("taken")


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
def _native() -> tuple[Any, Any]:
    """The two functions, called with the interpreter's lock: they ask Python for ``grad``, and let objects go."""
    place = ctypes.c_void_p
    types: dict[str, tuple[Any, ...]] = {"find": (ctypes.c_int32, place), "finish": (None, place, place, place)}
    found = []
    for name, function in load(_TEXT, types).items():
        locked = ctypes.PYFUNCTYPE(*types[name])(ctypes.cast(function, place).value or 0)
        locked.code = function  # type: ignore[attr-defined]  # keeps the machine code
        found.append(locked)
    return found[0], found[1]


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

    lines += ["define internal i32 @tensors(ptr %words) noinline {", "entry:", "  %out = alloca i64"]
    numbers = {name: word(name) for name in ("rows", "slot_count", "own_count", "kind")}
    pointers = [name for name in _WORDS if name not in (*numbers, "taken", "save", "restore", "watch", "same")]
    known = {name: word(name, "ptr") for name in pointers}
    dtype = do(f"trunc i64 {numbers['kind']} to i32")
    taken, kept = do(f"getelementptr i64, ptr %words, i64 {_TAKEN}"), known["held"]
    lines.append("  call void @finish(ptr %words, ptr null, ptr null)")  # what a step that was not taken held
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
    lines += ["  br i1 %own, label %deep, label %single", "single:"]
    own_slots = numbers["own_count"]
    number = do(f"sub i64 {place}, {do(f'mul i64 {own_slots}, {rows}')}")
    alone = do(f"getelementptr i8, ptr {held}, i64 {_HANDLE}")
    known_place = item(known["shared_at"], number, "i64")
    leave_unless(do(f"icmp eq i64 {ask('data_ptr', alone, 'i64', 'gone')}, {known_place}"), "gone")
    lines += ["  br label %same", "deep:"]
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
    place = do(f"getelementptr i64, ptr {kept}, i64 %i")
    lines.append(f"  store ptr {gradient}, ptr {place}")
    lines.append(f"  store i64 {do('add i64 %i, 1')}, ptr {taken}")
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
    lines += ["fits:", f"  ret i32 {FITS}"]
    for label, code in (("gone", GONE), ("moved", MOVED)):
        lines += [f"{label}:", "  call void @finish(ptr %words, ptr null, ptr null)", f"  ret i32 {code}"]
    lines.append("}")
    lines += _watched_text()
    lines += _finish_text()
    return "\n".join(lines) + "\n"


def _at(name: str) -> str:
    return f"getelementptr i64, ptr %words, i64 {_WORDS.index(name)}"


def _watched_text() -> list[str]:
    """First what is watched, if anything is; then the tensors."""
    return [
        "define i32 @find(ptr %words) {", "entry:",
        f"  %watch.at = {_at('watch')}", "  %watch = load ptr, ptr %watch.at",
        "  %none = icmp eq ptr %watch, null", "  br i1 %none, label %tensors, label %look", "look:",
        f"  %same.at = {_at('same')}", "  %same = load ptr, ptr %same.at", "  %answer = call i32 %same(ptr %watch)",
        "  %is.same = icmp ne i32 %answer, 0", "  br i1 %is.same, label %tensors, label %gone", "tensors:",
        "  %found = tail call i32 @tensors(ptr %words)", "  ret i32 %found", "gone:",
        "  call void @finish(ptr %words, ptr null, ptr null)", f"  ret i32 {GONE}", "}",
    ]  # fmt: skip


def _finish_text() -> list[str]:
    """Run a kernel between letting the interpreter's lock go and taking it again; release what is held."""
    return [
        "define void @finish(ptr %words, ptr %kernel, ptr %job) {", "entry:",
        "  %none = icmp eq ptr %kernel, null", "  br i1 %none, label %free, label %run", "run:",
        f"  %save.at = {_at('save')}", "  %save = load ptr, ptr %save.at",
        f"  %restore.at = {_at('restore')}", "  %restore = load ptr, ptr %restore.at",
        "  %thread = call ptr %save()", "  call void %kernel(ptr %job)", "  call void %restore(ptr %thread)",
        "  br label %free", "free:",
        f"  %release.at = {_at('release')}", "  %release = load ptr, ptr %release.at",
        f"  %held.at = {_at('held')}", "  %held = load ptr, ptr %held.at",
        f"  %taken.at = {_at('taken')}", "  %taken = load i64, ptr %taken.at", "  store i64 0, ptr %taken.at",
        "  br label %next", "next:", "  %i = phi i64 [ 0, %free ], [ %after, %one ]",
        "  %more = icmp slt i64 %i, %taken", "  br i1 %more, label %one, label %done", "one:",
        "  %place = getelementptr i64, ptr %held, i64 %i", "  %object = load ptr, ptr %place",
        "  call void %release(ptr %object)", "  %after = add i64 %i, 1", "  br label %next", "done:", "  ret void", "}",
    ]  # fmt: skip


_TEXT = _text()
