"""S06: an invoice in euro, a company in yen, and a currency without a rate."""

from __future__ import annotations

import json

from tests.scenarios.conftest import Opened
from tests.scenarios.project import added

MISSING = "s06/missing_rate"


def test_the_invoice_is_converted_once(scenario: Opened) -> None:
    project = scenario("s06/month_average")
    assert project.owed() == {"atlas": "548.54", "beacon": "441.50", "comet": "347.85"}
    assert project.statement().all_total("total") == "1337.89"
    assert project.pool()["amount"] == "1337.89"


def test_the_invoice_shows_both_currencies_and_the_rate(scenario: Opened) -> None:
    project = scenario("s06/month_average")
    (invoice,) = project.table("invoices").rows
    assert (invoice["currency"], invoice["invoice"]) == ("EUR", "1337.89")
    assert added([invoice["rate"]]) == added(["1.0837"])
    (bridge,) = project.certificate()["bridge"]["rows"]
    assert (bridge["currency"], bridge["rows"]) == ("EUR", "1234.56")
    assert bridge["ledger"] == {"amount": "1337.89", "currency": "USD"}


def test_the_yen_has_no_cents(scenario: Opened) -> None:
    project = scenario("s06/yen")
    assert project.owed() == {"team-a": "33334", "team-b": "33333", "team-c": "33333"}
    assert project.statement().all_total("total") == "100000"


def test_no_export_in_yen_has_a_decimal_point(scenario: Opened) -> None:
    project = scenario("s06/yen").ready()
    for words in (["--format", "csv"], ["--format", "json"]):
        said = project.call("statement", "--period", "2026-11", *words).out
        assert "33334" in said
        assert not [part for part in said.replace('"', " ").split() if part.startswith(("33334.", "33333.", "100000."))]


def test_an_invoice_without_a_rate_is_not_converted(scenario: Opened) -> None:
    project = scenario(MISSING)
    said = project.check(code=3)
    assert "EUR" in said.out + said.err
    assert "1,234.56 EUR" in said.out + said.err
    warned = project.run().err
    assert "1,234.56 EUR" in warned
    assert project.owed() == {"atlas": "50.00", "beacon": "50.00"}
    (invoice,) = [row for row in project.table("invoices").rows if row["currency"] == "EUR"]
    assert invoice["status"] == "not converted"
    assert invoice["invoice"] is None
    assert invoice["rate"] is None


def test_no_rate_is_never_a_rate_of_one(scenario: Opened) -> None:
    said = json.dumps(scenario(MISSING).ready().data("statement", "--period", "2026-11")["rows"], default=str)
    assert "1234" not in said
