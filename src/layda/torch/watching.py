"""Whether lists and a dict still hold the very objects that they held: who takes part in a step has not changed.

In Python the question takes some 15 ns for every object, natively 2. :class:`Watch` asks in Python, and hands its words
to :class:`layda.torch.finding.Finder`, which asks natively on its own way round the tensors.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from operator import is_
from typing import Any

import numpy as np

from layda.backends.native import load

__all__ = ["Watch", "native"]

_WORDS = ("dict", "values", "value_count", "lists", "list_count", "dict_size", "next", "list_size", "get_item")


class Watch:
    """What a dict and some lists hold.

    Args:
        found: the dict, of which the values count.
        lists: the lists.

    >>> first, second = object(), object()
    >>> found, some = {"a": first}, [first, second]
    >>> watch = Watch(found, [some])
    >>> watch.holds()
    True
    >>> some[0] = second
    >>> watch.holds()
    False
    """

    def __init__(self, found: dict[Any, Any], lists: Sequence[list[Any]]) -> None:
        self._found, self._lists = found, list(lists)
        self._values, self._items = list(found.values()), [list(one) for one in lists]

    def holds(self) -> bool:
        """Whether the same objects stand in the same places."""
        if len(self._found) != len(self._values) or not all(map(is_, self._found.values(), self._values)):
            return False
        return all(
            len(now) == len(then) and all(map(is_, now, then))
            for now, then in zip(self._lists, self._items, strict=True)
        )

    def words(self) -> tuple[Any, list[Any]]:
        """The question as an array of words for :func:`native`, and what must live as long as it does.

        A list is described by three words: where it is, where its items' addresses are written, and how many they are.
        """
        own: list[Any] = [self]
        rows = []
        for now, then in zip(self._lists, self._items, strict=True):
            items = np.array(list(map(id, then)) or [0], np.int64)
            own.append(items)
            rows += [id(now), items.ctypes.data, len(then)]
        values, lists = np.array(list(map(id, self._values)) or [0], np.int64), np.array(rows or [0], np.int64)
        own += [values, lists]
        words = {
            "dict": id(self._found), "values": values.ctypes.data, "value_count": len(self._values),
            "lists": lists.ctypes.data, "list_count": len(self._lists), "dict_size": _python("PyDict_Size"),
            "next": _python("PyDict_Next"), "list_size": _python("PyList_Size"), "get_item": _python("PyList_GetItem"),
        }  # fmt: skip
        return np.array([words[name] for name in _WORDS], np.int64), own


def _python(name: str) -> int:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


@cache
def native() -> Any:
    """``same(words) -> 1 or 0``, to be called with the interpreter's lock; its address is what others call."""
    return load(_text(), {"same": (ctypes.c_int32, ctypes.c_void_p)})["same"]


def _text() -> str:
    words = "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %words, i64 {index}\n  %{name} = load {kind}, ptr %{name}.at"
        for index, name in enumerate(_WORDS)
        for kind in ["i64" if name.endswith("_count") else "ptr"]
    )
    return f"""define i32 @same(ptr %words) {{
entry:
  %place = alloca i64
  %key = alloca ptr
  %value = alloca ptr
  store i64 0, ptr %place
{words}
  %size = call i64 %dict_size(ptr %dict)
  %as.many = icmp eq i64 %size, %value_count
  br i1 %as.many, label %values.next, label %no
values.next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %values.one ]
  %i.next = add i64 %i, 1
  %more = call i32 %next(ptr %dict, ptr %place, ptr %key, ptr %value)
  %over = icmp eq i32 %more, 0
  br i1 %over, label %list.next, label %values.one
values.one:
  %now = load ptr, ptr %value
  %then.at = getelementptr ptr, ptr %values, i64 %i
  %then = load ptr, ptr %then.at
  %value.same = icmp eq ptr %now, %then
  br i1 %value.same, label %values.next, label %no
list.next:
  %j = phi i64 [ 0, %values.next ], [ %j.next, %items.next ]
  %j.next = add i64 %j, 1
  %lists.more = icmp slt i64 %j, %list_count
  br i1 %lists.more, label %list.one, label %yes
list.one:
  %row = mul i64 %j, 3
  %list.at = getelementptr i64, ptr %lists, i64 %row
  %list = load ptr, ptr %list.at
  %items.at = getelementptr i64, ptr %list.at, i64 1
  %items = load ptr, ptr %items.at
  %count.at = getelementptr i64, ptr %list.at, i64 2
  %count = load i64, ptr %count.at
  %length = call i64 %list_size(ptr %list)
  %long = icmp eq i64 %length, %count
  br i1 %long, label %items.next, label %no
items.next:
  %k = phi i64 [ 0, %list.one ], [ %k.next, %items.one.same ]
  %items.more = icmp slt i64 %k, %count
  br i1 %items.more, label %items.one, label %list.next
items.one:
  %k.next = add i64 %k, 1
  %item = call ptr %get_item(ptr %list, i64 %k)
  %item.then.at = getelementptr ptr, ptr %items, i64 %k
  %item.then = load ptr, ptr %item.then.at
  %item.same = icmp eq ptr %item, %item.then
  br i1 %item.same, label %items.one.same, label %no
items.one.same:
  br label %items.next
yes:
  ret i32 1
no:
  ret i32 0
}}
"""
