"""Faults seen in other optimizers that have to do with their settings; see :mod:`tests.torch.test_faults`."""

from __future__ import annotations

from typing import Any

import pytest

from layda.errors import SettingError
from layda.rules import HeavyBall
from tests.torch.infos import INFOS
from tests.torch.test_faults import _parameter, still

torch = pytest.importorskip("torch")

import layda.torch as lt  # noqa: E402

each_class = pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)


# --- 7: settings that are no numbers ----------------------------------------------------------------------------------


class TestSettings:
    """torch takes lr = NaN and infinity, momentum = NaN and 1.5."""

    WRONG = ({"lr": float("nan")}, {"lr": float("inf")}, {"momentum": float("nan")}, {"momentum": 1.5})

    @pytest.mark.parametrize("wrong", [*WRONG, {"lr": -0.1}, {"weight_decay": float("nan")}, {"weight_decay": -1.0}])
    def test_here(self, wrong: dict[str, float]) -> None:
        (name,) = wrong
        told = "learning_rate" if name == "lr" else name
        with pytest.raises(SettingError, match=f"{told} is .*; allowed is"):
            lt.SGD([_parameter([1.0])], **wrong)
        with pytest.raises(SettingError, match=f"{told} is .*; allowed is"):
            lt.Optimizer([_parameter([1.0])], HeavyBall(), **wrong) if name == "lr" else HeavyBall(**wrong)
        x = _parameter([1.0])
        optimizer = lt.HeavyBall([x])
        with pytest.raises(SettingError, match=f"{told} is .*; allowed is"):
            optimizer.add_param_group({"params": [_parameter([2.0])], **wrong})
        assert len(optimizer.param_groups) == 1
        with pytest.raises(SettingError, match=f"{told} is .*; allowed is"):
            lt.HeavyBall([{"params": [x], **wrong}])

    @pytest.mark.parametrize("fused", [None, False])
    @pytest.mark.parametrize("before", [0, 2])
    @pytest.mark.parametrize("wrong", [*WRONG, {"lr": -0.1}, {"lr": torch.tensor(float("nan"))}, {"lr": "fast"},
                                       {"maximize": 1}, {"form": "steps"}], ids=str)  # fmt: skip
    def test_changed_later(self, wrong: dict[str, Any], before: int, fused: bool | None) -> None:
        x, y = _parameter([1.0]), _parameter([1.0])
        optimizer = lt.HeavyBall([{"params": [x]}, {"params": [y]}], fused=fused)
        for one in (x, y):
            one.grad = torch.ones(1)
        for _ in range(before):
            optimizer.step()
        kept, state = (x.item(), y.item()), optimizer.state_dict()
        usual = {name: optimizer.param_groups[1][name] for name in wrong}
        optimizer.param_groups[1].update(wrong)
        for _ in range(2):
            with pytest.raises(SettingError, match="allowed"):
                optimizer.step()
        assert (x.item(), y.item()) == kept
        assert len(optimizer.state) == len(state["state"])
        optimizer.param_groups[1].update(usual)
        for key, slots in optimizer.state_dict()["state"].items():
            assert all(torch.equal(value, state["state"][key][name]) for name, value in slots.items())
        optimizer.step()
        assert [group["steps"] for group in optimizer.param_groups] == [before + 1] * 2
        assert (x.item(), y.item()) != kept

    def test_misspelt(self) -> None:
        with pytest.raises(SettingError, match=r"momentun.*momentum"):
            lt.HeavyBall([{"params": [_parameter([1.0])], "momentun": 0.5}])

    @pytest.mark.parametrize("wrong", WRONG, ids=str)
    def test_there(self, wrong: dict[str, float]) -> None:
        try:
            torch.optim.SGD([_parameter([1.0])], **wrong)
        except ValueError:
            still(False)


# --- 9: settings rounded to the parameters' dtype ---------------------------------------------------------------------


class TestSettingsKeepTheirPrecision:
    """optax.inject_hyperparams makes a momentum of 0.9 one of 0.8984 for bfloat16 parameters (optax#1414)."""

    def test_here(self) -> None:
        for fused in (None, False):
            for rate in (0.1, torch.tensor(0.1, dtype=torch.float64)):
                x = _parameter([0.0], torch.bfloat16)
                optimizer = lt.HeavyBall([x], rate, 0.9, fused=fused)
                velocity = torch.zeros(())
                for _ in range(4):
                    x.grad = torch.ones_like(x)
                    optimizer.step()
                    velocity = torch.tensor(0.9) * velocity + torch.tensor(0.1) * torch.tensor(1.0)  # in float32
                assert optimizer.param_groups[0]["momentum"] == 0.9
                assert optimizer.state[x]["velocity"].item() == velocity.item()

    def test_there(self) -> None:
        optax = pytest.importorskip("optax", reason="optax is not installed")
        jnp = pytest.importorskip("jax").numpy
        state = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9).init(jnp.zeros(1, jnp.bfloat16))
        momentum = float(state.hyperparams["momentum"])
        if momentum == pytest.approx(0.9, abs=1e-6):  # at the first update, where not yet at the start
            _, state = optax.inject_hyperparams(optax.sgd)(0.1, momentum=0.9).update(
                jnp.ones(1, jnp.bfloat16), state, jnp.zeros(1, jnp.bfloat16)
            )
            momentum = float(state.hyperparams["momentum"])
        still(abs(momentum - 0.9) > 1e-3, "optax")


# --- 11: settings that do nothing -------------------------------------------------------------------------------------


class TestEverySettingCounts:
    """bitsandbytes' SGD takes ``nesterov`` and ``dampening`` and does nothing with them."""

    def _end(self, make: Any) -> float:
        x = _parameter([1.0])
        optimizer = make([x])
        for _ in range(3):
            x.grad = x.detach().clone()
            optimizer.step()
        return float(x.item())

    def test_here(self) -> None:
        settings: list[dict[str, Any]] = [
            {}, {"nesterov": True}, {"dampening": 0.5}, {"weight_decay": 0.1}, {"maximize": True}, {"momentum": 0.8},
        ]  # fmt: skip
        found = [self._end(lambda p, one=one: lt.SGD(p, 0.1, **({"momentum": 0.9} | one))) for one in settings]
        assert len(set(found)) == len(found)

    def test_there(self) -> None:
        bitsandbytes = pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
        make = bitsandbytes.optim.SGD
        plain, ahead = (self._end(lambda p, n=n: make(p, 0.1, momentum=0.9, nesterov=n)) for n in (False, True))
        still(plain == ahead, "bitsandbytes")


# --- 12: torch.compile compiles anew when lr changes ------------------------------------------------------------------


class TestCompiledOnce:
    """pytorch#107076, #120934, #163093."""

    RATES = (0.1, 0.1, 0.05, 0.02, 0.01)  # a buffer that is there at the second step only may need another program

    def _compiled(self, make: Any) -> tuple[int, Any]:
        from torch._dynamo.testing import CompileCounter

        torch._dynamo.reset()
        counter = CompileCounter()
        x = _parameter([1.0, 2.0])
        optimizer = make([x])

        @torch.compile(backend=counter)
        def train() -> None:
            optimizer.zero_grad()
            (x**2).sum().backward()
            optimizer.step()

        counts = []
        for rate in self.RATES:
            optimizer.param_groups[0]["lr"] = rate
            train()
            counts.append(counter.frame_count)
        torch._dynamo.reset()
        return counts[-1] - counts[1], x.detach()

    def test_here(self) -> None:
        for make in (lt.HeavyBall, lt.SGD, lambda p: lt.Adam(p, fused=False)):
            anew, found = self._compiled(make)
            assert anew == 0
            plain = _parameter([1.0, 2.0])
            optimizer = make([plain])
            for rate in self.RATES:
                optimizer.param_groups[0]["lr"] = rate
                plain.grad = 2.0 * plain.detach()
                optimizer.step()
            assert torch.equal(found, plain.detach())

    @pytest.mark.filterwarnings("ignore")
    def test_there(self) -> None:
        still(self._compiled(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9))[0] > 0)


# --- 13: schedulers ---------------------------------------------------------------------------------------------------


class TestSchedulers:
    """A changed rate means one thing in "velocity", another in "step": peers do not say so. Here it is written down."""

    @pytest.mark.parametrize(("form", "end"), [("velocity", -9.69), ("step", -5.21)])
    def test_here(self, form: str, end: float) -> None:
        for fused in (None, False):
            x = _parameter([0.0], torch.float64)
            optimizer = lt.HeavyBall([x], 0.1, 0.9, form=form, fused=fused)
            scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
            for _ in range(50):
                x.grad = torch.ones(1, dtype=torch.float64)
                optimizer.step()
                scheduler.step()
            assert x.item() == pytest.approx(end, abs=0.005)

    def test_the_docs_say_it(self) -> None:
        told = " ".join(str(lt.Optimizer.__doc__).split())
        assert 'with ``form="velocity"`` (v ← βv + αg) it scales what enters the velocity from now on' in told
        assert "changes the pace at once" in told

    @each_class
    def test_a_scheduler_that_is_stepped_first_is_noticed(self, info: Any) -> None:
        x = _parameter([1.0])
        scheduler = torch.optim.lr_scheduler.ExponentialLR(info.optim_cls([x]), 0.9)
        with pytest.warns(UserWarning, match=r"before `optimizer\.step"):
            scheduler.step()
