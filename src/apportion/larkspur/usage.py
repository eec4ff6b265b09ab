"""The calls of Larkspur, day by day, and the files in which they are found."""

from __future__ import annotations

import calendar
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from apportion.larkspur.company import ASKING, MONTHS, drawn, members, seats
from apportion.larkspur.workloads import (
    ACCOUNTS,
    BEDROCK,
    BEDROCK_FROM,
    CACHE_BROKE_ON,
    CACHED_AFTER,
    LOOP_CALLS,
    LOOP_ON,
    LOOP_PERSON,
    LOOPING,
    OPENAI,
    RESENT,
    WORKLOADS,
    Workload,
)

# Percent of the calls that the workloads name, by month: the company grows.
_GROWTH = (88, 94, 100, 106)
_SUNDAY = 6
_THOUSAND = 1_000


@dataclass(frozen=True)
class Call:
    """One call: who, when, and its tokens by kind (input that no cache had, cached input, output)."""

    work: Workload
    at: datetime
    call_id: str
    person: str
    customer: str
    tokens: tuple[int, int, int]


@cache
def days(month: int) -> tuple[date, ...]:
    """The days of a month, by its place in MONTHS."""
    year, number = MONTHS[month]
    return tuple(date(year, number, day) for day in range(1, calendar.monthrange(year, number)[1] + 1))


def calls_of(month: int) -> list[Call]:
    """Every call of a month, in the order of time."""
    found = [call for day in days(month) for work in WORKLOADS for call in _day(work, day, _GROWTH[month])]
    return sorted(found, key=lambda call: (call.at, call.call_id))


def _day(work: Workload, day: date, growth: int) -> Iterator[Call]:
    if work.provider == BEDROCK and day < BEDROCK_FROM:
        return
    chance = drawn(work.name, day)
    weekday = day.weekday() < _SUNDAY - 1
    count = work.calls[0 if weekday else 1] * growth * chance.randrange(92, 109) // 10_000
    callers = _callers(work, day)
    for number in range(count):
        yield _call(work, day, number, callers[chance.randrange(len(callers))], chance.random(), chance.random())
    if work.name == LOOPING and day == LOOP_ON:
        for number in range(count, count + LOOP_CALLS):
            # From one in the morning until somebody looks, every few seconds.
            yield _call(work, day, number, LOOP_PERSON, (number - count) / LOOP_CALLS, 0.5, hours=(1, 15))


def _callers(work: Workload, day: date) -> list[str]:
    if not work.by_person:
        return [""]
    if work.team:
        return members(work.team, day)
    return [seat.person for seat in seats() if seat.person and not seat.asleep]


def _call(
    work: Workload,
    day: date,
    number: int,
    person: str,
    when: float,
    size: float,
    *,
    hours: tuple[int, int] | None = None,
) -> Call:
    first, last = hours or work.hours
    second = int(when * (last - first) * 3600)
    at = datetime(day.year, day.month, day.day, first, tzinfo=UTC) + timedelta(seconds=second)
    whole, cached, output = work.tokens
    if work.name == "assist-reply" and day >= CACHE_BROKE_ON:
        cached = CACHED_AFTER
    # Half of it to half more: sizes differ from call to call.
    scale = 500 + int(size * _THOUSAND)
    read = whole * scale * cached // _THOUSAND**2
    tokens = (whole * scale // _THOUSAND - read, read, output * scale // _THOUSAND)
    customer = _customer(work, day, number) if work.by_customer else ""
    return Call(work, at, f"{work.name}-{day:%m%d}-{number:04d}", person, customer, tokens)


def _customer(work: Workload, day: date, number: int) -> str:
    return ASKING[(number * 7 + day.toordinal() + len(work.name)) % len(ASKING)]


def write_usage(folder: Path, month: int, calls: Iterable[Call]) -> None:
    """The gateway's log with a row per call, and what two vendors export by the hour."""
    name = "{}-{:02d}".format(*MONTHS[month])
    logged: list[Call] = []
    hourly: dict[str, list[Call]] = {OPENAI: [], BEDROCK: []}
    for call in calls:
        (logged if call.work.gateway else hourly[call.work.provider]).append(call)
    write_csv(folder / f"gateway-{name}.csv", [_logged(call) for call in logged])
    again = [_logged(call) for call in logged if call.at.date() in RESENT]
    if again:
        write_csv(folder / f"gateway-{name}-resent.csv", again)
    write_csv(folder / f"openai-{name}.csv", _by_hour(hourly[OPENAI], "project"))
    if hourly[BEDROCK]:
        write_csv(folder / f"bedrock-{name}.csv", _by_hour(hourly[BEDROCK], "inference_profile"))


def _logged(call: Call) -> dict[str, object]:
    tags = {**call.work.tags, **({"customer": call.customer} if call.customer else {})}
    return {
        "called_at": f"{call.at:%Y-%m-%dT%H:%M:%SZ}",
        "provider": call.work.provider,
        "billing_account_id": ACCOUNTS[call.work.provider],
        "operation": "chat",
        "model": call.work.model,
        "api_key_id": call.work.key,
        "user_id": call.person,
        "call_id": call.call_id,
        "input_tokens": call.tokens[0] + call.tokens[1],
        "cache_read_tokens": call.tokens[1],
        "output_tokens": call.tokens[2],
        "tags": json.dumps(tags, separators=(",", ":")) if tags else "",
    }


def _by_hour(calls: Iterable[Call], place: str) -> list[dict[str, object]]:
    """One row for an hour, key and model, as a vendor's usage export has it: no tags, no single call."""
    sums: dict[tuple[datetime, str], list[int]] = {}
    works: dict[str, Workload] = {}
    for call in calls:
        works[call.work.name] = call.work
        row = sums.setdefault((call.at.replace(minute=0, second=0), call.work.name), [0, 0, 0, 0])
        for at, number in enumerate((1, *call.tokens)):
            row[at] += number
    return [
        {
            "called_at": f"{hour:%Y-%m-%dT%H:%M:%SZ}",
            "provider": works[name].provider,
            "billing_account_id": ACCOUNTS[works[name].provider],
            "operation": "embeddings" if not works[name].tokens[2] else "chat",
            "model": works[name].model,
            "processing": "batch" if works[name].batch else "",
            "api_key_id": works[name].key,
            place: works[name].project,
            "requests": row[0],
            "input_tokens": row[1] + row[2],
            "cache_read_tokens": row[2],
            "output_tokens": row[3],
        }
        for (hour, name), row in sorted(sums.items())
    ]


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    """A CSV file whose columns are those of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
