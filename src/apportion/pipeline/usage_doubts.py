"""What a run tells of how sure its calls are: estimated, without usage, or perhaps there twice as a provider's sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from apportion.errors import Problem
from apportion.warehouse.engine import Engine

_MOST_DAYS = 7


class _Sums(NamedTuple):
    """The calls and tokens of a source, a provider and an account on a day."""

    source: str
    provider: str
    account: str
    day: date
    calls: int
    tokens: int


def usage_doubts(engine: Engine, cells: Sequence[Path], named: Mapping[str, bool]) -> list[Problem]:
    """The warnings about calls that are in the cells.

    Args:
        engine: To read with.
        cells: The files of usage_cells.
        named: By usage source, whether its rows have ids of calls.
    """
    if not cells:
        return []
    engine.use_view("cells_in_doubt", cells)
    return [*_estimated(engine), *_missing(engine), *_overlaps(engine, named)]


def _estimated(engine: Engine) -> list[Problem]:
    rows = engine.fetch(
        "SELECT provider, day, CAST(SUM(estimated_calls) AS BIGINT), CAST(SUM(estimated_tokens) AS BIGINT)"
        " FROM cells_in_doubt WHERE estimated_calls > 0 OR estimated_tokens > 0 GROUP BY provider, day"
        " ORDER BY provider, day"
    )
    tokens: dict[str, int] = defaultdict(int)
    days: dict[str, list[tuple[date, int]]] = defaultdict(list)
    for provider, day, calls, count in rows:
        tokens[provider] += count
        days[provider].append((day, calls))
    return [
        Problem(
            "usage-estimated",
            f"{_calls(found)} of {provider} with {tokens[provider]:,} tokens"
            f" {'is' if _sum(found) == 1 else 'are'} estimated: {_by_day(found)}",
            cure="nothing: an estimate weighs, and is never billed; the `why` of a record says why it was not measured",
            severity="warning",
        )
        for provider, found in days.items()
    ]


def _missing(engine: Engine) -> list[Problem]:
    rows = engine.fetch(
        "SELECT provider, day, CAST(SUM(missing_calls) AS BIGINT) FROM cells_in_doubt WHERE missing_calls > 0"
        " GROUP BY provider, day ORDER BY provider, day"
    )
    days: dict[str, list[tuple[date, int]]] = defaultdict(list)
    for provider, day, calls in rows:
        days[provider].append((day, calls))
    return [
        Problem(
            "usage-missing",
            f"{_calls(found)} of {provider} may be billed and"
            f" {'tells' if _sum(found) == 1 else 'tell'} no usage: {_by_day(found)}",
            cure="see the `why` of each record; until then they count as calls, and weigh nothing by tokens or list"
            " cost",
            severity="warning",
        )
        for provider, found in days.items()
    ]


def _overlaps(engine: Engine, named: Mapping[str, bool]) -> list[Problem]:
    """Where a provider's sums and single calls tell of one account on one day: they cannot be told apart."""
    if len(set(named.values())) == 1:
        return []
    sums = [
        _Sums(*row)
        for row in engine.fetch(
            "SELECT source, provider, billing_account_id, day, CAST(SUM(calls) AS BIGINT),"
            " CAST(SUM(tokens) AS BIGINT) FROM cells_in_doubt WHERE calls > 0 OR tokens > 0"
            " GROUP BY source, provider, billing_account_id, day ORDER BY source, provider, billing_account_id, day"
        )
    ]
    single: dict[tuple[str, date], list[_Sums]] = defaultdict(list)
    for one in sums:
        if named[one.source]:
            single[one.provider, one.day].append(one)
    both: dict[tuple[str, str, str], tuple[set[_Sums], set[_Sums]]] = defaultdict(lambda: (set(), set()))
    for one in sums:
        for other in single.get((one.provider, one.day), ()) if not named[one.source] else ():
            if one.account == other.account or "" in (one.account, other.account):
                summed, told = both[one.source, other.source, one.provider]
                summed.add(one)
                told.add(other)
    return [_overlap(*key, *pair) for key, pair in sorted(both.items())]


def _overlap(source: str, other: str, provider: str, summed: set[_Sums], told: set[_Sums]) -> Problem:
    days = sorted({one.day for one in summed})
    when = f"on {days[0]}" if len(days) == 1 else f"on {len(days)} days from {days[0]} to {days[-1]}"
    return Problem(
        "usage-overlaps",
        f"{when}, `{source}` tells {_used(summed)} of {provider} in rows without call ids, and `{other}` tells"
        f" {_used(told)} of the same account call by call: what both tell counts twice",
        cure="keep one of them for this provider, account and time: narrow the `path:` of the other",
        severity="warning",
    )


def _used(sums: Iterable[_Sums]) -> str:
    found = list(sums)
    return f"{_count(sum(one.calls for one in found))} with {sum(one.tokens for one in found):,} tokens"


def _sum(days: Sequence[tuple[date, int]]) -> int:
    return sum(calls for _, calls in days)


def _calls(days: Sequence[tuple[date, int]]) -> str:
    return _count(_sum(days))


def _count(calls: int) -> str:
    return f"{calls:,} {'call' if calls == 1 else 'calls'}"


def _by_day(days: Sequence[tuple[date, int]]) -> str:
    """Each day with its calls; of many days the first ones, and how many there are."""
    shown = ", ".join(f"{calls:,} on {day}" for day, calls in days[:_MOST_DAYS])
    rest = days[_MOST_DAYS:]
    return f"{shown} and {_sum(rest):,} on {len(rest)} more days to {rest[-1][0]}" if rest else shown
