"""What is proposed is right, and little is left: measured where the test knows every owner and the product does not.

A proposal is never judged by hiding tags and guessing them back: tags are not missing by chance.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from apportion.books.decisions import Decision
from apportion.period import Period
from apportion.pipeline import run
from apportion.pipeline.decide import take
from apportion.pipeline.search import Search, search
from apportion.project import Project
from apportion.propose import Proposal
from tests.hidden_owners.company import SETTINGS, SILENT, write

SEEDS = range(1, int(os.environ.get("APPORTION_HIDDEN_COMPANIES", "2")) + 1)
CALLS = int(os.environ.get("APPORTION_HIDDEN_CALLS", "12000"))
OCTOBER = Period(2026, 10)


@dataclass(frozen=True)
class Judged:
    """A company after everything proposed was approved.

    Attributes:
        found: The search before.
        moved: What approved proposals gave to an owner, in nano-units.
        right: What of it is the owner's that only the test knows.
        silent: What the team that never tags got of it.
        left: What nobody owns, in nano-units.
    """

    found: Search
    moved: int
    right: int
    silent: int
    left: int

    @property
    def unowned(self) -> int:
        """What nobody owned before, in nano-units."""
        return self.found.found.unallocated * 10_000_000


def approval(one: Proposal, start: Period) -> Decision:
    rule = replace(one.rule, start=start.start)
    return Decision("approve", rule.rule_id, rule.to_json(), one.evidence(), "a test", "2026-11-01T00:00:00Z")


@pytest.fixture(scope="module", params=SEEDS)
def judged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("hidden") / "company"
    write(folder, request.param, CALLS)
    project = Project.open(folder)
    run(project)
    found = search(project, None)
    # The dearest last: the order of approval must not matter.
    take(project, [approval(one, found.period) for one in reversed(found.found.proposals)])
    return _judge(folder, found)


def _judge(folder: Path, found: Search) -> Judged:
    """Let the project read what was hidden, now that everything is decided."""
    settings = (folder / "apportion.yaml").read_text(encoding="utf-8")
    assert settings == SETTINGS.format(seed=settings.split("Hidden ")[1].split("\n")[0])
    seen = settings.replace("{team: [{tag: team}]}", "{team: [{tag: team}], truth: [{tag: truth}]}")
    (folder / "apportion.yaml").write_text(seen, encoding="utf-8")
    project = Project.open(folder)
    run(project)
    with project.view(OCTOBER) as view:
        row = view.engine.connection.execute(
            """SELECT
              SUM(cost_nano) FILTER (w.evidence LIKE 'approved%' AND a.layer = 'rule')::BIGINT,
              SUM(cost_nano) FILTER (w.evidence LIKE 'approved%' AND a.layer = 'rule' AND a.owner = a.truth)::BIGINT,
              SUM(cost_nano) FILTER (w.evidence LIKE 'approved%' AND a.layer = 'rule' AND a.owner = $silent)::BIGINT,
              COALESCE(SUM(cost_nano) FILTER (a.owner = 'unallocated'), 0)::BIGINT
            FROM allocated_charges AS a
            LEFT JOIN dimension_ways AS w ON w.dimension = 'team' AND w.via = a.team_via
            WHERE a.owner NOT LIKE 'pool:%'""",
            {"silent": SILENT},
        ).fetchone()
    assert row is not None
    return Judged(found, *row)


def test_of_the_money_that_moves_99_percent_is_right(judged: Judged) -> None:
    assert judged.right * 100 >= judged.moved * 99


def test_80_percent_of_the_money_that_nobody_owned_has_an_owner(judged: Judged) -> None:
    assert judged.moved * 100 >= judged.unowned * 80


def test_the_team_that_never_tags_gets_its_part(judged: Judged) -> None:
    assert judged.silent > 0


def test_what_was_promised_moves(judged: Judged) -> None:
    promised = sum(one.minor for one in judged.found.found.proposals) * 10_000_000
    moved = judged.unowned - judged.left
    # A cent or two for each pool's rounding.
    assert abs(promised - moved) <= 10_000_000 * 3


def test_directories_come_first(judged: Judged) -> None:
    kinds = [one.rule.kind for one in judged.found.found.proposals]
    assert kinds.count("join") == 2
    assert judged.found.found.proposals[0].rule.words == "user_id → team as people says"


def test_a_registry_is_not_asked_for_keys_that_others_use(judged: Judged) -> None:
    (keys,) = [one for one in judged.found.found.proposals if one.rule.directory == "keys"]
    assert keys.rule.but
    assert all(int(key.removeprefix("k-")) >= 42 for key in keys.rule.but)
