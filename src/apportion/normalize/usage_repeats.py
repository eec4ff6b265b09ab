"""Rows of usage that repeat a call: each call is left in one place, and what is left out is told (law L7).

The rows of one file source are compared slice by slice, and by call id alone. The usage log, and sources that tell of
the same provider's calls, are compared with one another as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from apportion.errors import Problem
from apportion.normalize.usage_comparison import Compared, Repeated, Side, compare
from apportion.normalize.usage_files import usage_unreadable
from apportion.normalize.usage_parquet import scan_parquet
from apportion.normalize.usage_plan import PlannedUsage
from apportion.normalize.usage_slices import UsageSlice
from apportion.warehouse.engine import Engine, Written


@dataclass(frozen=True)
class PreparedUsage:
    """A usage source, ready to be folded.

    Attributes:
        slices: In the order of days.
        tag_columns: The column of each tag key in the slices' queries.
        problems: Files that cannot be used, repeated calls.
        rows: Rows in all files, faulty and repeated ones among them: the control total of the fold.
        duplicates: Rows that the slices leave out because the same call is there already.
        named: Whether any file has ids of calls; a provider's buckets have none.
    """

    slices: tuple[UsageSlice, ...]
    tag_columns: Mapping[str, str]
    problems: tuple[Problem, ...] = ()
    rows: int = 0
    duplicates: int = 0
    named: bool = True


def leave_out_repeats(
    engine: Engine,
    planned: Sequence[PlannedUsage],
    staging: Path,
    known: Callable[[UsageSlice], int | None] = lambda _: None,
) -> list[PreparedUsage]:
    """Leave each call in one place.

    Args:
        engine: To read with.
        planned: All usage sources, in the order of the settings.
        staging: A folder that must live until the slices are folded.
        known: How many rows of a slice are repeated, if it was looked through before; else None.

    Returns:
        The sources, in the same order.
    """
    together = _together(engine, planned)
    compared = compare(engine, [planned[at] for at in together], staging) if together else None
    return [
        _settled(planned, together, at, compared)
        if compared is not None and at in together
        else _alone(engine, one, staging, known)
        for at, one in enumerate(planned)
    ]


def _together(engine: Engine, planned: Sequence[PlannedUsage]) -> list[int]:
    """The places of the sources that are compared: the usage log, and those that name calls of one provider."""
    named = [at for at, one in enumerate(planned) if one.named and one.slices]
    logs = {at for at in named if planned[at].is_log}
    if len(named) < 2:  # noqa: PLR2004 - one source has none to be compared with
        return sorted(logs)
    providers = {at: _providers(engine, planned[at]) for at in named}
    return [
        at
        for at in named
        if at in logs
        or any(
            mine is None or theirs is None or mine & theirs
            for other, theirs in providers.items()
            for mine in [providers[at]]
            if other != at
        )
    ]


def _providers(engine: Engine, planned: PlannedUsage) -> set[str] | None:
    """Whose calls a source tells of; None where that cannot be read."""
    found: set[str] = set()
    for slice_ in planned.slices:
        engine.view_calls("calls_of_slice", slice_.sql)
        try:
            found |= {str(row[0]) for row in engine.fetch("SELECT DISTINCT provider FROM calls_of_slice")}
        except engine.failures:
            return None
    return found


def _settled(planned: Sequence[PlannedUsage], together: Sequence[int], at: int, compared: Compared) -> PreparedUsage:
    """A source of those that were compared."""
    place, one = together.index(at), planned[at]
    pairs = {pair: lost for pair, lost in compared.repeated.items() if pair[0].source == place}
    sources = [planned[other].source for other in together]
    inside = sum(lost.rows for (side, kept), lost in pairs.items() if side == kept)
    told = [_repeated(one.source, inside)] if inside else []
    told += [_twice(sources, side, kept, lost) for (side, kept), lost in sorted(pairs.items()) if side != kept]
    if place == 0:
        told += [_shared(provider, rows, tokens) for provider, (rows, tokens) in sorted(compared.shared.items())]
    return PreparedUsage(
        tuple(compared.slices[place]),
        one.wanted.tag_columns,
        (*one.problems, *compared.problems.get(place, ()), *told),
        one.rows - compared.unread.get(place, 0),
        sum(lost.rows for lost in pairs.values()),
        one.named,
    )


def _alone(
    engine: Engine, planned: PlannedUsage, staging: Path, known: Callable[[UsageSlice], int | None]
) -> PreparedUsage:
    """A source that is compared with no other, slice by slice."""
    problems = list(planned.problems)
    slices, dropped, unread = [], 0, 0
    for number, slice_ in enumerate(planned.slices):
        before = known(slice_)
        if before is not None:
            dropped += before
            slices.append(replace(slice_, rows=slice_.rows - before, repeated=before))
            continue
        try:
            repeats = _repeats(engine, slice_, staging / f"{planned.source}-repeats-{number}.parquet")
        except engine.failures as error:
            problems.append(usage_unreadable(engine.desk.connection, slice_, error))
            unread += slice_.rows
            continue
        if repeats:
            repeated = sum(file.rows for file in repeats)
            dropped += repeated
            sql, rows = _without(slice_.sql, repeats), slice_.rows - repeated
            slices.append(replace(slice_, sql=sql, rows=rows, repeated=repeated))
        else:
            slices.append(slice_)
    if dropped:
        problems.append(_repeated(planned.source, dropped))
    return PreparedUsage(
        tuple(slices), planned.wanted.tag_columns, tuple(problems), planned.rows - unread, dropped, planned.named
    )


def _repeats(engine: Engine, slice_: UsageSlice, path: Path) -> list[Written]:
    """Files that list the rows whose call is there already; calls are first told apart by the hash of their id."""
    engine.view_calls("calls_of_slice", slice_.sql)
    several = (
        "SELECT id FROM (SELECT text_hash(call_id) AS id FROM calls_of_slice WHERE call_id IS NOT NULL) AS hashed"
        " GROUP BY id HAVING COUNT(*) > 1"
    )
    if not engine.value(f"SELECT COUNT(*) FROM ({several}) AS several"):
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    written = engine.write_parquet(
        f"SELECT source_file, source_row FROM calls_of_slice WHERE text_hash(call_id) IN ({several})"
        " AND fault IS NULL QUALIFY ROW_NUMBER()"
        " OVER (PARTITION BY provider, call_id ORDER BY source_file, source_row) > 1",
        path,
    )
    return [file for file in written if file.rows]


def _without(sql: str, repeats: Sequence[Written]) -> str:
    return (
        f"SELECT calls.* FROM ({sql}) AS calls ANTI JOIN {scan_parquet(file.path for file in repeats)} AS repeats"
        " ON calls.source_file = repeats.source_file AND calls.source_row = repeats.source_row"
    )


def _repeated(source: str, rows: int) -> Problem:
    noun = "row repeats a call" if rows == 1 else "rows repeat calls"
    return Problem(
        "duplicate-calls",
        f"{rows:,} {noun} of usage source `{source}` that another row has already; each call counts once",
        cure="remove the repeated rows, or leave them: importing twice changes nothing",
        severity="warning",
    )


def _twice(sources: Sequence[str], side: Side, kept: Side, lost: Repeated) -> Problem:
    rows = "1 row" if lost.rows == 1 else f"{lost.rows:,} rows"
    tells, them = ("tells a call", "it") if lost.rows == 1 else ("tell calls", "them")
    message = (
        f"{rows} ({lost.tokens:,} tokens) of usage source {_named(sources, side)} {tells} that"
        f" {_named(sources, kept)} tells, too; each call counts once, as the latter has it"
    )
    if lost.gave:
        message += f", and {lost.gave:,} of {them} told whose the call is where the latter does not say"
    return Problem(
        "calls-metered-twice",
        message,
        cure="nothing, if both are meant to watch the same calls; else narrow the `path:` of one of them",
        severity="warning",
    )


def _named(sources: Sequence[str], side: Side) -> str:
    source = f"`{sources[side.source]}`"
    return f"{source} by {side.via}" if side.via else source


def _shared(provider: str, rows: int, tokens: int) -> Problem:
    return Problem(
        "call-ids-shared",
        f"{rows:,} rows ({tokens:,} tokens) of {provider} have call ids that stand for several calls: one way measured"
        " different numbers of tokens under one id, more than an hour apart; each row counts",
        cure="nothing, if the server numbers its answers anew, as small ones do; else correct the call ids",
        severity="warning",
    )
