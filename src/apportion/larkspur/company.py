"""Who Larkspur is: its people with their moves, its customers with what they pay, its seats.

Everything is made up. Whatever looks like chance comes from one seeded source (`drawn`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from functools import cache

SEED = 2026
MONTHS = ((2026, 7), (2026, 8), (2026, 9), (2026, 10))
TEAMS = ("support", "search", "data-science", "growth", "platform", "finance-ops")

# The reorganisation: four people of growth, who build the assistant, belong to support from this day on.
REORGANISED_ON = date(2026, 9, 16)
REORGANISED = ("p-054", "p-055", "p-056", "p-057")

_STARTED = date(2025, 1, 1)
_AT_THE_START = {"support": 24, "search": 14, "data-science": 10, "growth": 13, "platform": 11, "finance-ops": 6}
_JOINED = (
    ("support", date(2026, 7, 20)),
    ("data-science", date(2026, 8, 3)),
    ("search", date(2026, 8, 17)),
    ("platform", date(2026, 9, 1)),
    ("support", date(2026, 9, 14)),
    ("growth", date(2026, 10, 5)),
)
# The first day on which they are no longer here.
_LEFT = {
    "p-009": date(2026, 8, 15),
    "p-031": date(2026, 9, 12),
    "p-050": date(2026, 10, 10),
    "p-070": date(2026, 10, 24),
}
_MOVED = {"p-036": ("data-science", date(2026, 8, 10))}
# fmt: off
_FIRST = (
    "Ada", "Ben", "Cleo", "Dev", "Esme", "Finn", "Gala", "Hugo", "Iris", "Jude", "Kit", "Lena", "Milo", "Nora", "Owen",
    "Pia", "Quinn", "Rosa", "Sami", "Tess", "Udo",
)
_LAST = (
    "Alder", "Briar", "Clover", "Fern", "Heath", "Ivory", "Jasper", "Lark", "Marlow", "Nettle", "Oak", "Pine", "Reed",
    "Rowan", "Sage", "Thorne", "Vine", "Wren", "Yarrow",
)
# fmt: on
# Three of four people of these teams have a seat of the coding assistant.
_CODERS = ("search", "data-science", "platform", "growth")
SEAT_PRICE = "39.00"


def drawn(*what: object) -> random.Random:
    """A source of chance for one purpose: what one part draws never moves another's numbers."""
    return random.Random(" ".join(map(str, (SEED, *what))))  # noqa: S311 - a story, no secret


@dataclass(frozen=True)
class Stay:
    """One person in one team for one span of days, the end out."""

    person: str
    name: str
    team: str
    start: date
    end: date | None


@cache
def stays() -> tuple[Stay, ...]:
    """The roster: 84 people, in the order of their ids."""
    at_work = [(team, _STARTED) for team, count in _AT_THE_START.items() for _ in range(count)]
    found = []
    for number, (team, start) in enumerate([*at_work, *_JOINED]):
        person = f"p-{number + 1:03d}"
        name = f"{_FIRST[number * 5 % len(_FIRST)]} {_LAST[number * 7 % len(_LAST)]}"
        to, day = ("support", REORGANISED_ON) if person in REORGANISED else _MOVED.get(person, ("", None))
        if day:
            found.append(Stay(person, name, team, start, day))
            team, start = to, day  # noqa: PLW2901 - the same person from that day on
        found.append(Stay(person, name, team, start, _LEFT.get(person)))
    return tuple(found)


def members(team: str, day: date) -> list[str]:
    """The people of a team on a day."""
    return [s.person for s in stays() if s.team == team and s.start <= day and (s.end is None or day < s.end)]


@dataclass(frozen=True)
class Seat:
    """A seat of the coding assistant; nobody holds an unassigned one, and a sleeping one is not used."""

    seat: str
    person: str
    asleep: bool = False


@cache
def seats() -> tuple[Seat, ...]:
    """Forty seats: some of those held are asleep, and what nobody holds is paid for as well."""
    first = date(*MONTHS[0], 1)
    coders = [person for team in _CODERS for person in members(team, first)]
    holders = [person for place, person in enumerate(coders) if (place + 1) % 4 and person not in _LEFT]
    asleep = set(holders[5::12])
    held = [Seat(f"seat-{n:02d}", person, person in asleep) for n, person in enumerate(holders, start=1)]
    return (*held, *(Seat(f"seat-{n:02d}", "") for n in range(len(held) + 1, 41)))


# Monthly revenue in USD of each customer; birch pays little and asks much: it costs more than it pays.
REVENUE = {
    "acacia": 2400, "birch": 30, "cedar": 1900, "dogwood": 900, "elder": 1250, "fir": 760, "ginkgo": 3100, "hazel": 540,
    "ivy": 1480, "juniper": 820, "kauri": 2050, "linden": 690, "maple": 1720, "nutmeg": 430,
}  # fmt: skip
CUSTOMERS = tuple(REVENUE)
LOSS_MAKER = "birch"
# A customer asks once for each 250 USD that it pays; the loss-maker asks as much as the largest.
ASKING = tuple(name for name, paid in REVENUE.items() for _ in range(12 if name == LOSS_MAKER else 1 + paid // 250))
