"""What is counted, by whom it is added up, and how it is shown."""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.exposition import OPEN_METRICS, TEXT, Known, render, summed, wants_open_metrics
from apportion.gateway.metrics import BOUNDS, FAMILIES, HISTOGRAM_VALUES, Metrics
from apportion.gateway.tallies import WITHOUT_ROOM, Shared, Tally, tally_of

ROOT = Path(__file__).parents[3]
KNOWN = Known("1.2.3", "3.11.7", 1_700_000_000.5)
SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@pytest.fixture
def shared() -> Iterator[Shared]:
    made = Shared(3)
    yield made
    made.close()


def record(**said: Any) -> dict[str, Any]:
    """A record of the usage log, as far as it is counted."""
    return {
        "upstream": "openai", "operation": "chat", "outcome": "ok", "status": 200, "state": "measured",
        "milliseconds": 120, "first_byte_ms": 20, "uncached_input_tokens": 9, "output_tokens": 7, **said,
    }  # fmt: skip


def shown(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The samples of an answer to a scrape."""
    found = {}
    for line in text.decode().splitlines():
        if not line.startswith("#"):
            matched = SAMPLE.fullmatch(line)
            assert matched, line
            name, labels, value = matched.groups()
            found[name, frozenset(LABEL.findall(labels or ""))] = float(value)
    return found


def rendered(tally: Tally, *, open_metrics: bool = False) -> bytes:
    return render(summed([tally.values()], living=[True]), KNOWN, open_metrics=open_metrics)


def test_a_call_is_counted_in_every_family_that_it_belongs_to() -> None:
    tally = Tally.alone()
    Metrics(tally).ended([record(), record(part=2, cache_read_tokens=5, output_tokens=3)])
    found = shown(rendered(tally))
    labels = frozenset({("upstream", "openai"), ("operation", "chat"), ("outcome", "ok"), ("status", "2xx")})
    assert found["apportion_gateway_calls_total", labels] == 1
    upstream = ("upstream", "openai")
    tokens = {
        dict(labels)["bucket"]: value
        for (name, labels), value in found.items()
        if name == "apportion_gateway_tokens_total"
    }
    assert (tokens["uncached_input"], tokens["output"], tokens["cache_read"]) == (18, 10, 5)
    assert found["apportion_gateway_records_total", frozenset({("state", "measured")})] == 1
    assert found["apportion_gateway_call_duration_seconds_sum", frozenset({upstream})] == 0.12
    assert found["apportion_gateway_call_duration_seconds_bucket", frozenset({upstream, ("le", "0.1")})] == 0
    assert found["apportion_gateway_call_duration_seconds_bucket", frozenset({upstream, ("le", "0.25")})] == 1
    assert found["apportion_gateway_first_byte_seconds_bucket", frozenset({upstream, ("le", "0.025")})] == 1
    assert found["process_start_time_seconds", frozenset()] == 1_700_000_000.5
    assert found["apportion_build_info", frozenset({("version", "1.2.3"), ("python", "3.11.7")})] == 1


def test_a_call_without_an_answer_has_no_status_and_no_first_byte() -> None:
    tally = Tally.alone()
    Metrics(tally).ended([record(status=None, outcome="refused_by_network", first_byte_ms=None)])
    found = shown(rendered(tally))
    (labels,) = [dict(labels) for (name, labels) in found if name == "apportion_gateway_calls_total"]
    assert labels["status"] == "none"
    assert found["apportion_gateway_first_byte_seconds_count", frozenset({("upstream", "openai")})] == 0


@given(st.lists(st.integers(0, 10_000_000), max_size=40))
def test_buckets_of_durations_only_grow_and_end_at_the_count(durations: list[int]) -> None:
    tally = Tally.alone()
    metrics = Metrics(tally)
    for milliseconds in durations:
        metrics.ended([record(milliseconds=milliseconds)])
    metrics.ended([record(milliseconds=0)])
    found = shown(rendered(tally))
    name = "apportion_gateway_call_duration_seconds"
    buckets = sorted(
        (math.inf if dict(labels)["le"] == "+Inf" else float(dict(labels)["le"]), value)
        for (series, labels), value in found.items()
        if series == f"{name}_bucket"
    )
    assert len(buckets) == len(BOUNDS) + 1
    for bound, value in buckets:
        assert value == sum(ms / 1000 <= bound for ms in [*durations, 0])
    assert found[f"{name}_count", frozenset({("upstream", "openai")})] == len(durations) + 1
    assert found[f"{name}_sum", frozenset({("upstream", "openai")})] == pytest.approx(sum(durations) / 1000)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b\n", 'c"\\']), st.integers(0, 1 << 40))))
def test_the_sum_over_the_parts_is_what_all_have_counted(counted: list[tuple[int, str, int]]) -> None:
    made = Shared(3)
    parts = [Metrics(made.tally(part)) for part in range(3)]
    for part, code, number in counted:
        parts[part].add("refused", code, number=number)
    sums = summed(map(made.values, range(3)), living=[True, False, True])
    for code in {code for _, code, _ in counted}:
        assert sums["refused", code] == [sum(number for _, other, number in counted if other == code)]
    assert len(shown(render(sums, KNOWN, open_metrics=False))) > 0
    made.close()


def _count_and_die(descriptor: int) -> None:
    metrics = Metrics(tally_of(descriptor, 1))
    for _ in range(1000):
        metrics.ended([record()])
    metrics.set("calls_in_flight", 5)
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_has_counted_stays_and_its_successor_counts_on(shared: Shared) -> None:
    process = multiprocessing.get_context("fork").Process(target=_count_and_die, args=(shared.descriptor,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    series = ("calls", "openai", "chat", "ok", "2xx")
    dead = summed(map(shared.values, range(3)), living=[True, False, False])
    assert dead[series] == [1000]
    assert ("calls_in_flight",) not in dead
    successor = Metrics(tally_of(shared.descriptor, 1))
    successor.ended([record()])
    after = summed(map(shared.values, range(3)), living=[True, True, False])
    assert (after[series], after["calls_in_flight",]) == ([1001], [0])


def test_whoever_reads_while_it_is_written_sees_whole_series(shared: Shared) -> None:
    metrics = Metrics(shared.tally(1))
    done = threading.Event()

    def write() -> None:
        for number in range(400):
            metrics.ended([record(upstream=f"up{number}")])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not done.is_set():
        found = shared.values(1)
        assert all(len(values) in {1, HISTOGRAM_VALUES} for values in found.values())
        calls = sum(values[0] for series, values in found.items() if series[0] == "calls")
        assert calls >= seen
        seen = calls
    writer.join()
    assert sum(v[0] for s, v in shared.values(1).items() if s[0] == "calls") == 400


def test_too_many_series_are_told_and_harm_none_that_was_there() -> None:
    tally = Tally.alone()
    metrics = Metrics(tally)
    for number in range(40_000):
        metrics.add("refused", f"code-{number}")
    metrics.ended([record()])
    metrics.ended([record()])
    found = tally.values()
    kept = [series for series in found if series[0] == "refused"]
    assert kept
    assert all(found[series] == [1] for series in kept)
    assert found[WITHOUT_ROOM][0] >= 40_000 - len(kept)
    assert shown(rendered(tally))["apportion_gateway_series_without_room_total", frozenset()] >= 1


@pytest.mark.parametrize("tokens", [-5, 1 << 70, True])
def test_a_count_that_is_none_moves_nothing_back(tokens: int) -> None:
    tally = Tally.alone()
    metrics = Metrics(tally)
    metrics.ended([record(output_tokens=3)])
    metrics.ended([record(output_tokens=tokens)])
    assert 3 <= metrics.of("tokens", "openai", "output") <= 4


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text;version=1.0.0", True),
        ("application/openmetrics-text; version=1.0.0; q=0.5, text/plain;version=0.0.4;q=0.3, */*;q=0.1", True),
        ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.8", False),
        ("application/openmetrics-text;version=9", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=much", False),
    ],
)
def test_the_scraper_says_which_form_it_reads(accept: str, wanted: bool) -> None:
    assert wants_open_metrics(accept) is wanted


def test_every_family_tells_what_it_is_and_names_bounded_labels() -> None:
    bounded = {"upstream", "operation", "outcome", "status", "state", "bucket", "code", "receiver", "result"}
    for name, family in FAMILIES.items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert family.tells.endswith(".")
        assert set(family.labels) <= bounded


def test_every_metric_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("## Metrics")[2].partition("### Alerts")[0]
    documented = {name for name in re.findall(r"`([a-z_]+)`", table) if not name.startswith(("apportion", "process"))}
    names = {
        f"{name}_{family.unit}".strip("_") + ("_total" if family.kind == "counter" else "")
        for name, family in FAMILIES.items()
        if name not in {"ready", "beat"}
    }
    labels = {label for family in FAMILIES.values() for label in family.labels}
    values = {"none", "measured", "estimated", "missing"}
    assert documented - labels - values == names
    used = set(re.findall(r"apportion_gateway_([a-z_]+)", page.partition("### Alerts")[2]))
    assert used <= names


def test_both_forms_are_read_by_the_parsers_of_prometheus() -> None:
    why = "prometheus-client reads what was written; it is not installed"
    read_text = pytest.importorskip("prometheus_client.parser", reason=why).text_string_to_metric_families
    read_open = pytest.importorskip("prometheus_client.openmetrics.parser", reason=why).text_string_to_metric_families
    tally = Tally.alone()
    metrics = Metrics(tally)
    metrics.ended([record()])
    metrics.add("refused", 'odd "code"\n\\')
    text = {family.name: family for family in read_text(rendered(tally).decode())}
    opened = {family.name: family for family in read_open(rendered(tally, open_metrics=True).decode())}
    assert set(text) == set(opened)
    for families in (text, opened):
        assert families["apportion_gateway_calls"].type == "counter"
        assert families["apportion_gateway_call_duration_seconds"].type == "histogram"
        (refused,) = families["apportion_gateway_refused"].samples
        assert (refused.name, refused.labels["code"]) == ("apportion_gateway_refused_total", 'odd "code"\n\\')
    assert TEXT.startswith("text/plain; version=0.0.4")
    assert OPEN_METRICS.startswith("application/openmetrics-text; version=1.0.0")
