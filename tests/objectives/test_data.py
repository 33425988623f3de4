"""Models on tables: exact gradients, honest batches, useful reports."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from layda.errors import (
    ComputationError,
)
from layda.objectives.data import BUNDLED, DataObjective, data_objective, is_table_path, read_table
from layda.objectives.data.models import LOSSES

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
pytest.importorskip("sklearn")

WINE = Path(__file__).resolve().parents[2] / "examples" / "wine.csv"
FITTING = {
    "breast_cancer": ("logistic", "softmax", "network"),
    "digits": ("softmax", "network"),
    "wine": ("softmax", "network"),
    "iris": ("softmax", "network"),
    "diabetes": ("linear", "network"),
}
EVERY = [(name, model) for name, models in FITTING.items() for model in models]
every_model = pytest.mark.parametrize(("name", "model"), EVERY)
convex_models = pytest.mark.parametrize(("name", "model"), [pair for pair in EVERY if pair[1] != "network"])


def somewhere(objective: DataObjective, seed: int = 3, scale: float = 0.3) -> np.ndarray:
    return np.array(objective.start) + scale * np.random.default_rng(seed).normal(size=objective.dimension)


def written(folder: Path, text: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# The mathematics


def test_every_bundled_table_is_tested() -> None:
    assert set(FITTING) == set(BUNDLED)


@every_model
def test_the_gradient_is_that_of_central_differences(name: str, model: str) -> None:
    objective = data_objective(name, model=model, l2=0.01, hidden=5)
    x = somewhere(objective)
    slope = objective.value_and_gradient(x)[1]
    generator = np.random.default_rng(0)
    few = generator.permutation(objective.dimension)[:40]
    directions = [np.eye(objective.dimension)[index] for index in few]
    directions += [way / np.linalg.norm(way) for way in generator.normal(size=(3, objective.dimension))]
    h = 1e-5
    for way in directions:
        by_differences = (objective.value(x + h * way) - objective.value(x - h * way)) / (2 * h)
        assert abs(by_differences - slope @ way) <= 2e-9 * max(1.0, float(np.max(np.abs(slope))))


@convex_models
def test_the_hessian_is_that_of_differences_of_the_gradient(name: str, model: str) -> None:
    objective = data_objective(name, model=model)
    x = somewhere(objective)
    exact = objective.hessian(x)
    assert np.array_equal(exact, exact.T)
    for index in np.random.default_rng(0).permutation(objective.dimension)[:10]:
        way = 1e-5 * np.eye(objective.dimension)[index]
        column = (objective.value_and_gradient(x + way)[1] - objective.value_and_gradient(x - way)[1]) / 2e-5
        np.testing.assert_allclose(exact[:, index], column, atol=3e-9)


def test_the_linear_model_is_ridge_regression() -> None:
    objective = data_objective("diabetes", l2=0.1)
    rows, count = objective.rows, len(objective.targets)
    whole = np.c_[rows, np.ones(count)]
    penalty = 0.1 * np.diag([1.0] * rows.shape[1] + [0.0])
    exact = np.linalg.solve(whole.T @ whole / count + penalty, whole.T @ objective.targets / count)
    np.testing.assert_allclose(objective.reference[0], exact, atol=1e-12)


def test_the_intercepts_are_not_penalised() -> None:
    for model in ("softmax", "network"):
        light, heavy = (data_objective("iris", model=model, l2=l2) for l2 in (0.0, 1.0))
        x = somewhere(light)
        extra = heavy.value_and_gradient(x)[1] - light.value_and_gradient(x)[1]
        free = np.array([name.startswith(("b[", "c[")) for name in light.coordinates])
        np.testing.assert_allclose(extra[free], 0.0, atol=1e-15)
        np.testing.assert_allclose(extra[~free], x[~free], atol=1e-14)
        weights = x[~free]
        assert heavy.value(x) - light.value(x) == pytest.approx(0.5 * weights @ weights, rel=1e-12)


def test_softmax_of_two_classes_is_the_logistic_loss_of_the_difference() -> None:
    scores = np.random.default_rng(1).normal(size=(50, 2)) * 20
    y = (np.arange(50) % 2).astype(float)
    both = LOSSES["softmax"].mean(scores, y)
    one = LOSSES["logistic"].mean((scores[:, 1] - scores[:, 0])[:, None], y)
    assert both[0] == pytest.approx(one[0], rel=1e-13)
    np.testing.assert_allclose(both[1][:, 1], one[1][:, 0], rtol=1e-11)


@pytest.mark.parametrize("name", ["logistic", "softmax"])
@pytest.mark.parametrize("size", [30.0, 800.0, 1e6])
def test_large_scores_neither_overflow_nor_lose_the_small_loss(name: str, size: float) -> None:
    scores = np.array([[size], [-size]]) if name == "logistic" else np.array([[0.0, size], [size, 0.0]])
    right, slope = LOSSES[name].mean(scores, np.array([1.0, 0.0]))
    assert right == pytest.approx(np.log1p(np.exp(-size)), rel=1e-3)
    assert abs(slope).max() == pytest.approx(0.5 * np.exp(-size), rel=1e-12)
    wrong, slope = LOSSES[name].mean(scores, np.array([0.0, 1.0]))
    assert wrong == pytest.approx(size)
    assert abs(slope).max() == pytest.approx(0.5)


@every_model
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
def test_bad_positions_give_ieee_numbers_and_never_exceptions(name: str, model: str, bad: float) -> None:
    objective = data_objective(name, model=model, batch=32)
    x = np.full(objective.dimension, bad)
    value, slope = objective.value_and_gradient(x)
    assert isinstance(value, float)
    assert slope.shape == objective.step_gradient(x, 1).shape == (objective.dimension,)
    assert set(objective.report(x)) == set(objective.report(np.array(objective.start)))


# The lowest loss


@convex_models
def test_the_lowest_training_loss_has_no_slope_and_nothing_is_below(name: str, model: str) -> None:
    objective = data_objective(name, model=model)
    assert objective.convex
    place, lowest = objective.reference
    assert objective.reference_value() == lowest == objective.value(place)
    assert np.max(np.abs(objective.value_and_gradient(place)[1])) <= 1e-10
    assert lowest < objective.value(np.array(objective.start))
    for seed in range(5):
        assert objective.value(place + somewhere(objective, seed, 1e-3) - np.array(objective.start)) > lowest


def test_the_network_has_no_known_lowest_loss() -> None:
    objective = data_objective("iris", model="network")
    assert not objective.convex
    with pytest.raises(ComputationError, match="iris with the model network has no known lowest loss"):
        objective.reference_value()


def test_classes_that_can_be_parted_without_a_penalty_have_a_loss_near_0() -> None:
    assert 0.0 <= data_objective("breast_cancer", l2=0).reference_value() < 1e-6


# The report


@pytest.mark.parametrize(
    ("name", "least"), [("breast_cancer", 0.9), ("digits", 0.95), ("wine", 0.9), ("iris", 0.9), ("diabetes", 0.3)]
)
def test_the_report_at_the_minimum_is_good(name: str, least: float) -> None:
    objective = data_objective(name)
    found = objective.report(objective.reference[0])
    score = "R²" if name == "diabetes" else "accuracy"
    assert list(found) == ["training loss", "held-out loss", f"training {score}", f"held-out {score}"]
    assert least <= found[f"held-out {score}"] <= 1.0
    assert found["training loss"] < objective.reference_value()


def test_zeros_answer_the_mean() -> None:
    found = data_objective("diabetes").report(np.zeros(11))
    assert found["training loss"] == pytest.approx(0.5)
    assert found["training R²"] == pytest.approx(0.0, abs=1e-12)


def test_without_held_out_rows_only_the_training_is_reported() -> None:
    objective = data_objective("iris", held_out=0)
    assert list(objective.report(np.zeros(15))) == ["training loss", "training accuracy"]
    assert len(objective.rows) == 150


def test_every_class_is_held_out_alike_and_nothing_is_in_both_parts() -> None:
    objective = data_objective("iris", held_out=0.2)
    assert np.bincount(objective.targets.astype(int)).tolist() == [40, 40, 40]
    assert np.bincount(objective.held_out_targets.astype(int)).tolist() == [10, 10, 10]
    assert not np.array_equal(data_objective("iris", seed=1).held_out_rows, objective.held_out_rows)


def test_standardisation_knows_the_training_part_only(tmp_path: Path) -> None:
    objective = data_objective("wine")
    np.testing.assert_allclose(objective.rows.mean(axis=0), 0.0, atol=1e-14)
    np.testing.assert_allclose(objective.rows.std(axis=0), 1.0, atol=1e-14)
    assert np.max(np.abs(objective.held_out_rows.mean(axis=0))) > 0.01


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1e307])
def test_features_of_any_size_are_standardised_alike(tmp_path: Path, scale: float) -> None:
    lines = [f"{(row % 5 + 1) * scale!r},{row % 2}" for row in range(20)]
    objective = data_objective(written(tmp_path, "\n".join(["a,y", *lines])), target="y", held_out=0)
    expected = np.arange(20) % 5 - 2.0
    np.testing.assert_allclose(objective.rows[:, 0], expected / np.sqrt(2.0), atol=1e-14)


def test_constant_columns_are_0_and_named(tmp_path: Path) -> None:
    lines = [f"{row},0.1,{'yes' if row % 3 else 'no'}" for row in range(30)]
    objective = data_objective(written(tmp_path, "\n".join(["a,same,y", *lines])), target="y")
    assert not objective.rows[:, 1].any()
    assert not objective.held_out_rows[:, 1].any()
    assert objective.notes == ("1 of the features do not vary in the training part and are set to 0: same",)


# Batches


@every_model
@pytest.mark.parametrize("batch", [1, 50, 64])
def test_an_epoch_sees_every_row_once_and_averages_to_the_whole(name: str, model: str, batch: int) -> None:
    objective = data_objective(name, model=model, batch=batch, hidden=3)
    count, steps = len(objective.targets), objective.steps_per_epoch
    assert objective.stochastic
    assert steps == int(np.ceil(count / batch))
    x = somewhere(objective)
    for epoch in (0, 2):
        chosen = [objective.batch_rows(epoch * steps + place) for place in range(steps)]
        assert sorted(np.concatenate(chosen).tolist()) == list(range(count))
        slopes = [objective.step_gradient(x, epoch * steps + place) for place in range(steps)]
        mean = sum(len(rows) / count * slope for rows, slope in zip(chosen, slopes, strict=True))
        np.testing.assert_allclose(mean, objective.value_and_gradient(x)[1], atol=1e-12)


def test_epochs_differ_and_seeds_repeat() -> None:
    one, same = data_objective("wine", batch=20), data_objective("wine", batch=20)
    other = data_objective("wine", batch=20, seed=1)
    steps = one.steps_per_epoch
    for step in range(2 * steps):
        assert np.array_equal(one.batch_rows(step), same.batch_rows(step))
    assert not np.array_equal(one.batch_rows(0), one.batch_rows(steps))
    assert not np.array_equal(one.batch_rows(0), other.batch_rows(0))
    assert one.notes[0] == "mini-batches of 20 of 142 rows: 8 steps are an epoch; values are of all rows"


@every_model
def test_without_batches_a_step_sees_exactly_the_whole(name: str, model: str) -> None:
    for batch in (None, len(data_objective(name).targets)):
        objective = data_objective(name, model=model, batch=batch)
        x = somewhere(objective)
        assert (objective.stochastic, objective.steps_per_epoch) == (False, 1)
        assert np.array_equal(objective.step_gradient(x, 7), objective.value_and_gradient(x)[1])


# What an objective says of itself


def test_names_start_and_box() -> None:
    logistic, soft = data_objective("breast_cancer"), data_objective("wine")
    assert logistic.coordinates[0] == "w[mean radius]"
    assert logistic.equation == "mean(log(1 + eˢ) − y·s) + (0.001/2)·|w|², s = x·w + b, y = 1 for benign"
    assert soft.coordinates[:2] == ("w[alcohol, class_0]", "w[alcohol, class_1]")
    assert soft.coordinates[-1] == "b[class_2]"
    assert soft.description == "softmax regression of cultivar by 13 features; 142 rows to fit, 36 held out"
    assert set(soft.start) == {0.0}
    network = data_objective("wine", model="network", hidden=4)
    assert network.coordinates[0] == "v[alcohol, h1]"
    assert network.coordinates[13 * 4 : 13 * 4 + 5] == ("c[h1]", "c[h2]", "c[h3]", "c[h4]", "w[h1, class_0]")
    assert network.start == data_objective("wine", model="network", hidden=4).start
    assert network.start != data_objective("wine", model="network", hidden=4, seed=1).start
    for objective in (logistic, soft, network):
        assert len(set(objective.coordinates)) == len(objective.box) == len(objective.start) == objective.dimension
        assert set(objective.box) == {(-1.0, 1.0)}


@every_model
def test_settings_are_plain_and_rebuild_the_objective(name: str, model: str) -> None:
    objective = data_objective(name, model=model, batch=30, l2=0.25, seed=4, held_out=0.1)
    settings = json.loads(json.dumps(objective.settings()))
    digest = settings.pop("digest")
    again = data_objective(**settings)
    assert again == objective
    assert hash(again) == hash(objective)
    assert (again.identity, again.digest, again.start) == (objective.identity, digest, objective.start)
    assert again != data_objective(**{**settings, "l2": 0.5})
    assert pickle.loads(pickle.dumps(objective)) == objective


def test_the_own_csv_is_the_bundled_table() -> None:
    own, bundled = data_objective(WINE, target="cultivar"), data_objective("wine")
    assert own.name == "wine.csv"
    assert np.array_equal(own.rows, bundled.rows)
    assert np.array_equal(own.targets, bundled.targets)
    assert own.coordinates[0] == "w[alcohol, cultivar 1]"
    assert data_objective(**{key: value for key, value in own.settings().items() if key != "digest"}) == own


@pytest.mark.parametrize("target", ["cultivar", "alcohol", "round", "whole"])
def test_csv_and_parquet_of_one_table_give_equal_objectives(tmp_path: Path, target: str) -> None:
    import pandas

    frame = pandas.read_csv(WINE).assign(round=np.arange(178) % 2 == 0, whole=np.arange(178) % 5)
    if target != "cultivar":
        del frame["cultivar"]
    frame["long"] = np.random.default_rng(0).normal(size=178) * 1e-20
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.TSV", index=False, sep="\t", lineterminator="\r\n", encoding="utf-8-sig")
    frame.to_csv(tmp_path / "c.csv", index=False, sep=";")
    frame.set_index(np.arange(3, 181)[::-1]).to_parquet(tmp_path / "d.parquet")
    frame.astype({target: "category"}).to_parquet(tmp_path / "e.PQ")
    first, *others = (data_objective(path, target=target) for path in sorted(tmp_path.iterdir()))
    assert first.settings()["model"] == {"cultivar": "softmax", "alcohol": "linear", "round": "logistic"}.get(
        target, "softmax"
    )
    for other in others:
        assert other == first
        assert other.coordinates == first.coordinates
        assert np.array_equal(other.rows, first.rows)
        assert np.array_equal(other.targets, first.targets)
        assert np.array_equal(other.held_out_rows, first.held_out_rows)


def test_changed_values_names_and_classes_change_the_digest(tmp_path: Path) -> None:
    text = "a,b,y\n1,2,p\n3,4,q\n5,6,p\n7,8,q\n"
    changes = [text, text.replace("8", "9"), text.replace("a,b", "ab,c"), text.replace("q", "r")]
    assert len({read_table(written(tmp_path, change), "y").digest for change in changes}) == 4


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ("red blue", ("blue", "red")),
        ("2 10 3", ("2", "3", "10")),
        ("1.0 0.0", ("0", "1")),
        ("True False", ("False", "True")),
        ("0.5 1.5", None),
        (" ".join(str(number) for number in range(20)), tuple(str(number) for number in range(20))),
        (" ".join(str(number) for number in range(21)), None),
    ],
)
def test_what_is_taken_as_classes(tmp_path: Path, values: str, classes: tuple[str, ...] | None) -> None:
    cycle = values.split() * 3
    lines = [f"{row},{value}" for row, value in enumerate(cycle)]
    table = read_table(written(tmp_path, "\n".join(["a,y", *lines])), "y")
    assert table.classes == classes
    if classes is not None:
        assert [classes[int(number)] for number in table.target][:2] == [v.removesuffix(".0") for v in cycle[:2]]


def test_the_task_can_be_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n" + "".join(f"{row},{row % 3}\n" for row in range(12)))
    assert data_objective(path, target="y").settings()["model"] == "softmax"
    assert data_objective(path, target="y", task="regression").settings()["model"] == "linear"
    assert data_objective(path, target="y", model="linear", task="regression").dimension == 2


def test_a_table_of_four_rows_is_enough(tmp_path: Path) -> None:
    for text in ("a,y\n1,p\n2,q\n3,p\n4,q\n", "a,y\n1,1.5\n2,2.5\n3,3.5\n4,4.5\n"):
        for share in (0.0, 0.5, 0.9):
            objective = data_objective(written(tmp_path, text), target="y", held_out=share)
            assert np.isfinite(objective.reference_value())
            assert objective.report(np.zeros(2))


def test_table_paths() -> None:
    assert all(is_table_path(text) for text in ("a.csv", "A.CSV", "b/c.Tsv", "x.parquet", "C:\\t\\x.PQ", " a.csv "))
    assert not any(is_table_path(text) for text in ("x^2", "wine", "a.csv.gz", "a.xlsx", "csv", ""))


# Bad files. A good table, and what becomes of it
