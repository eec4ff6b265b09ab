"""One call, counted once, however many sources and ways tell of it (law L7).

Ids are compared as numbers first, in as many passes as memory asks for, over files that hold nothing else. Only rows
whose number is there again are looked at with what decides between them, wherever they lie: the same call may be
stamped on two days by two clocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from apportion.errors import Problem
from apportion.normalize.usage_columns import TEXTS
from apportion.normalize.usage_files import usage_unreadable
from apportion.normalize.usage_parquet import scan_parquet
from apportion.normalize.usage_plan import PlannedUsage
from apportion.normalize.usage_query import output_columns
from apportion.normalize.usage_slices import UsageSlice
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import name as quoted
from apportion.warehouse.quoting import names

_BUCKETS = 4096
# What is held at once: numbers of calls, and whole rows of calls that are there again.
_IDS_AT_ONCE = 5_000_000
_ROWS_AT_ONCE = 1_000_000
# Digits of the rank that orders who may say whose a call is.
_RANK = 7
# What says whose a call is: where the row that is kept does not know it, another row of the call tells it.
_WHOSE = (
    "billing_account_id", "api_key_id", "user_id", "project", "workspace", "inference_profile", "deployment",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Side:
    """A source and the way by which it knows a call; no way where it is no usage log."""

    source: int
    via: str


@dataclass(frozen=True)
class Repeated:
    """Rows that tell of calls which other rows tell of, too.

    Attributes:
        rows: How many.
        tokens: That they tell.
        gave: How many of them told whose the call is where the kept row did not.
    """

    rows: int
    tokens: int
    gave: int

    def plus(self, other: Repeated) -> Repeated:
        """Both together."""
        return Repeated(self.rows + other.rows, self.tokens + other.tokens, self.gave + other.gave)


@dataclass
class Compared:
    """What came of it.

    Attributes:
        slices: By source, in the order they were given, without the rows that are not kept.
        repeated: By the side whose rows are left out, and the side that is kept.
        shared: Rows and tokens whose id names several calls, by provider.
        problems: Slices that cannot be read, by source.
        unread: Their rows, by source.
    """

    slices: list[list[UsageSlice]]
    repeated: dict[tuple[Side, Side], Repeated] = field(default_factory=dict)
    shared: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: dict[int, list[Problem]] = field(default_factory=lambda: defaultdict(list))
    unread: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def compare(engine: Engine, planned: Sequence[PlannedUsage], staging: Path) -> Compared:
    """Leave each call in one place.

    Args:
        engine: To read with.
        planned: The sources that can tell of the same calls, in the order of the settings.
        staging: A folder that must live until the slices are folded.
    """
    return _Comparison(engine, planned, staging / "comparison").run()


class _Comparison:
    """The slices of several sources, numbered through."""

    def __init__(self, engine: Engine, planned: Sequence[PlannedUsage], folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        wanted = planned[0].wanted
        self._columns = output_columns(wanted)
        others = [column for column in wanted.other_columns if column not in TEXTS]
        self._evidence = list(dict.fromkeys([*_WHOSE, *others, *wanted.tag_columns.values()]))
        self._has_log = any(one.is_log for one in planned)
        self._slices = {
            number: (at, slice_)
            for number, (at, slice_) in enumerate(
                (at, slice_) for at, one in enumerate(planned) for slice_ in one.slices
            )
        }
        self._told: list[str] = []
        self._number_files(planned)
        self._ids = 0
        self.done = Compared([[] for _ in planned])

    def _number_files(self, planned: Sequence[PlannedUsage]) -> None:
        files = [
            {"of_source": at, "file": name, "file_no": number}
            for at, one in enumerate(planned)
            for number, name in enumerate(sorted({name for slice_ in one.slices for name, _ in slice_.files}), start=1)
        ]
        schema = pa.schema([("of_source", pa.int32()), ("file", pa.string()), ("file_no", pa.int32())])
        self._engine.register("call_files", pa.Table.from_pylist(files, schema))

    def run(self) -> Compared:
        """Compare records first, where one can stand under several calls, then calls."""
        self._read_ids("ids")
        if self._has_log and self._find("records", "split_records", "record", f"ABS(record % {_BUCKETS})"):
            self._settle("records", by_record=True)
            self._read_ids("ids-again")
        if self._find("calls", "repeated_ids", "id", "bucket"):
            self._settle("calls", by_record=False)
        for at, slice_ in self._slices.values():
            self.done.slices[at].append(slice_)
        return self.done

    def _read_ids(self, label: str) -> None:
        """Write the numbers of all calls; a slice that cannot be read is left out, and told."""
        paths: list[Path] = []
        self._ids = 0
        for number, (at, slice_) in list(self._slices.items()):
            try:
                self._engine.view_calls("calls_of_slice", slice_.sql)
                self._engine.sql_step(
                    "call_ids.sql", beside=__package__, into="call_ids_of_slice", view=True, slice_no=number
                )
                path = self._folder / f"{label}-{number}.parquet"
                written = self._engine.write_parquet("call_ids_of_slice", path)
            except self._engine.failures as error:
                self.done.problems[at].append(usage_unreadable(self._engine.desk.connection, slice_, error))
                self.done.unread[at] += slice_.rows
                del self._slices[number]
                continue
            paths += [file.path for file in written]
            self._ids += sum(file.rows for file in written)
        self._engine.use_view("call_ids", paths, _IDS)

    def _find(self, label: str, step: str, column: str, bucket: str) -> bool:
        """Make `repeated_rows`: the slice and the number of each row that a step finds there again.

        Returns:
            Whether there is any.
        """
        found: list[Path] = []
        for part, (first, behind) in enumerate(self._passes(self._ids, _IDS_AT_ONCE)):
            self._engine.sql_step(f"{step}.sql", beside=__package__, into=step, first=first, behind=behind)
            if self._engine.value(f"SELECT COUNT(*) FROM {step}"):
                written = self._engine.write_parquet(
                    f"SELECT slice_no, {column} AS id FROM call_ids WHERE {bucket} >= {first} AND {bucket} < {behind}"
                    f" AND {column} IN (SELECT id FROM {step}) ORDER BY slice_no",
                    self._folder / f"{label}-repeated-{part}.parquet",
                )
                found += [file.path for file in written]
        if found:
            self._engine.use_view("repeated_rows", found)
        return bool(found)

    def _passes(self, rows: int, at_once: int) -> list[tuple[int, int]]:
        """Ranges of buckets of about so many rows; one where the engine itself spreads its work."""
        parts = 1 if self._engine.rows_per_slice is None else min(max(-(-rows // at_once), 1), _BUCKETS)
        return list(pairwise(part * _BUCKETS // parts for part in range(parts + 1)))

    def _settle(self, label: str, *, by_record: bool) -> None:
        """Decide which of the rows found are kept, and change their slices."""
        rows = self._write_candidates(label, by_record=by_record)
        changed: list[Path] = []
        for part, (first, behind) in enumerate(self._passes(rows, _ROWS_AT_ONCE)):
            changed += self._decide(self._folder / f"{label}-changed-{part}.parquet", first, behind)
        if changed:
            self._change(changed)

    def _write_candidates(self, label: str, *, by_record: bool) -> int:
        paths: list[Path] = []
        rows = 0
        for (slice_no,) in self._engine.fetch("SELECT DISTINCT slice_no FROM repeated_rows ORDER BY slice_no"):
            at, slice_ = self._slices[slice_no]
            self._engine.view_calls("calls_of_slice", slice_.sql)
            self._step(
                "call_candidates", "candidates_of_slice", view=True, slice_no=slice_no, source_no=at,
                by_record=by_record,
            )  # fmt: skip
            written = self._engine.write_parquet(
                "SELECT * FROM candidates_of_slice ORDER BY bucket",
                self._folder / f"{label}-candidates-{slice_no}.parquet",
            )
            paths += [file.path for file in written]
            rows += sum(file.rows for file in written)
        self._engine.use_view("candidates", paths)
        filled = ", ".join(f"COUNT({quoted(column)})" for column in self._evidence)
        counts = self._engine.fetch(f"SELECT {filled} FROM candidates")[0]
        self._told = [column for column, count in zip(self._evidence, counts, strict=True) if count]
        return rows

    def _step(self, name: str, into: str, *, view: bool = False, **bindings: object) -> None:
        columns = {"evidence": self._evidence if view else self._told}
        self._engine.sql_step(f"{name}.sql", beside=__package__, columns=columns, into=into, view=view, **bindings)

    def _decide(self, path: Path, first: int, behind: int) -> list[Path]:
        """Decide on some calls; returns the files that list the rows that are not left as they are."""
        self._step("call_attempts", "call_attempts", first=first, behind=behind)
        self._step("shared_ids", "shared_ids")
        self._step("repeated_calls", "decided_calls", first=first, behind=behind)
        told = list(enumerate(map(quoted, self._told)))
        sums = "".join(
            f", SUBSTRING(MIN(CASE WHEN NOT kept THEN rank || {column} END), {_RANK + 1}) AS told_{number},"
            f" MIN(CASE WHEN kept THEN {column} END) AS own_{number}"
            for number, column in told
        )
        self._engine.run(
            "CREATE OR REPLACE TABLE told_calls AS SELECT id, call,"
            " MIN(CASE WHEN kept THEN source_no END) AS kept_source, MIN(CASE WHEN kept THEN via END) AS kept_via"
            f"{sums} FROM decided_calls WHERE NOT shared GROUP BY id, call"
        )
        both = "decided_calls AS d LEFT JOIN told_calls AS t ON t.id = d.id AND t.call = d.call"
        gains = "".join(f" OR (d.{column} IS NULL AND t.told_{number} IS NOT NULL)" for number, column in told)
        gained = "".join(
            f", CASE WHEN d.kept AND d.{column} IS NULL THEN t.told_{number} END AS {column}" for number, column in told
        )
        written = self._engine.write_parquet(
            f"SELECT d.slice_no, d.source_file, d.source_row, NOT d.kept AS repeated{gained} FROM {both}"
            f" WHERE NOT d.kept{gains} ORDER BY slice_no",
            path,
        )
        gives = "".join(f" OR (d.{column} IS NOT NULL AND t.own_{number} IS NULL)" for number, column in told)
        self._count(both, f"t.kept_source IS NOT NULL AND (FALSE{gives})")
        return [file.path for file in written if file.rows]

    def _count(self, both: str, gives: str) -> None:
        for source, via, kept_source, kept_via, *counts in self._engine.fetch(
            "SELECT d.source_no, d.via, t.kept_source, t.kept_via, COUNT(*), CAST(SUM(d.tokens) AS BIGINT),"
            f" CAST(SUM(CASE WHEN {gives} THEN 1 ELSE 0 END) AS BIGINT) FROM {both} WHERE NOT d.kept"
            " GROUP BY d.source_no, d.via, t.kept_source, t.kept_via ORDER BY 1, 2, 3, 4"
        ):
            lost = Side(source, via)
            kept = lost if kept_source is None else Side(kept_source, kept_via)
            before = self.done.repeated.get((lost, kept), Repeated(0, 0, 0))
            self.done.repeated[lost, kept] = before.plus(Repeated(*counts))
        for provider, rows, tokens in self._engine.fetch(
            "SELECT provider, COUNT(*), CAST(SUM(tokens) AS BIGINT) FROM decided_calls WHERE shared AND kept"
            " GROUP BY provider ORDER BY provider"
        ):
            rows_before, tokens_before = self.done.shared.get(provider, (0, 0))
            self.done.shared[provider] = (rows_before + rows, tokens_before + tokens)

    def _change(self, paths: Sequence[Path]) -> None:
        """Leave rows out of their slices, and let those that are kept say whose they are."""
        self._engine.use_view("changed_rows", paths)
        gained = "".join(f", COUNT({quoted(column)})" for column in self._told)
        marks = "".join(f", COALESCE({quoted(column)}, '')" for column in self._told)
        for slice_no, repeated, mark, *filled in self._engine.fetch(
            "SELECT slice_no, CAST(SUM(CASE WHEN repeated THEN 1 ELSE 0 END) AS BIGINT), CAST(SUM(CAST(text_hash("
            f"CONCAT_WS('|', source_file, CAST(source_row AS VARCHAR){marks})) AS DECIMAL(38, 0))) AS VARCHAR)"
            f"{gained} FROM changed_rows GROUP BY slice_no ORDER BY slice_no"
        ):
            at, slice_ = self._slices[slice_no]
            columns = {column for column, count in zip(self._told, filled, strict=True) if count}
            changed = replace(
                slice_,
                sql=self._changed(slice_.sql, paths, slice_no, columns),
                rows=slice_.rows - repeated,
                missing=slice_.missing - columns,
                origin=f"{slice_.origin}\n-- {repeated} repeated, {mark}",
                repeated=slice_.repeated + repeated,
            )
            self._slices[slice_no] = (at, changed)

    def _changed(self, sql: str, paths: Sequence[Path], slice_no: int, columns: set[str]) -> str:
        shown = ", ".join(
            f"COALESCE(calls.{quoted(column)}, changed.{quoted(column)}) AS {quoted(column)}"
            if column in columns
            else f"calls.{quoted(column)}"
            for column in self._columns
        )
        kept = names(["source_file", "source_row", "repeated", *sorted(columns)])
        return (
            f"SELECT {shown} FROM ({sql}) AS calls LEFT JOIN"
            f" (SELECT {kept} FROM {scan_parquet(paths)} WHERE slice_no = {slice_no}) AS changed"
            " ON calls.source_file = changed.source_file AND calls.source_row = changed.source_row"
            " WHERE COALESCE(changed.repeated, FALSE) = FALSE"
        )


_IDS: Mapping[str, str] = {
    "slice_no": "INTEGER",
    "bucket": "SMALLINT",
    "id": "BIGINT",
    "part": "BIGINT",
    "record": "BIGINT",
}
