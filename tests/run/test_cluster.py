"""A sweep on a Dask cluster of processes: the same bytes, also when workers die; what fails for good is listed."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from layda.errors import ComputationError
from layda.run.sweep import sweep
from tests.run.test_sweep import _GRID as GRID
from tests.run.test_sweep import _digest as digest

pytest.importorskip("xarray")
pytest.importorskip("zarr")
# A cluster's own warnings (busy ports, workers that were killed) are not ours.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep") / "map.zarr"
    sweep("himmelblau", "heavy-ball", out=out, per_tile=100, **GRID)
    return out


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1",
        ) as workers,
        distributed.Client(workers) as client,
    ):  # fmt: skip
        yield workers, client


def test_dask_processes_write_the_same_bytes(store, tmp_path, cluster):
    sweep("himmelblau", "heavy-ball", out=tmp_path / "dask.zarr", per_tile=100, client=cluster[1], **GRID)
    assert digest(tmp_path / "dask.zarr") == digest(store)


def test_a_worker_that_dies_costs_nothing(store, tmp_path, cluster):
    workers, client = cluster
    victim = next(iter(workers.workers.values()))
    pid = client.run(os.getpid, workers=[victim.worker_address])[victim.worker_address]
    timer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    timer.start()
    sweep("himmelblau", "heavy-ball", out=tmp_path / "died.zarr", per_tile=100, client=client, **GRID)
    timer.join()
    assert digest(tmp_path / "died.zarr") == digest(store)


def test_tiles_that_fail_for_good_are_listed(tmp_path, cluster, monkeypatch):
    module = sys.modules["layda.run.sweep"]  # layda.run.sweep is the function of that name

    def broken(plan, tile):
        if tile in (2, 5):
            raise RuntimeError("a tile that cannot be computed")
        return plan.compute(tile, threads=1)

    monkeypatch.setattr(module, "_compute", broken)
    with pytest.raises(ComputationError, match=r"2 of 24 tiles failed: 2, 5 .*resume"):
        sweep("himmelblau", "heavy-ball", out=tmp_path / "failed.zarr", per_tile=100, client=cluster[1], **GRID)
    monkeypatch.undo()
    sweep("himmelblau", "heavy-ball", out=tmp_path / "failed.zarr", per_tile=100, resume=True, **GRID)
