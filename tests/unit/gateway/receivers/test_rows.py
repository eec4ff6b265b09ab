"""Rows of usage: each is taken or refused by itself, with its column, its reason and its cure; none is lost."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.receivers.posted import MOST_ROWS, MOST_SHOWN
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.receivers.rows import COLUMNS as TAKEN
from apportion.gateway.receivers.rows import receive

NOW = datetime(2026, 11, 27, 14, 31, tzinfo=UTC).timestamp()
ROW = {"provider": "openai", "called_at": "2026-11-27T13:00:00+01:00", "response_model": "gpt-4o",
       "uncached_input_tokens": 900, "cache_read_tokens": 100, "output_tokens": 50, "call_id": "c-1",
       "tags": {"team": "ml", "feature": "x"}}  # fmt: skip
JSON = {"content-type": "application/json"}


def sent(body: object, *, key: str = "ak_1", tags: dict[str, str] | None = None, **headers: str) -> Answered:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
    return receive(Received("/v1/usage", named, content, key, tags or {}, NOW))


def records(answered: Answered) -> list[dict[str, Any]]:
    return [dict(record) for group in answered.groups for record in group]


def fault(row: dict[str, Any]) -> dict[str, Any]:
    answered = sent([row])
    assert (answered.status, answered.groups) == (422, ())
    (error,) = json.loads(answered.body)["errors"]
    return dict(error)


def test_a_row_becomes_a_record() -> None:
    (record,) = records(sent([ROW], tags={"team": "search"}))
    assert record.pop("record_id").startswith("row_")
    assert record == {
        "via": "rows", "state": "measured", "outcome": "ok", "part": 1, "parts": 1, "requests": 1, "sent_by": "ak_1",
        "provider": "openai", "called_at": "2026-11-27T12:00:00.000000Z", "response_model": "gpt-4o", "call_id": "c-1",
        "uncached_input_tokens": 900, "cache_read_tokens": 100, "output_tokens": 50,
        "tags": {"team": "search", "feature": "x"},
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json", ""])
def test_lines_and_lists(kind: str) -> None:
    lines = b"\n".join(json.dumps(ROW | {"call_id": str(n)}).encode() for n in range(3)) + b"\n"
    assert len(records(sent(lines, content_type=kind))) == 3
    assert len(records(sent([ROW | {"call_id": str(n)} for n in range(3)], content_type="application/json"))) == 3


def test_names_of_other_conventions_are_read() -> None:
    row = {"gen_ai.provider.name": "openai", "timestamp": 1_795_000_000, "completion_tokens": 5.0, "model": "gpt-4o"}
    (record,) = records(sent([row]))
    assert (record["provider"], record["output_tokens"], record["response_model"]) == ("openai", 5, "gpt-4o")


def test_good_rows_are_taken_beside_bad_ones() -> None:
    answered = sent([ROW, 7, ROW | {"output_tokens": -1, "called_at": "yesterday"}, ROW | {"call_id": "c-2"}])
    assert (answered.status, len(answered.groups)) == (200, 2)
    assert answered.counts == {"accepted": 2, "rejected": 2}
    said = json.loads(answered.body)
    assert (said["accepted"], said["rejected"], said["errors_not_shown"]) == (2, 2, 0)
    assert [(error["row"], error["column"]) for error in said["errors"]] == [
        (2, None),
        (3, "called_at"),
        (3, "output_tokens"),
    ]
    assert said["errors"][2]["reason"] == "-1 is below 0"


@pytest.mark.parametrize(
    ("column", "value", "reason", "cure"),
    [
        ("messages", [{"content": "secret"}], "what people or models say", "leave it out"),
        ("prompt", "secret", "what people or models say", "leave it out"),
        ("outptu_tokens", 1, "no column of usage", "did you mean `output_tokens`?"),
        ("zzz", 1, "no column of usage", "make it one of the `tags`"),
        ("input_tokens", 1, "whether cached tokens are among them", "`uncached_input_tokens`"),
        ("output_tokens", "many", "a text and no whole number", "a whole number"),
        ("output_tokens", True, "true or false and no whole number", "a whole number"),
        ("output_tokens", 1.5, "a number and no whole number", "a whole number"),
        ("output_tokens", 10**13, "more than any call has", "what was counted"),
        ("called_at", "2014-12-31", "2014-12-31 is before any such call", "2026-11-27T14:31:00Z"),
        ("called_at", "2026-11-29", "2026-11-29 is in the future", "2026-11-27T14:31:00Z"),
        ("called_at", 1_795_000_000_000, "a number is no instant", "seconds since 1970"),
        ("called_at", True, "true or false is no instant", "seconds since 1970"),
        ("user_id", "x" * 257, "longer than 256 characters", "a name or an id"),
        ("user_id", "a\x00b", "not printable", "a name or an id"),
        ("tags", "team=search", "a text and no object", '{"team": "search"}'),
        ("state", "sure", "none of the three states", "`measured`"),
        ("completion_tokens", 1, "says `output_tokens` twice", "leave one"),
        ("outcome", "fine", "none of the outcomes", "`ok`"),
        ("status", 7, "7 is no status of HTTP", "200"),
        ("processing", "secret", "no kind of processing", "`batch`"),
        ("milliseconds", -5, "-5 is below 0", "what was counted"),
        ("fees", [1], "it is a list", '{"web_searches": 2}'),
        ("fees", {"Web searches": 1}, "a name in it is none", '{"web_searches": 2}'),
        ("fees", {"web_searches": "secret"}, "a text and no whole number", "a whole number"),
        ("cost_reported", "-1", "no amount", '"0.0123"'),
        ("cost_reported", 1e-30, "no amount", '"0.0123"'),
        ("gen_ai.input.messages", ["secret"], "what people or models say", "leave it out"),
        ("record_id", "secret", "the gateway says it itself", "leave it out"),
        ("x" * 5000, 1, "no column of usage", "leave it out"),
    ],
)
def test_what_is_wrong_is_said_with_its_cure(column: str, value: object, reason: str, cure: str) -> None:
    error = fault(ROW | {column: value})
    assert error["row"] == 1
    assert error["column"] == column[:64]
    assert reason in error["reason"]
    assert cure in error["cure"]
    assert "secret" not in json.dumps(error)


@pytest.mark.parametrize("column", ["provider", "called_at"])
def test_what_is_missing_is_named(column: str) -> None:
    error = fault({name: value for name, value in ROW.items() if name != column})
    assert (error["column"], error["reason"]) == (column, f"the row has no `{column}`")


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "body-empty"),
        (b"not json", {}, 400, "body-no-json"),
        (b"a=b", {"content_type": "application/x-www-form-urlencoded"}, 415, "kind-unknown"),
        (json.dumps([ROW] * (MOST_ROWS + 1)).encode(), {}, 413, "too-many-rows"),
        (b"[]", {"idempotency_key": "k" * 256}, 400, "idempotency-key-too-long"),
    ],
)
def test_a_body_of_which_nothing_can_be_used(body: bytes, headers: Any, status: int, code: str) -> None:
    answered = sent(body, tags=None, **headers)
    assert (answered.status, answered.kind) == (status, "application/problem+json")
    assert json.loads(answered.body)["type"] == f"urn:apportion:{code}"


def test_a_list_without_rows_is_no_fault() -> None:
    assert (sent([]).status, json.loads(sent([]).body)["accepted"]) == (200, 0)


def test_a_body_sent_again_is_the_same_records() -> None:
    rows = [ROW, ROW]
    first, again = records(sent(rows, idempotency_key="post-1")), records(sent(rows, idempotency_key="post-1"))
    assert first == again
    assert first[0]["record_id"] != first[1]["record_id"]
    other = records(sent(rows, idempotency_key="post-2"))
    assert {record["record_id"] for record in first} & {record["record_id"] for record in other} == set()
    assert records(sent(rows, key="ak_2", idempotency_key="post-1")) != first
    # Without a key what the row says is its identity, in whatever order it says it.
    assert records(sent([ROW]))[0]["record_id"] == records(sent([dict(reversed(ROW.items()))]))[0]["record_id"]


def test_rows_that_say_the_same_are_each_a_call() -> None:
    alike = {name: value for name, value in ROW.items() if name != "call_id"}
    first, again = records(sent([alike, ROW, alike])), records(sent([alike, ROW, alike]))
    assert len({record["record_id"] for record in first}) == 3
    assert [record["record_id"] for record in first] == [record["record_id"] for record in again]
    # Another body that says the same is taken for the same one sent again; a key tells them apart.
    assert records(sent([alike]))[0]["record_id"] == first[0]["record_id"]
    keys = [records(sent([alike], idempotency_key=key))[0]["record_id"] for key in ("one", "two")]
    assert len({*keys, first[0]["record_id"]}) == 3


def test_what_was_mended_is_sent_again_under_its_key() -> None:
    bad = ROW | {"output_tokens": -1}
    (first,) = records(sent([bad, ROW], idempotency_key="post-1"))
    mended = records(sent([bad | {"output_tokens": 1}, ROW], idempotency_key="post-1"))
    alone = records(sent([bad | {"output_tokens": 1}], idempotency_key="post-1"))
    assert mended[1]["record_id"] == first["record_id"]
    # What is left out changes no name, and another row never takes the name of one that is there.
    assert mended[0]["record_id"] == alone[0]["record_id"] != first["record_id"]


def test_all_that_a_sender_can_know_is_kept() -> None:
    more = {"state": "estimated", "why": "counted by hand", "outcome": "cut", "status": 200, "milliseconds": 10,
            "first_byte_ms": 2, "fees": {"web_searches": 2}, "cost_reported": 0.25, "processing": "batch",
            "workspace": "w-1", "reasoning_tokens": 51}  # fmt: skip
    (record,) = records(sent([ROW | more]))
    assert {name: record[name] for name in more} == more | {"cost_reported": "0.25"}
    assert record["flags"] == ["more reasoning than output"]


def test_a_row_that_counts_nothing_is_refused() -> None:
    row = {"provider": "openai", "called_at": NOW}
    assert fault(row) == {"row": 1, "column": None, "reason": "the row counts nothing",
                          "cure": "give its tokens, `requests` or `fees`"}  # fmt: skip
    assert [sent([row | {name: value}]).status for name, value in (
        ("state", "missing"), ("requests", 1), ("fees", {"images": 1}), ("output_tokens", 0))] == [200] * 4  # fmt: skip


def test_a_list_that_was_cut_off_is_no_lines() -> None:
    body = b"[\n" + b",\n".join(json.dumps(ROW).encode() for _ in range(3))
    assert sent(body).status == 400


def test_hostile_rows_take_little_time() -> None:
    rows = [{f"colum{number}x{place}": 1 for place in range(40)} for number in range(2000)]
    begun = time.process_time()
    said = json.loads(sent(rows).body)
    assert time.process_time() - begun < 5
    assert (said["rejected"], len(said["errors"])) == (2000, MOST_SHOWN)
    assert said["errors"][10] == {"row": 1, "column": None, "reason": "30 further columns are not known",
                                  "cure": "leave them out"}  # fmt: skip


def test_faults_beyond_those_that_are_read_are_counted() -> None:
    said = json.loads(sent([ROW | {"zzz": 1, "yyy": 2}] * MOST_SHOWN).body)
    assert (said["rejected"], len(said["errors"]), said["errors_not_shown"]) == (MOST_SHOWN, MOST_SHOWN, MOST_SHOWN)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
COLUMNS = st.sampled_from([*ROW, *TAKEN, "messages", "input_tokens", "zzz"])


@given(st.lists(st.dictionaries(COLUMNS, ANYTHING, max_size=6) | ANYTHING, min_size=1, max_size=6))
def test_every_row_is_taken_or_refused(rows: list[Any]) -> None:
    answered = sent(rows)
    said = json.loads(answered.body)
    assert said["accepted"] + said["rejected"] == len(rows)
    assert len(answered.groups) == said["accepted"]
    assert answered.status == (200 if said["accepted"] or not said["rejected"] else 422)
    for record in records(answered):
        assert record["provider"]
        assert all(value >= 0 for name, value in record.items() if name.endswith("_tokens"))
        assert "messages" not in record


@given(st.binary(max_size=200))
def test_no_bytes_end_it(body: bytes) -> None:
    assert sent(body).status in {200, 400, 413, 422}
