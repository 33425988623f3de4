"""Faults seen in other optimizers: each is right here, and where the peer is installed it still fails there.

A peer that has mended its fault makes no red test: the second half of the pair is skipped then, and says so.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from layda.errors import SettingError
from tests.torch.infos import INFOS

torch = pytest.importorskip("torch")

import layda.torch as lt  # noqa: E402

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)


def still(fails: bool, peer: str = "torch") -> None:
    """Skip, saying so, where the peer is right by now."""
    if not fails:
        version = getattr(pytest.importorskip(peer), "__version__", "?")
        pytest.skip(f"mended in {peer} {version}")


def _parameter(values: Any, dtype: Any = torch.float32) -> Any:
    return torch.nn.Parameter(torch.as_tensor(values, dtype=dtype))


# --- 1: bfloat16 and float16 on processors ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
class TestHalfPrecisionBlocks:
    """torch's fused SGD skips every full block of vectors (pytorch#191763)."""

    def _stepped(self, make: Any, dtype: Any) -> Any:
        x = _parameter(torch.ones(1000), dtype)
        x.grad = torch.ones_like(x)
        make([x]).step()
        return x.detach()

    def test_here(self, dtype: Any) -> None:
        for make in (lambda p: lt.SGD(p, 0.5, fused=True), lambda p: lt.HeavyBall(p, 0.5, fused=True)):
            assert (self._stepped(make, dtype) == 0.5).all()

    def test_there(self, dtype: Any) -> None:
        still(not bool((self._stepped(lambda p: torch.optim.SGD(p, 0.5, fused=True), dtype) == 0.5).all()))


# --- 2: an overflow at the first step ---------------------------------------------------------------------------------


class TestOverflowAtTheFirstStep:
    """After it, torch's fused SGD goes on with a buffer that it has never written."""

    def _buffer(self, make: Any) -> Any:
        x = _parameter([1.0, 2.0])
        optimizer = make([x])
        x.grad = torch.ones(2)
        optimizer.grad_scale, optimizer.found_inf = torch.ones(()), torch.ones(())
        optimizer.step()
        optimizer.found_inf = torch.zeros(())
        optimizer.step()
        return optimizer.state[x]["momentum_buffer"]

    def test_here(self) -> None:
        for fused in (True, False):
            assert self._buffer(lambda p, f=fused: lt.SGD(p, 0.1, 0.9, 0.5, fused=f)).tolist() == [1.0, 1.0]

    def test_there(self) -> None:
        found = self._buffer(lambda p: torch.optim.SGD(p, 0.1, 0.9, 0.5, fused=True))
        still(found.tolist() != [1.0, 1.0])  # b = g at the first step that is taken


# --- 3: a gradient that comes late ------------------------------------------------------------------------------------


class TestLateGradients:
    """torch's fused SGD raises a TypeError."""

    def _run(self, make: Any) -> Any:
        params = [_parameter([1.0]), _parameter([1.0])]
        optimizer = make(params)
        for step in range(3):
            params[0].grad = torch.ones(1)
            params[1].grad = None if step == 0 else torch.ones(1)
            optimizer.step()
        return [one.item() for one in params]

    def test_here(self) -> None:
        for fused in (True, False):
            found = self._run(lambda p, f=fused: lt.SGD(p, 0.5, momentum=0.5, fused=f))
            assert found == [1.0 - 0.5 * (1 + 1.5 + 1.75), 1.0 - 0.5 * (1 + 1.5)]

    def test_there(self) -> None:
        try:
            self._run(lambda p: torch.optim.SGD(p, 0.5, momentum=0.5, fused=True))
        except TypeError:
            return
        still(False)


# --- 4: gradients and parameters with gaps ----------------------------------------------------------------------------


class TestGaps:
    """torch's fused SGD reads the wrong gradients, and writes beside a sliced parameter."""

    def _gradient(self, make: Any) -> Any:
        x = _parameter(torch.zeros(2, 3))
        x.grad = torch.arange(6.0).reshape(3, 2).T
        make([x]).step()
        return x.detach()

    def _slice(self, make: Any) -> Any:
        whole = torch.zeros(40)
        x = whole[::2].requires_grad_()
        x.grad = torch.ones(20)
        make([x]).step()
        return whole

    def test_here(self) -> None:
        for fused in (None, False):
            make = lambda p, f=fused: lt.SGD(p, 1.0, fused=f)  # noqa: E731
            assert self._gradient(make).tolist() == [[0.0, -2.0, -4.0], [-1.0, -3.0, -5.0]]
            assert self._slice(make).tolist() == [-1.0, 0.0] * 20
        with pytest.raises(SettingError, match=r"fused is True, and parameter 0 of group 0 .* strides \(2,\)"):
            self._slice(lambda p: lt.SGD(p, 1.0, fused=True))

    def test_there_gradients(self) -> None:
        found = self._gradient(lambda p: torch.optim.SGD(p, 1.0, fused=True)).tolist()
        still(found != [[0.0, -2.0, -4.0], [-1.0, -3.0, -5.0]])

    def test_there_slices(self) -> None:
        still(self._slice(lambda p: torch.optim.SGD(p, 1.0, fused=True)).tolist() != [-1.0, 0.0] * 20)


# --- 5: p.grad is overwritten -----------------------------------------------------------------------------------------


class TestGradientsAreNeverWritten:
    """torch's foreach SGD with Nesterov's look-ahead and without weight decay writes into ``p.grad``."""

    @each_class
    def test_here(self, info: Any) -> None:
        for fused in (None, False):
            for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.complex64):
                if dtype is torch.bfloat16 and fused is None and info.name not in ("HeavyBall", "SGD"):
                    continue  # the same kernel's text, slow to compile
                for given in info.optim_inputs_func() if dtype is torch.float32 else [None]:
                    kwargs = copy.deepcopy(given.kwargs) if given else {}
                    self._unwritten(info.optim_cls, dtype, kwargs | {"fused": fused})

    def _unwritten(self, make: Any, dtype: Any, kwargs: dict[str, Any]) -> None:
        torch.manual_seed(1)
        params = [torch.randn(4, 6, dtype=dtype).T.requires_grad_(), torch.randn(3, dtype=dtype, requires_grad=True)]
        optimizer = make(params, **kwargs)
        for scale in (None, 8.0):
            for one in params:
                one.grad = torch.randn(one.shape, dtype=dtype)
            kept = [(one.grad, one.grad.clone(), one.grad._version) for one in params]
            if scale:
                optimizer.grad_scale, optimizer.found_inf = torch.tensor(scale), torch.tensor(0.0)
            optimizer.step()
            for one, (gradient, values, version) in zip(params, kept, strict=True):
                assert one.grad is gradient
                assert torch.equal(gradient, values)
                assert gradient._version == version

    def test_there(self) -> None:
        x = _parameter([1.0])
        optimizer = torch.optim.SGD([x], 0.1, momentum=0.9, nesterov=True, foreach=True)
        for _ in range(2):
            x.grad = torch.ones(1)
            optimizer.step()
        still(x.grad.item() != 1.0)


# --- 6: loading shares memory -----------------------------------------------------------------------------------------


class TestLoadingIsACopy:
    """torch's load_state_dict(state_dict()) in one process makes two optimizers share a buffer (pytorch#196083)."""

    def _shared(self, make: Any) -> bool:
        first, second = _parameter([1.0, 2.0]), _parameter([1.0, 2.0])
        one, other = make([first]), make([second])
        first.grad = torch.ones(2)
        one.step()
        other.load_state_dict(one.state_dict())
        places = [optimizer.state[x][name].data_ptr() for optimizer, x in ((one, first), (other, second))
                  for name in optimizer.state[x]]  # fmt: skip
        return len(set(places)) < len(places)

    @each_class
    def test_here(self, info: Any) -> None:
        assert not self._shared(info.optim_cls)

    @each_class
    def test_a_state_is_not_changed_by_later_steps(self, info: Any) -> None:
        x = _parameter([1.0, 2.0])
        optimizer = info.optim_cls([x])
        x.grad = torch.ones(2)
        optimizer.step()
        state = optimizer.state_dict()
        kept = copy.deepcopy(state)
        optimizer.step()
        for key, slots in state["state"].items():
            assert all(torch.equal(value, kept["state"][key][name]) for name, value in slots.items())
        assert [group["steps"] for group in state["param_groups"]] == [1]

    def test_there(self) -> None:
        still(self._shared(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)))


# --- 8: one NaN -------------------------------------------------------------------------------------------------------


class TestOneNaN:
    """It stays in torch's buffer for ever, without a word."""

    def _after(self, make: Any) -> Any:
        x = _parameter([1.0, 1.0])
        optimizer = make([x])
        for push in ([1.0, 1.0], [float("nan"), 1.0], [1.0, 1.0]):
            x.grad = torch.tensor(push)
            optimizer.step()
        return x.detach()

    @pytest.mark.filterwarnings("ignore:the gradient of:RuntimeWarning")
    def test_here(self) -> None:
        for fused in (True, False):
            found = self._after(lambda p, f=fused: lt.SGD(p, 0.5, momentum=0.5, fused=f))
            assert found.tolist() == [1.0 - 0.5 - 0.75] * 2  # two steps

    def test_there(self) -> None:
        still(bool(self._after(lambda p: torch.optim.SGD(p, 0.5, momentum=0.5)).isnan()[0]))


# --- 10: loaded slots are rounded -------------------------------------------------------------------------------------


class TestLoadedSlotsKeepTheirDtype:
    """torch casts float32 buffers to the dtype of bfloat16 parameters."""

    def _loaded(self, make: Any, name: str) -> Any:
        x = _parameter([1.0, 2.0], torch.bfloat16)
        optimizer = make([x])
        x.grad = torch.tensor([0.3, 0.7], dtype=torch.bfloat16)
        optimizer.step()
        state = optimizer.state_dict()
        state["state"][0][name] = torch.tensor([1.0 + 2.0**-20, 2.0])
        other = make([_parameter([1.0, 2.0], torch.bfloat16)])
        other.load_state_dict(state)
        return next(iter(other.state.values()))[name]

    def test_here(self) -> None:
        found = self._loaded(lt.HeavyBall, "velocity")
        assert found.dtype is torch.float32
        assert found.tolist() == [1.0 + 2.0**-20, 2.0]
        double = self._loaded(lambda p: lt.HeavyBall(p, state_dtype=torch.float64), "velocity")
        assert (double.dtype, double.tolist()) == (torch.float64, [1.0 + 2.0**-20, 2.0])

    def test_there(self) -> None:
        still(self._loaded(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), "momentum_buffer").dtype != torch.float32)
