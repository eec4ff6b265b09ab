"""The search: directories that could be joined first, then keys that mean an owner, then keys that two share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from duckdb import DuckDBPyConnection

from apportion.config.approved import OwnerRule
from apportion.config.settings import Settings
from apportion.period import Period
from apportion.propose.calls import Fields, fields_of, prepare
from apportion.propose.joins import joins
from apportion.propose.mining import RECENT, Bar, Miner, pairs
from apportion.propose.money import Unowned
from apportion.propose.proposal import Proposal
from apportion.report.cents import cents
from apportion.report.context import Context

_ByKey = dict[tuple[int, ...], dict[tuple[str | None, ...], int]]

_MOST_NEAR = 50
_MOST_EXAMPLES = 3


@dataclass(frozen=True)
class Found:
    """What a search found in a period.

    Attributes:
        proposals: What may be approved, by the money that it would move.
        near: What came near, and why it is no proposal, by the list cost of its unowned calls.
        unallocated: In minor units, before any of it.
        attributed: Cost that evidence or a rule owns, in minor units.
        total: All AI cost, in minor units.
    """

    proposals: tuple[Proposal, ...]
    near: tuple[Proposal, ...]
    unallocated: int
    attributed: int
    total: int


def find(
    con: DuckDBPyConnection,
    settings: Settings,
    context: Context,
    period: Period,
    directory: pa.Table,
    decided: Callable[[OwnerRule], bool],
    bar: Bar | None = None,
) -> Found:
    """Search a period.

    Args:
        con: Has the tables of a run whose cells kept `calls.IDENTITY`.
        settings: With the owner rules that are approved.
        context: Of its reports.
        period: Which.
        directory: Every row of the project's directories that names an owner: lookup, on_column, take_column, key,
            value, valid_from, valid_to.
        decided: Whether a rule was rejected, or is approved for other days.
        bar: What evidence must reach.
    """
    columns = [row[0] for row in con.execute("SELECT column_name FROM (DESCRIBE usage_cells)").fetchall()]
    fields = fields_of(settings, columns)
    prepare(con, settings, period, fields)
    search = _Search(con, settings, fields, bar or Bar(), decided)
    search.join(directory)
    search.mine()
    money = Unowned(con, period)
    posted = cents(con, context, period)
    found = [
        replace(proposal, minor=money.of[number], examples=search.examples(proposal))
        for number, proposal in search.chosen.items()
        if money.of.get(number)
    ]
    found.sort(key=lambda proposal: (-abs(proposal.minor), proposal.rule.rule_id))
    return Found(
        tuple(found),
        tuple(search.near[:_MOST_NEAR]),
        money.total,
        sum(posted.by_layer.get(layer, 0) for layer in ("direct", "rule")),
        posted.total,
    )


class _Search:
    """Chooses, one kind after the other; what one has, the next does not see."""

    def __init__(
        self,
        con: DuckDBPyConnection,
        settings: Settings,
        fields: Fields,
        bar: Bar,
        decided: Callable[[OwnerRule], bool],
    ) -> None:
        self.chosen: dict[int, Proposal] = {}
        self.near: list[Proposal] = []
        self._con = con
        self._settings = settings
        self._fields = fields
        self._bar = bar
        self._decided = decided

    def join(self, directory: pa.Table) -> None:
        """Directories: each in turn has what those before it leave."""
        self._con.register("directory", directory)
        done: set[str] = set()
        while proposal := self._next_join(done):
            done.add(proposal.rule.rule_id)
            number = len(self.chosen) + 1
            # What a directory says is known from here on: it shows whose keys are used by whom.
            self._con.execute(
                """UPDATE asked_calls SET state = 'known', owner = d."value", rule_no = $number FROM directory AS d
                WHERE asked_calls.state = 'unknown' AND d.lookup = $lookup AND d.on_column = $on
                  AND d.take_column = $take AND asked_calls.said[$place] = d."key"
                  AND asked_calls.day >= d.valid_from AND asked_calls.day < d.valid_to
                  AND NOT list_contains($but, d."key")""",
                {
                    "number": number,
                    "lookup": proposal.rule.directory,
                    "on": proposal.rule.on,
                    "take": proposal.rule.owner,
                    "but": list(proposal.rule.but),
                    "place": self._fields.names.index(proposal.rule.fields[0]) + 1,
                },
            )
            if self._has(number):
                self.chosen[number] = proposal

    def _next_join(self, done: Collection[str]) -> Proposal | None:
        """The strongest directory that is left; each is weighed anew with what those before it told."""
        found = joins(self._con, self._settings, self._fields, self._bar)
        open_ = [one for one in found if one.rule.rule_id not in done and not self._decided(one.rule)]
        fit = [one for one in open_ if one.fits]
        if not fit:
            self.near += open_
        return fit[0] if fit else None

    def mine(self) -> None:
        """Single fields, then two together, then splits of single fields."""
        latest = self._con.execute("SELECT MAX(day) FROM asked_calls").fetchone()
        if latest is None or latest[0] is None:
            return
        miner = Miner(self._con, self._fields, latest[0] - RECENT, self._bar)
        single = miner.weigh([(name,) for name in self._fields.strong])
        self._choose([proposal for proposal in single if proposal.fits])
        apart = miner.weigh(pairs(self._fields)) if self._left() else []
        self._choose([proposal for proposal in apart if proposal.fits])
        failed = [proposal for proposal in single if not proposal.fits]
        splits = {proposal.rule.antecedent: miner.as_split(proposal) for proposal in failed}
        self._choose([proposal for proposal in splits.values() if proposal])
        divided = {one.rule.antecedent for one in self.chosen.values() if one.rule.kind == "split"}
        self.near += sorted(
            (one for one in failed if one.rule.antecedent in divided or self._untouched(one.rule)),
            key=lambda one: (-one.counted.unowned, one.rule.rule_id),
        )

    def examples(self, proposal: Proposal) -> tuple[tuple[str, str, int], ...]:
        """Tagged calls that say otherwise, the most first."""
        rule = proposal.rule
        if rule.kind == "join":
            return ()
        where = " AND ".join(f"said[{self._fields.names.index(name) + 1}] = ?" for name in rule.fields)
        owners = [owner for owner, _ in rule.shares] or [rule.owner]
        rows = self._con.execute(
            f"""SELECT day, owner, SUM(calls)::BIGINT AS calls FROM asked_calls
            WHERE state = 'known' AND {where} AND NOT list_contains(?, owner)
            GROUP BY day, owner ORDER BY calls DESC, day, owner LIMIT {_MOST_EXAMPLES}""",
            [*rule.values, owners],
        ).fetchall()
        return tuple((str(day), owner, calls) for day, owner, calls in rows)

    def _choose(self, fit: Sequence[Proposal]) -> None:
        """Of what fits, the fewest that say the same; the others would move nothing more."""
        open_ = [proposal for proposal in fit if not self._decided(proposal.rule)]
        groups = self._groups()
        by_key = self._by_key(open_)
        matched = [self._matches(said, by_key) for said, _ in groups]
        kept = _needed(open_, matched, [picos for _, picos in groups])
        rows = []
        for (said, _), matches in zip(groups, matched, strict=True):
            first = next((at for at in matches if at in kept), None)
            if first is not None:
                rows.append((said, len(self.chosen) + 1 + kept.index(first)))
        numbers = {number for _, number in rows}
        start = len(self.chosen)
        for place, at in enumerate(kept):
            if start + 1 + place in numbers:
                self.chosen[start + 1 + place] = open_[at]
        if rows:
            table = pa.table(
                {
                    "said": pa.array([list(said) for said, _ in rows], pa.list_(pa.string())),
                    "number": pa.array([number for _, number in rows], pa.int32()),
                }
            )
            self._con.register("chosen_groups", table)
            self._con.execute(
                """UPDATE asked_calls SET state = 'proposed', rule_no = g.number FROM chosen_groups AS g
                WHERE asked_calls.state = 'unknown' AND asked_calls.said = g.said"""
            )
            self._con.unregister("chosen_groups")

    def _matches(self, said: Sequence[str | None], by_key: _ByKey) -> list[int]:
        """Which of the proposals a call meets, the strongest first."""
        found = []
        for places, numbers in by_key.items():
            number = numbers.get(tuple(said[place] for place in places))
            if number is not None:
                found.append(number)
        return found

    def _by_key(self, fit: Sequence[Proposal]) -> _ByKey:
        """The proposals by the fields and values that they read, the strongest fields first."""
        found: _ByKey = {}
        places = [tuple(self._fields.names.index(name) for name in proposal.rule.fields) for proposal in fit]
        for number in sorted(range(len(fit)), key=places.__getitem__):
            found.setdefault(places[number], {})[fit[number].rule.values] = number
        return found

    def _groups(self) -> list[tuple[tuple[str | None, ...], int]]:
        """What the unowned calls say of themselves, each with its list cost."""
        rows = self._con.execute(
            "SELECT said, SUM(picos)::HUGEINT FROM asked_calls WHERE state = 'unknown' GROUP BY said ORDER BY said"
        ).fetchall()
        return [(tuple(said), int(picos)) for said, picos in rows]

    def _has(self, number: int) -> bool:
        return self._one("SELECT COUNT(*) FROM asked_calls WHERE rule_no = ?", [number]) > 0

    def _left(self) -> bool:
        return self._one("SELECT COUNT(*) FROM asked_calls WHERE state = 'unknown'", []) > 0

    def _untouched(self, rule: OwnerRule) -> bool:
        """Whether calls of a rule are still without a proposal."""
        where = " AND ".join(f"said[{self._fields.names.index(name) + 1}] = ?" for name in rule.fields)
        return self._one(f"SELECT COUNT(*) FROM asked_calls WHERE state = 'unknown' AND {where}", list(rule.values)) > 0

    def _one(self, query: str, values: Sequence[object]) -> int:
        row = self._con.execute(query, values).fetchone()
        return int(row[0]) if row else 0


def _needed(fit: Sequence[Proposal], matched: Sequence[Sequence[int]], picos: Sequence[int]) -> list[int]:
    """The proposals that must stay for every call to get the owner that the strongest of all would give it.

    Those that decide least go first, so that one key stays rather than each of its people.
    """
    weight: dict[int, int] = defaultdict(int)
    of: dict[int, list[int]] = defaultdict(list)
    for group, (matches, cost) in enumerate(zip(matched, picos, strict=True)):
        for number in matches:
            weight[number] += cost
            of[number].append(group)
    kept = set(of)
    for number in sorted(kept, key=lambda n: (weight[n], fit[n].rule.rule_id)):
        without = kept - {number}
        if all(_same(matched[group], kept, without, fit) for group in of[number]):
            kept = without
    return sorted(kept, key=lambda n: (-weight[n], fit[n].rule.rule_id))


def _same(matches: Sequence[int], kept: set[int], without: set[int], fit: Sequence[Proposal]) -> bool:
    now = next((number for number in matches if number in kept), None)
    then = next((number for number in matches if number in without), None)
    if now == then:
        return True
    return now is not None and then is not None and fit[now].rule.target == fit[then].rule.target
