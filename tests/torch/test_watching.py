"""The native question whether lists and a dict hold the very same objects, beside its readable twin."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from layda.torch.watching import Watch, native


def _native(watch: Watch) -> bool:
    words, own = watch.words()
    function = native()
    locked = ctypes.PYFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(ctypes.cast(function, ctypes.c_void_p).value or 0)
    answer = bool(locked(words.ctypes.data))
    assert own  # it lives until here
    return answer


CHANGES = ("nothing", "value", "key", "less", "item", "longer", "shorter", "swapped", "emptied")


@given(
    sizes=st.lists(st.integers(0, 5), max_size=4), values=st.integers(0, 5), change=st.sampled_from(CHANGES),
    where=st.integers(0, 100),
)  # fmt: skip
def test_it_notices_what_python_notices(sizes: list[int], values: int, change: str, where: int) -> None:
    found: dict[int, Any] = {key: [key] for key in range(values)}  # equal lists are not the same list
    lists: list[list[Any]] = [[[size] for _ in range(size)] for size in sizes]
    watch = Watch(found, lists)
    changed = _change(found, lists, change, where)
    assert watch.holds() is (not changed)
    assert _native(watch) is (not changed)


def _change(found: dict[int, Any], lists: list[list[Any]], change: str, where: int) -> bool:
    """Whether anything was done."""
    some = [one for one in lists if len(one) > 1]
    if change == "value" and found:
        found[where % len(found)] = list(found[where % len(found)])
    elif change == "key":
        found[-1] = [0]
    elif change == "less" and found:
        del found[where % len(found)]
    elif change == "longer" and lists:
        lists[where % len(lists)].append([])
    elif change == "item" and some:
        one = some[where % len(some)]
        one[where % len(one)] = list(one[where % len(one)])
    elif change == "shorter" and some:
        some[where % len(some)].pop()
    elif change == "swapped" and some:
        some[where % len(some)].reverse()
        return len(some[where % len(some)]) > 1
    elif change == "emptied" and some:
        some[where % len(some)].clear()
    else:
        return False
    return True
