"""The stopping test "it goes down no further": who is stopped and who is not."""

from __future__ import annotations

import numpy as np

import layda
from layda.measures import distance_to_go, settled
from layda.rules import GradientDescent, HeavyBall


def test_a_ball_that_crosses_a_valley_floor_is_not_stopped() -> None:
    """At the floor the gradient is tiny but the ball is fast."""
    assert not settled(0.5, 0.5, 1e-12, 0.5, 3.0, 1e-6)
    run = layda.descend("x^2/2", HeavyBall(0.01, 0.99), start=1.0, steps=20_000, check_every=2)
    assert run.verdict.kind == "converged"
    assert run.steps > 1000


def test_a_ball_at_a_turning_point_is_not_stopped() -> None:
    """There it hardly moves but has far to go."""
    assert not settled(1e-9, 1e-9, 1.0, 1e-9, 3.0, 1e-6)


def test_a_far_start_on_a_quartic_makes_no_gradient_look_small() -> None:
    run = layda.descend("x^4", GradientDescent(1e-9), start=1000.0, steps=5000)
    assert run.verdict.kind in ("crawling", "unfinished")
    assert run.steps == 5000


def test_a_tolerance_of_zero_never_stops_early() -> None:
    run = layda.descend("x^2", GradientDescent(0.5), start=1.0, steps=300, tolerance=0)
    assert run.steps == 300
    assert run.position[0] == 0.0
    assert run.verdict.kind == "converged"


def test_it_is_asked_every_so_many_steps() -> None:
    for every in (2, 7, 10, 64):
        run = layda.descend("x^2", GradientDescent(0.2), start=1.0, steps=1000, check_every=every)
        assert run.steps % every == 0
        assert run.verdict.kind == "converged"


def test_the_distance_to_go_is_the_secants() -> None:
    assert distance_to_go(2.0, 0.5, 1.0) == 1.0
    assert distance_to_go(0.0, 0.0, 0.0) == 0.0
    assert distance_to_go(1.0, 0.0, 0.0) == np.inf
