"""What somebody needs to know to help: versions, machine and a project's outline; no secret, no amount, no name."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from apportion import __version__
from apportion.cli.options import HERE, FormatOption, OutputOption, ProjectOption
from apportion.cli.output import Format, write
from apportion.errors import ApportionError
from apportion.report.table import Column, Row, Table

if TYPE_CHECKING:
    from apportion.project import Project

_LIBRARIES = ("duckdb", "pyarrow", "sqlglot", "sqlalchemy", "obstore", "genai-prices", "pydantic")
_EXTRAS = {"postgresql": "psycopg", "spark": "pyspark"}
_LISTS = ("bills", "usage", "meters", "directory", "seats")
_NEWEST = 3
_GIB = 1 << 30
_ENVIRONMENT = ("APPORTION_", "AWS_", "AZURE_", "GOOGLE_", "PG", "JAVA_HOME")


def doctor(project: ProjectOption = HERE, form: FormatOption = Format.TABLE, output: OutputOption = None) -> None:
    """Versions, machine and outline of a project, for a report of a bug; no secrets, amounts or people."""
    write([examination(project)], form, output)
    typer.echo("Nothing in it is secret; read it through before you pass it on.", err=True)


def examination(folder: Path) -> Table:
    """All of it, a row each; a part that cannot be looked at says why, and the rest is there.

    Args:
        folder: Of the project; a folder without one is told as such.
    """
    from apportion.project import Project

    opened = Project.open(folder)
    parts: tuple[tuple[str, Callable[[], Iterator[Row]]], ...] = (
        ("apportion", _program),
        ("machine", lambda: _machine(folder)),
        ("environment", _environment),
        ("project", lambda: _project(opened)),
        ("books", lambda: _books(opened)),
    )
    rows: list[Row] = []
    for name, part in parts:
        try:
            rows += [(f"{name}: {what}", found) for what, found in part()]
        except ApportionError as error:
            rows.append((f"{name}: cannot be looked at", error.slug))
    return Table(
        name="doctor",
        title="What a report of a bug should hold",
        columns=(Column("what", "What"), Column("found", "Found")),
        rows=tuple(rows),
    )


def _program() -> Iterator[Row]:
    yield "version", __version__
    yield "Python", f"{platform.python_version()}, {platform.python_implementation()}"
    yield "libraries", ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    for extra, library in _EXTRAS.items():
        yield f"extra {extra}", f"{library} {_version(library)}"
    yield "Java", "found" if shutil.which("java") else "not found"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _machine(folder: Path) -> Iterator[Row]:
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "processors", str(os.cpu_count())
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield "memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / _GIB:.1f} GiB"
    if folder.is_dir():
        yield "free disk", f"{shutil.disk_usage(folder).free / _GIB:.1f} GiB"


def _environment() -> Iterator[Row]:
    names = sorted(name for name in os.environ if name.startswith(_ENVIRONMENT))
    yield "set, by name only", ", ".join(names) or "none"


def _project(opened: Project) -> Iterator[Row]:
    from apportion.report.notes import counted

    problems = opened.loaded.problems
    yield "settings", f"SHA-256 {opened.config_sha256[:12]}, {len(opened.loaded.text.splitlines())} lines"
    yield "problems", ", ".join(sorted({problem.slug for problem in problems})) or "none"
    settings = opened.loaded.settings
    if settings is None:
        return
    yield "currency and owner", f"{settings.currency}, {settings.owner}"
    for kind in _LISTS:
        sources = getattr(settings, kind)
        if sources:
            files = [path for source in sources for path in _files(opened.folder, source.path)]
            size = sum(path.stat().st_size for path in files)
            kinds = ", ".join(sorted({path.suffix or "no suffix" for path in files}))
            said = f"{counted(len(sources), 'source')}, {counted(len(files), 'local file')}, {size:,} bytes"
            yield kind, f"{said} ({kinds})" if kinds else said
    yield "dimensions", str(len(settings.dimension_names))
    yield "rules", ", ".join(sorted({rule.method for rule in settings.allocate})) or "none"
    yield "warehouse", _kind_of_place(os.environ.get("APPORTION_WAREHOUSE") or settings.warehouse)
    yield "books", _kind_of_place(os.environ.get("APPORTION_BOOKS") or settings.books)


def _files(folder: Path, pattern: str) -> list[Path]:
    if "://" in pattern or Path(pattern).is_absolute():
        return []
    return [path for path in sorted(folder.glob(pattern)) if path.is_file()]


def _kind_of_place(address: str | None) -> str:
    """Of an address only how it begins: the rest may name a host, an account or worse."""
    if not address:
        return "in the project"
    return f"{address.split('://')[0]}://…" if "://" in address else "a path outside the project"


def _books(opened: Project) -> Iterator[Row]:
    with opened.books() as books, books.reading() as reading:
        runs = reading.history()
        yield "periods", f"{len(reading.periods())} published"
        yield "runs", f"{len(runs)}"
        for run in runs[:_NEWEST]:
            took = f"{run.started_at} to {run.finished_at or 'now'}"
            yield f"run {run.run_id}", f"{run.status}, {run.engine}, apportion {run.version}, {took}"
            slugs = sorted({problem.slug for problem in reading.problems(run.run_id)})
            if slugs:
                yield f"run {run.run_id}, problems", ", ".join(slugs)
