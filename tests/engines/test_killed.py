"""Killed processes: a worker's death changes no table, a driver's death leaves nothing to see (L7)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apportion.pipeline import run
from apportion.pipeline.run import Quiet
from apportion.project import Project
from apportion.warehouse.choice import EngineChoice
from tests.engines.clusters import Cluster
from tests.engines.twins import AT, Way, copied, published, read, same

CASE = Path(__file__).resolve().parent.parent / "golden" / "unit_costs"

# A run in a process of its own, which ends between two stages as if the machine had lost its power.
_DRIVER = """
import os, signal, sys
from pathlib import Path
from pyspark.sql import SparkSession
from apportion.pipeline import run
from apportion.pipeline.run import Quiet
from apportion.project import Project
from apportion.warehouse.choice import EngineChoice

class Killed(Quiet):
    def stage(self, name):
        if name == "attribute":
            os.kill(os.getpid(), signal.SIGKILL)

builder = SparkSession.builder.master(sys.argv[2]).config("spark.cores.max", "1")
builder.config("spark.driver.host", "127.0.0.1").config("spark.executor.memory", "512m").getOrCreate()
run(Project.open(Path(sys.argv[1])), on=EngineChoice("spark", "256MB", sys.argv[2], 0), progress=Killed())
"""


class _AtStage(Quiet):
    """Does something when a stage begins."""

    def __init__(self, name: str, what: object) -> None:
        self._name, self._what = name, what

    def stage(self, name: str) -> None:
        if name == self._name:
            self._what()  # type: ignore[operator]


@pytest.fixture
def spare(servers: Cluster | None) -> Cluster:
    """The cluster, which gets a new worker for the one that the test kills."""
    if servers is None:
        pytest.skip("Spark in process has no workers to kill")
    return servers


@pytest.mark.parametrize("stage", ["attribute", "post"])
def test_l7_a_worker_that_dies_changes_nothing(stage: str, way: Way, spare: Cluster, tmp_path: Path) -> None:
    one, two = (copied(CASE, tmp_path / name / "project") for name in ("duckdb", "spark"))

    def kill() -> None:
        os.killpg(spare.workers[-1].pid, signal.SIGKILL)

    on = EngineChoice("spark", "256MB", way.master, 0)
    outcome = run(Project.open(two), on=on, now=lambda: AT, progress=_AtStage(stage, kill))
    spare.add_worker()
    same(published(one), read(Project.open(two), outcome))


def test_l7_a_driver_that_dies_leaves_nothing_to_see(way: Way, spare: Cluster, tmp_path: Path) -> None:
    if way.mode == "connect":
        pytest.skip("the driver of a Connect server is not this process")
    folder = copied(CASE, tmp_path / "project")
    spare.add_worker()
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(folder), spare.url],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    project = Project.open(folder)
    with project.books() as books, books.reading() as reading:
        assert reading.periods() == []
        assert [one.status for one in reading.history()] == ["running"]
    staged = list(project.state.glob("staging-*"))
    assert staged, "the run died before it had begun"
    same(published(copied(CASE, tmp_path / "twin" / "project")), way.run(folder, number=3, far=True))
    assert not list(project.state.glob("staging-*"))
    with project.books() as books, books.reading() as reading:
        assert {one.status for one in reading.history()} == {"failed", "done"}
