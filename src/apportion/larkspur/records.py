"""The rest of the project folder: the directory, the meters, the seats, and what is written by hand."""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from pathlib import Path

from apportion.larkspur.bills import GPUS, NODE
from apportion.larkspur.company import CUSTOMERS, MONTHS, REVENUE, SEAT_PRICE, drawn, seats, stays
from apportion.larkspur.usage import days, write_csv
from apportion.larkspur.workloads import GPUS_IDLE

# GPU-hours of a day, at most; what is left of the node's 96 is idle.
_JOBS = {"search": (30, 44), "data-science": (14, 30), "growth": (2, 8)}


def write_people(folder: Path) -> None:
    """The roster, with a row for each stay in a team."""
    write_csv(
        folder / "people.csv",
        [
            {"person": s.person, "name": s.name, "team": s.team, "valid_from": s.start, "valid_to": s.end or ""}
            for s in stays()
        ],
    )


def write_seats(folder: Path) -> None:
    """A file of seats for each month; a seat that sleeps was last used in June."""
    for year, month in MONTHS:
        last = calendar.monthrange(year, month)[1]
        after = date(year, month, last) + timedelta(days=1)
        rows: list[dict[str, object]] = []
        for seat in seats():
            day = 1 + drawn("seat", seat.seat, year, month).randrange(10, last)
            used = "2026-06-11T09:00:00Z" if seat.asleep else f"{year}-{month:02d}-{day:02d}T09:00:00Z"
            rows.append(
                {
                    "tool": "copilot",
                    "seat_id": seat.seat,
                    "assigned_to": seat.person,
                    "price": SEAT_PRICE,
                    "valid_from": date(year, month, 1),
                    "valid_to": after,
                    "last_active_at": used if seat.person else "",
                }
            )
        write_csv(folder / f"copilot-{year}-{month:02d}.csv", rows)


def write_meters(folder: Path) -> None:
    """GPU-hours of the node by day and team, and each customer's revenue by month."""
    hours: list[dict[str, object]] = []
    revenue: list[dict[str, object]] = []
    for month in range(len(MONTHS)):
        for day in days(month):
            chance = drawn("gpu", day)
            idle = day in GPUS_IDLE
            # The first row of a day says what there was, whether or not anybody used it.
            hours.append({"item": NODE, "day": day, "team": "", "quantity": "0", "capacity": GPUS * 24})
            for team, (least, most) in _JOBS.items():
                used = 0 if idle else chance.randrange(least * 4, most * 4)
                if used:
                    quantity = f"{used // 4}.{used % 4 * 25:02d}"
                    hours.append({"item": NODE, "day": day, "team": team, "quantity": quantity, "capacity": ""})
        for customer in CUSTOMERS:
            given = {"item": "assist", "day": days(month)[-1], "customer": customer}
            revenue.append({**given, "quantity": f"{REVENUE[customer]}.00"})
    write_csv(folder / "gpu_hours.csv", hours)
    write_csv(folder / "revenue.csv", revenue)
