"""The engine that is tested, by the environment: `APPORTION_TEST_ENGINE` is local, cluster or connect."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.engines.clusters import HOST, JAVA, Cluster, cluster
from tests.engines.stores import s3
from tests.engines.twins import EVERY_FAR, MODE, MODES, Way

_ZONES = {"local": "America/St_Johns", "cluster": "Asia/Kolkata", "connect": "UTC"}
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.bindAddress": HOST,
    "spark.driver.host": HOST,
    "spark.executor.memory": "512m",
    # What another program's worker has is left to it.
    "spark.cores.max": "2",
    "spark.sql.shuffle.partitions": "2",
    # A thousand small queries: what is compiled for each would take longer than to run it.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.defaultJavaOptions": JAVA,
    "spark.executor.defaultJavaOptions": JAVA,
}


@pytest.fixture(scope="session")
def mode() -> str:
    """Which of the three ways is tested."""
    assert MODE in MODES, MODE
    return MODE


def pytest_report_header() -> str:
    """What runs, and what else there is."""
    share = "all of them" if EVERY_FAR else "some of them; APPORTION_TEST_CASES=far for all"
    return f"Spark, {MODE}: every case, with every table on the cluster {share}"


@pytest.fixture(scope="session")
def stack() -> Iterator[ExitStack]:
    """Ends every server when the tests have ended."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def credentials(stack: ExitStack) -> Mapping[str, str]:
    """Those of an S3, with its address."""
    return stack.enter_context(s3())


@pytest.fixture(scope="session")
def servers(
    mode: str, stack: ExitStack, credentials: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Cluster | None:
    """The cluster, unless Spark works in this process."""
    if mode == "local":
        return None
    return stack.enter_context(cluster(tmp_path_factory.mktemp("cluster"), credentials))


@pytest.fixture(scope="session")
def way(mode: str, servers: Cluster | None, stack: ExitStack) -> Way:
    """The session, made once: the product finds it again by its master."""
    from pyspark.sql import SparkSession

    zone = _ZONES[mode]
    os.environ["PYSPARK_PYTHON"] = sys.executable
    if servers is None:
        master = "local[2]"
    elif mode == "cluster":
        master = servers.url
        os.environ.update(servers.environment)
    else:
        master = servers.connect(zone, _SETTINGS)
    builder = SparkSession.builder
    if mode == "connect":
        spark = builder.remote(master).getOrCreate()
    else:
        for setting, value in {**_SETTINGS, "spark.driver.extraJavaOptions": f"-Duser.timezone={zone}"}.items():
            builder = builder.config(setting, value)
        spark = builder.master(master).getOrCreate()
    stack.callback(spark.stop)
    return Way(mode, master, spark)
