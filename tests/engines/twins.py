"""One project run on both engines, and what each published as sorted text: equal, or the first difference is shown."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pickle
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from apportion.pipeline import Outcome, run
from apportion.project import Project
from apportion.warehouse.choice import EngineChoice
from apportion.warehouse.tables import canonical

MODES = ("local", "cluster", "connect")
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns")
TABLES = (
    "usage_cells", "pools", "claims", "allocated_charges", "invoices", "charges", "allocation_steps", "quarantine",
)  # fmt: skip
# By the last digit of a case's number: most have as many as there are workers.
_PARTITIONS = {1: "64", 2: "1"}
AT = datetime(2026, 12, 1, 9, tzinfo=UTC)

# How the tests were started; the Makefile says it.
MODE = os.environ.get("APPORTION_TEST_ENGINE", "local")
EVERY_FAR = os.environ.get("APPORTION_TEST_CASES", "") == "far"
# What DuckDB makes of a case is worked out once for the processes that share this folder.
_SHARED = os.environ.get("APPORTION_TEST_TWINS")
# Of so many cases, the one whose turn it is.
_FAR = {"local": (8, 1), "cluster": (8, 3), "connect": (8, 6)}

Published = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Way:
    """How Spark is reached.

    Attributes:
        mode: One of `MODES`.
        master: As `--master` has it.
        spark: The session.
    """

    mode: str
    master: str
    spark: Any

    def run(self, folder: Path, *, number: int, far: bool) -> Published:
        """Run a project on Spark.

        Args:
            folder: Of the project.
            number: Turns the time zone of the process, and one partition into 64.
            far: Lay every table on the cluster, however small it is.
        """
        self.spark.conf.set("spark.sql.shuffle.partitions", _PARTITIONS.get(number % 10, "2"))
        # Plans that are made anew while they run, and plans that are not.
        self.spark.conf.set("spark.sql.adaptive.enabled", str(number % 3 == 0).lower())
        on = EngineChoice("spark", "256MB", self.master, 0 if far else None)
        with zone(ZONES[number % len(ZONES)]):
            return published(folder, on)


def far(number: int) -> bool:
    """Whether every table of a case lies on the cluster, however small.

    Each way has its own turn, so that three of eight cases are among them, unless `APPORTION_TEST_CASES` is `far`.
    """
    every, turn = _FAR[MODE]
    return EVERY_FAR or number % every == turn


def published(folder: Path, on: EngineChoice | None = None) -> Published:
    """Run a project and read back every table of every period, the journal and the problems."""
    project = Project.open(folder)
    return read(project, run(project, on=on, now=lambda: AT))


def by_duckdb(case: str, folder: Path) -> Published:
    """What DuckDB publishes of a case; its name tells it from every other."""
    if not _SHARED:
        return published(folder)
    place = Path(_SHARED) / case.replace("/", "-")
    with place.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept = file.read()
        if kept:
            found: Published = pickle.loads(kept)  # noqa: S301 - written by this very test run
            return found
        found = published(folder)
        file.write(pickle.dumps(found))
    return found


def read(project: Project, outcome: Outcome) -> Published:
    """Read back what a run published, and what it said."""
    found: dict[str, tuple[Any, ...]] = {"problems": tuple(str(problem) for problem in outcome.problems)}
    with project.books() as books, books.reading() as reading:
        for period in reading.periods():
            for table in TABLES:
                paths = [str(path) for path in reading.parts(period, table)]
                found[f"{period} {table}"] = rows(paths) if paths else ()
            found[f"{period} journal"] = tuple(sorted(str(booked.entry) for booked in reading.in_force(period)))
    return found


def rows(paths: list[str]) -> tuple[str, ...]:
    """The columns with their types, then every row, sorted."""
    with duckdb.connect() as con:
        relation = con.sql(f"SELECT * FROM read_parquet({paths}, union_by_name = true)")
        typed = sorted(f"{name} {kind}" for name, kind in zip(relation.columns, relation.types, strict=True))
        names = ", ".join('"' + n.replace('"', '""') + '"' for n in sorted(relation.columns))
        found = con.sql(f"SELECT {names} FROM read_parquet({paths}, union_by_name = true)").fetchall()
    return (*typed, *sorted(json.dumps([canonical(value) for value in row], ensure_ascii=False) for row in found))


def same(first: Published, second: Published) -> None:
    """Both published the same, bit by bit.

    Raises:
        AssertionError: With the first rows that only one of them has.
    """
    assert first.keys() == second.keys()
    for key, wanted in first.items():
        found = second[key]
        if wanted != found:
            missing = [row for row in wanted if row not in set(found)][:3]
            strange = [row for row in found if row not in set(wanted)][:3]
            raise AssertionError(f"{key}: {len(wanted)} and {len(found)} rows\n- {missing}\n+ {strange}")


def copied(folder: Path, into: Path) -> Path:
    """A project's files without what a run has made of them."""
    shutil.copytree(folder, into, ignore=shutil.ignore_patterns("expected", ".apportion"))
    return into


def shuffled(folder: Path, seed: int) -> None:
    """The rows of every file of calls in another order, in two files."""
    draw = random.Random(seed)  # noqa: S311 - an order, not a secret
    for path in sorted((folder / "usage").glob("*")):
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                head, *lines = list(csv.reader(file))
            draw.shuffle(lines)
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([head, *lines])
        elif path.suffix == ".jsonl":
            texts = path.read_text(encoding="utf-8").splitlines(keepends=True)
            draw.shuffle(texts)
            path.write_text("".join(texts), encoding="utf-8")


@contextmanager
def zone(name: str) -> Iterator[None]:
    """Another time zone of this process."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
