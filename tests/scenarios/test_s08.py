"""S08: seats of which one joins late, one moves and three sleep."""

from __future__ import annotations

from tests.scenarios.conftest import Opened

BY_PRICE = {"eng": "526.50", "data": "267.80", "design": "78.00", "IT": "117.00"}


def test_by_seat_price_with_idle_seats_at_their_owner(scenario: Opened) -> None:
    project = scenario("s08/seat_price")
    assert project.owed() == BY_PRICE
    assert project.statement().all_total("total") == "989.30"
    (invoice,) = project.table("invoices").rows
    assert invoice["invoice"] == "989.30"


def test_idle_seats_are_shown_apart(scenario: Opened) -> None:
    project = scenario("s08/seat_price")
    idle = {claim["owner"]: claim["amount"] for claim in project.claims() if claim["role"] != "use"}
    assert idle == {"IT": "117.00"}


def test_the_same_with_a_named_owner_of_idle_seats(fresh: Opened) -> None:
    project = fresh("s08/seat_price")
    project.edit("apportion.yaml", "idle: owner", "idle: {to: IT}")
    seats = project.folder / "seats/assistant.csv"
    seats.write_text(seats.read_text(encoding="utf-8").replace(",IT,", ",,"), encoding="utf-8")
    assert project.owed() == BY_PRICE


def test_before_the_move_and_the_late_seat(fresh: Opened) -> None:
    project = fresh("s08/seat_price")
    project.drop_row("bills/assistant.csv", "14.30")
    project.drop_row("seats/assistant.csv", "s-d07")
    project.edit("directory/people.csv", "e14,eng,2026-01-01,2026-11-15", "e14,eng,2026-01-01,")
    project.drop_row("directory/people.csv", "e14,data")
    assert project.owed() == {"eng": "546.00", "data": "234.00", "design": "78.00", "IT": "117.00"}


def test_by_active_users(scenario: Opened) -> None:
    project = scenario("s08/active_users")
    assert project.owed() == {"eng": "620.45", "data": "265.91", "design": "88.64"}
    weights = {claim["owner"]: int(str(claim["weight"])) for claim in project.claims()}
    assert weights == {"eng": 14, "data": 6, "design": 2}


def test_utilisation_and_cost_per_active_user(scenario: Opened) -> None:
    (seats,) = scenario("s08/active_users").table("seats").rows
    assert (seats["seats"], seats["assigned"], seats["used"], seats["idle"]) == (25, 22, 22, 3)
    assert (seats["utilisation"], seats["cost"], seats["per_active_user"]) == ("88.00", "975.00", "44.32")


def test_no_activity_data_is_never_all_active(fresh: Opened) -> None:
    project = fresh("s08/active_users")
    seats = project.folder / "seats/assistant.csv"
    seats.write_text(seats.read_text(encoding="utf-8").replace("2026-11-27T10:00:00Z", ""), encoding="utf-8")
    project.run()
    (row,) = project.table("seats").rows
    assert [row[name] for name in ("used", "utilisation", "per_active_user")] == [None, None, None]
