"""One JSON document is its records: lists, pages and buckets, with every digit; what holds none says so."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apportion.normalize import json_document
from apportion.normalize.bytestream import UnreadableFile
from apportion.normalize.json_document import document_records
from tests.unit.normalize.tables import connect, item, reasons, rows, run

_LEAVES = st.none() | st.booleans() | st.text() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
_RECORDS = st.lists(st.dictionaries(st.text(), st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3))))


def records(tmp_path: Path, text: str | bytes) -> list[object]:
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [json.loads(line) for line in document_records(path, packed=False)]


def written(value: object) -> str:
    """JSON whose numbers are written as their own text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n ".join(written(each) for each in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value)


def told(value: object) -> object:
    """The same value with its numbers as text."""
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items()}
    if isinstance(value, list):
        return [told(each) for each in value]
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


@given(_RECORDS, st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_keeps_every_digit(tmp_path: Path, given_records: list[dict[str, object]], page: bool) -> None:
    text = written(given_records)
    if page:
        text = f'{{"object": "page", "data": {text}, "has_more": false, "next_page": null}}'
    assert records(tmp_path, text) == told(given_records)


def test_the_results_of_a_bucket_are_records_with_its_fields(tmp_path: Path) -> None:
    report = {
        "object": "page",
        "data": [
            {"start_time": 1730419200, "results": [{"input_tokens": 1, "model": "a"}, {"start_time": 5, "model": "b"}]},
            {"start_time": 1730505600, "results": []},
            {"start_time": 1730592000, "results": [{"model": "c"}]},
        ],
        "has_more": False,
    }
    assert records(tmp_path, json.dumps(report)) == [
        {"start_time": "1730419200", "input_tokens": "1", "model": "a"},
        {"start_time": "5", "model": "b"},
        {"start_time": "1730592000", "model": "c"},
    ]


def test_the_list_of_a_page_is_known_by_its_name(tmp_path: Path) -> None:
    assert records(tmp_path, '{"total_seats": 1, "seats": [{"id": "x"}], "errors": []}') == [{"id": "x"}]
    assert records(tmp_path, '{"data": [{"id": "x"}], "users": [{"id": "y"}]}') == [{"id": "x"}]
    assert records(tmp_path, '{"data": [], "has_more": false}') == []
    assert records(tmp_path, b"\xef\xbb\xbf[]") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5", "one value"),
        ('{"id": 1}', "without a list"),
        ('{"tools": [{"x": 1}]}', "without a list"),
        ('{"data": [{"x": 1}], "rows": [{"y": 1}]}', "several lists, data and rows"),
        ('[{"cost": NaN}]', "NaN is no number"),
        ('[{"a": 1}', "no JSON document"),
        ('{"a": 1}\n{"a": 2}\n', "no JSON document"),
        ("[" * 200_000, "nested too deeply"),
        (b'[{"a": "\xff"}]', "no JSON document"),
    ],
)
def test_what_holds_no_records_says_so(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(UnreadableFile, match=says) as found:
        records(tmp_path, text)
    assert "as .jsonl" in found.value.cure


def test_a_document_that_is_too_large_or_cut_off_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'[{"a": 1}]')[:-9])
    with pytest.raises(UnreadableFile, match="cannot be read"):
        document_records(tmp_path / "a.json.gz", packed=True)
    monkeypatch.setattr(json_document, "_MOST_BYTES", 9)
    with pytest.raises(UnreadableFile, match="more than 0 MiB"):
        records(tmp_path, '[{"a": 1}]')


def test_a_bill_as_a_document_is_read_to_the_last_digit(tmp_path: Path) -> None:
    con = connect()
    text = (
        '[{"BilledCost": 1.10, "BillingCurrency": "USD", "ChargePeriodStart": "2026-11-03", "Tags": {"team": "a"}},'
        ' "a prompt that strayed here",\n'
        ' {"BilledCost": 0.123456789012345678, "BillingCurrency": "USD", "ChargePeriodStart": "2026-11-03"}]'
    )
    done = run(con, [item(tmp_path, "charges", "a.json", text)])
    found = rows(con, "SELECT source_row, billed_cost, tags['team'] FROM charges ORDER BY source_row")
    assert found == [(1, Decimal("1.10"), "a"), (3, Decimal("0.123456789012345678"), None)]
    assert reasons(con) == {2: "row-broken"}
    assert rows(con, "SELECT excerpt FROM quarantine") == [(None,)]
    (control,) = done.control
    assert (control.rows_in, control.rows_out, control.rows_quarantined) == (3, 2, 1)
