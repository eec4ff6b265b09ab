"""The readers of a run say what the sources hold."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from apportion.setup.study import tag_keys
from tests.unit.setup.folder import bill, calls, charge, proposed, write


def test_rows_spans_money_tags_and_services(tmp_path: Path) -> None:
    folder = write(tmp_path / "acme", {
        "a.csv": bill(charge("1.00"), charge("2.00", team=None), charge("9.00", service="Flowers", issuer="Florist")),
        "c.jsonl": calls(key="k-1", team="search") + calls(user="u-1", app="x"),
        "m.csv": "item,day,team,quantity\nnode,2026-11-01,search,2\n",
    })  # fmt: skip
    seen = proposed(folder, tmp_path / "scratch").study
    bills = seen.extents["bills", "a"]
    assert (bills.rows, bills.first, bills.money) == (3, date(2026, 11, 1), (("USD", Decimal(12)),))
    assert seen.extents["usage", "c"].calls == seen.calls == 2
    assert (seen.charges, seen.currencies) == (2, {"USD": 3})
    assert seen.tags["team"].calls == {"search": 1}
    assert seen.tags["team"].charges == {"search": 1}
    assert seen.tags["app"].calls == {"x": 1}
    assert seen.columns["api_key_id"].calls == {"k-1": 1}
    assert [(kind.service, kind.category, kind.charges) for kind in seen.kinds] == [("OpenAI API", "inference", 2)]
    assert (seen.items, seen.meter_tags) == ({"m": frozenset({"node"})}, frozenset({"team"}))


def test_the_tags_of_calls_are_their_tags_and_the_columns_that_are_none_of_ours(tmp_path: Path) -> None:
    text = "called_at,provider,model,output_tokens,team_id,prompt,tags\n"
    text += '2026-11-03,openai,m,1,search,hello,"{""env"": ""prod"", ""deep"": {""a"": 1}}"\n'
    found = proposed(write(tmp_path / "acme", {"c.csv": text}), tmp_path / "scratch")
    assert tag_keys(found.draft.sources[0]) == ["env", "team_id"]
