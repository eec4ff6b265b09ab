"""Of spans about one call one counts: for any forest of spans, however it is nested, and in any order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.receivers.otlp import traces
from apportion.gateway.receivers.repetition import Key, Weight, repetition
from tests.unit.gateway.receivers.test_otlp import CURRENT, OPEN_INFERENCE, of, records, sent, span

SILENT = {key: value for key, value in CURRENT.items() if not key.startswith("gen_ai.usage.")}
PLAIN = {"http.request.method": "GET"}
OTHER = CURRENT | {"gen_ai.provider.name": "cohere", "gen_ai.response.model": "command", "gen_ai.response.id": "c",
                   "gen_ai.usage.input_tokens": 5}  # fmt: skip
FAILED = SILENT | {"error.type": "500"}


def counted(*spans: dict[str, Any]) -> list[int]:
    found = records(sent(traces, of(*spans)))
    assert found == records(sent(traces, of(*reversed(spans))))[::-1]
    return [int(record["record_id"][-1], 16) for record in found]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        # The client's span counts, also through spans of others.
        ([span(1, OPEN_INFERENCE), span(2, CURRENT, 1)], [2]),
        ([span(1, OPEN_INFERENCE), span(2, PLAIN, 1), span(3, CURRENT, 2)], [3]),
        ([span(1, CURRENT), span(2, OPEN_INFERENCE, 1), span(3, CURRENT, 2)], [3]),
        # The framework's counts where the client's tells nothing.
        ([span(1, OPEN_INFERENCE), span(2, SILENT, 1)], [1]),
        ([span(1, OPEN_INFERENCE), span(2, SILENT, 1), span(3, SILENT, 2)], [1]),
        ([span(1, SILENT), span(2, SILENT, 1)], [2]),
        ([span(1, CURRENT), span(2, SILENT, 1), span(3, CURRENT, 2)], [3]),
        # Several calls below one span; a failed attempt is one, too.
        ([span(1, OPEN_INFERENCE), span(2, CURRENT, 1), span(3, CURRENT, 1)], [2, 3]),
        ([span(1, OPEN_INFERENCE), span(2, FAILED, 1), span(3, CURRENT, 1)], [2, 3]),
        ([span(1, OPEN_INFERENCE), span(2, FAILED, 1)], [1, 2]),
        ([span(1, OPEN_INFERENCE), span(2, CURRENT, 1), span(3, SILENT, 1)], [2, 3]),
        # A call of another provider below a call is another call.
        ([span(1, CURRENT), span(2, OTHER, 1)], [1, 2]),
        # Beside each other, or in a circle, they are nobody's repetition.
        ([span(1, CURRENT), span(2, CURRENT)], [1, 2]),
        ([span(1, CURRENT, 2), span(2, CURRENT, 1)], [1, 2]),
        ([span(1, CURRENT, 1)], [1]),
        ([span(1, CURRENT, 9)], [1]),
    ],
)
def test_which_of_them_counts(spans: list[dict[str, Any]], expected: list[int]) -> None:
    assert counted(*spans) == expected


def test_other_traces_have_nothing_to_do_with_it() -> None:
    below = span(2, CURRENT, 1) | {"traceId": "cd" * 16}
    assert counted(span(1, OPEN_INFERENCE), below) == [1, 2]


def test_a_span_that_stands_twice_in_a_message_counts_once() -> None:
    answered = sent(traces, of(span(1, CURRENT), span(1, CURRENT)))
    assert (len(records(answered)), answered.counts) == (1, {"accepted": 1, "ignored": 1})


@st.composite
def forests(draw: st.DrawFn) -> tuple[dict[Key, Key], dict[Key, Weight]]:
    size = draw(st.integers(1, 14))
    keys = [("t", str(number)) for number in range(size)]
    parents = {key: keys[draw(st.integers(0, size - 1))] for key in keys if draw(st.booleans())}
    weights = {key: Weight(draw(st.booleans()), draw(st.booleans())) for key in keys if draw(st.booleans())}
    return parents, weights


def _path(key: Key, parents: dict[Key, Key]) -> list[Key]:
    found: list[Key] = []
    at = parents.get(key)
    while at is not None and at not in found:
        found.append(at)
        at = parents.get(at)
    return found


@given(forests())
def test_in_any_forest_no_call_counts_twice_and_none_is_lost(forest: tuple[dict[Key, Key], dict[Key, Weight]]) -> None:
    parents, weights = forest
    found = repetition(parents, weights, lambda _up, _below: True)
    kept = weights.keys() - found.repeated
    circles = {key for key in parents if key in _path(key, parents)}
    for key in kept:
        above = _path(key, parents)
        if (weights[key].tells or not weights[key].failed) and not circles & {key, *above}:
            assert [up for up in above if up in kept and weights[up].tells] == []
    for key in found.repeated:
        near = set(_path(key, parents)) | {each for each in weights if key in _path(each, parents)}
        assert near & kept
    shuffled = dict(reversed(weights.items()))
    assert repetition(parents, shuffled, lambda _up, _below: True).repeated == found.repeated


def test_a_long_chain_takes_no_time() -> None:
    keys = [("t", str(number)) for number in range(20_000)]
    parents = dict(zip(keys[1:], keys, strict=False))
    found = repetition(parents, dict.fromkeys(keys, Weight(tells=True, failed=False)), lambda _up, _below: True)
    assert len(found.repeated) == len(keys) - 1
    sparse = {key: Weight(tells=True, failed=False) for key in keys[::100]}
    assert len(repetition(parents, sparse, lambda _up, _below: True).repeated) == len(sparse) - 1
