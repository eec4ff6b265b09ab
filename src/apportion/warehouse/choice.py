"""Which engine a run works on, and how it is opened."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apportion.errors import ApportionError
from apportion.warehouse.duckdb_engine import DuckDBEngine
from apportion.warehouse.engine import Engine
from apportion.warehouse.exchange import Exchange
from apportion.warehouse.storage import ObjectStorage, Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MEMORY_LIMIT = "700MB"
_REMOTE = "sc://"
_LOCAL = "local"
_ADDRESS = re.compile(r"(?P<kind>spark|sc)://(?P<host>[^:/;,]+)(?::(?P<port>\d+))?")
_PORTS = {"spark": 7077, "sc": 15002}
_PATIENCE_SECONDS = 10
_SESSION = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    # What Spark generates for a wide table is one method, and Java leaves methods of more than 8,000 bytes interpreted.
    "spark.driver.defaultJavaOptions": "-XX:-DontCompileHugeMethods",
    "spark.executor.defaultJavaOptions": "-XX:-DontCompileHugeMethods",
}


@dataclass(frozen=True)
class EngineChoice:
    """What the command line or a caller says of the engine.

    Attributes:
        kind: duckdb or spark.
        memory_limit: What DuckDB may hold in memory, as it spells it.
        master: For Spark: `local[4]`, `spark://host:7077`, `yarn`, or `sc://host:15002` for Spark Connect.
        desk_rows: For Spark: the most rows of a result that are read back to the driver; None leaves its default.
    """

    kind: str = "duckdb"
    memory_limit: str = MEMORY_LIMIT
    master: str = "local[*]"
    desk_rows: int | None = None

    @contextmanager
    def open(self, scratch: Path, storage: Storage) -> Iterator[Engine]:
        """The engine, until the run has ended.

        Args:
            scratch: A folder for as long as it works.
            storage: Where published files lie. Workers of a cluster see files of the run there too, if it is an object
                store; else they see the same folders as this process.

        Raises:
            ApportionError: Spark is asked for and is not installed, or its master does not answer.
        """
        with DuckDBEngine(scratch, memory_limit=self.memory_limit) as desk:
            if self.kind == "duckdb":
                yield desk
                return
            _answers(self.master)
            try:
                from apportion.warehouse.spark_engine import DESK_ROWS, SparkEngine
            except ImportError as error:
                raise ApportionError(
                    "spark-missing",
                    f"The Spark engine is not installed: {error}.",
                    cure="pip install 'apportion[spark]'",
                ) from error
            rows = DESK_ROWS if self.desk_rows is None else self.desk_rows
            with ExitStack() as stack:
                exchange = None
                if isinstance(storage, ObjectStorage) and not self.master.startswith(_LOCAL):
                    exchange = stack.enter_context(closing(Exchange(storage, scratch)))
                spark = _session(self.master)
                yield stack.enter_context(
                    closing(SparkEngine(spark, desk, scratch / "cluster", exchange, desk_rows=rows))
                )


def _answers(master: str) -> None:
    """Ask a server whether it is there: Spark itself would wait for minutes.

    Raises:
        ApportionError: It is not.
    """
    found = _ADDRESS.match(master)
    if not found:
        return
    try:
        with socket.create_connection((found["host"], int(found["port"] or _PORTS[found["kind"]])), _PATIENCE_SECONDS):
            pass
    except OSError as error:
        raise ApportionError(
            "spark-unreachable",
            f"Spark does not answer at {master}: {error}.",
            cure="Start it, or correct --master; --engine duckdb gives the same tables on this machine.",
            retry=True,
        ) from error


def _session(master: str) -> SparkSession:
    """A session on a master; one that this process has already is used again."""
    from pyspark.sql import SparkSession

    # The workers run the Python that runs this, unless the user names another.
    if master.startswith(_LOCAL):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    if master.startswith(_REMOTE):
        return builder.remote(master).getOrCreate()
    made = builder.master(master).appName("apportion")
    for setting, value in _SESSION.items():
        made = made.config(setting, value)
    return made.getOrCreate()
