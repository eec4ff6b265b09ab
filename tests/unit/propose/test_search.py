"""One company in which each key is a case of its own: what is proposed, what is not, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from apportion.books.decisions import Decision
from apportion.period import Period
from apportion.pipeline import run
from apportion.pipeline.decide import take, try_out
from apportion.pipeline.search import Search, search
from apportion.project import Project
from apportion.propose import Proposal
from tests.errors.folder import say

HEAD = "called_at,provider,billing_account_id,model,input_tokens,requests,api_key_id,user_id,app,team\n"
SETTINGS = """company: Cases
currency: USD
bills: [{name: focus, type: focus, path: "bills.csv"}]
usage: [{name: calls, path: "calls.csv", tokens: exclusive}]
directory:
  - {name: people, type: roster, path: "people.csv"}
  - {name: keys, type: lookup, path: "keys.csv"}
prices: {overrides: "prices.yaml"}
categories: [{category: inference, when: "provider = 'pelion'"}]
dimensions: {team: [{tag: team}], app: [{tag: app}]}
allocate: [{name: inference, category: inference, method: direct}]
"""
PRICES = """prices:
  - {provider: pelion, model: test-1, from: 2026-01-01, source: a test, checked: 2026-11-26,
     currency: USD, input: 10000.00}
"""
PEOPLE = "person,team,valid_from,valid_to\nann,search,2026-01-01,2026-10-16\nann,growth,2026-10-16,\n"
KEYS = "api_key_id,team\nk-registered,search\nk-lent,search\n"
MONTH = range(1, 29)
LATE = range(22, 32)


def rows(key: str, team: str, days: range, calls: int = 10, user: str = "", app: str = "") -> Iterator[str]:
    """Calls of a key on some days, each of one token and so of one cent."""
    for day in days:
        yield f"2026-10-{day:02d}T10:00:00Z,pelion,acct-1,test-1,{calls},{calls},{key},{user},{app},{team}\n"


def calls() -> list[str]:
    """The cases; a row without a team is a call that carries none."""
    found: list[str] = []

    def add(*args: object, **named: object) -> None:
        found.extend(rows(*args, **named))  # type: ignore[arg-type]

    add("k-base", "growth", MONTH, 100)
    add("k-base", "platform", MONTH, 100)
    add("k-base", "support", MONTH, 100)
    # It agrees.
    add("k-plain", "search", MONTH)
    add("k-plain", "", MONTH, 4)
    # Too few calls, and too few days.
    add("k-few", "search", range(1, 8), 4)
    add("k-few", "", MONTH, 1)
    add("k-brief", "search", range(28, 32), 20)
    add("k-brief", "", MONTH, 1)
    # It changed hands a week ago.
    add("k-sold", "search", range(1, 25), 200)
    add("k-sold", "growth", LATE, 20)
    add("k-sold", "", MONTH, 1)
    # Somebody who never tags uses it too: strangers, and calls that name nobody where all others do.
    add("k-lodger", "search", MONTH, user="sam")
    add("k-lodger", "", MONTH, 2, user="zoe")
    add("k-unnamed", "search", MONTH, user="sam")
    add("k-unnamed", "", MONTH, 2)
    # Two share it, and only with the app can they be told apart.
    add("k-apps", "search", MONTH, app="finder")
    add("k-apps", "growth", MONTH, app="mailer")
    add("k-apps", "", MONTH, 2, app="finder")
    add("k-base", "growth", MONTH, 10, app="finder")
    # Two share it three to one.
    add("k-two", "support", MONTH, 30)
    add("k-two", "growth", MONTH, 10)
    add("k-two", "", MONTH, 4)
    # A person whom the roster has, with a move on the 16th; and keys of the registry, one of them lent.
    add("k-nobody", "", range(10, 22), 1, user="ann")
    add("k-registered", "search", MONTH)
    add("k-registered", "", MONTH, 3)
    add("k-lent", "search", MONTH)
    add("k-lent", "support", MONTH)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company, run once."""
    folder = tmp_path_factory.mktemp("cases")
    lines = calls()
    total = sum(int(line.split(",")[4]) for line in lines)
    cost = f"{total // 100}.{total % 100:02d}"
    files = {
        "apportion.yaml": SETTINGS,
        "prices.yaml": PRICES,
        "people.csv": PEOPLE,
        "keys.csv": KEYS,
        "calls.csv": HEAD + "".join(lines),
        "bills.csv": "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,"
        "ChargePeriodEnd,InvoiceIssuerName,InvoiceId,ServiceName,ServiceCategory,ChargeCategory,BillingAccountId,"
        f"ProviderName\n{cost},{cost},USD,2026-10-01,2026-11-01,2026-10-01,2026-11-01,Pelion,PEL-1,Pelion API,"
        "AI and Machine Learning,Usage,acct-1,pelion\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    run(Project.open(folder))
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> Search:
    return search(Project.open(folder), None)


def by_words(found: Search) -> dict[str, Proposal]:
    return {one.rule.words: one for one in found.found.proposals}


def why_not(found: Search, words: str) -> str:
    (one,) = [one for one in found.found.near if one.rule.words == words]
    return one.why_not


def test_a_key_whose_calls_agree(found: Search) -> None:
    one = by_words(found)["api_key_id k-plain → search"]
    assert (one.counted.owned, one.counted.agree, one.counted.days, one.minor) == (280, 280, 28, 4 * 28)


def test_too_few_calls_and_too_few_days(found: Search) -> None:
    assert why_not(found, "api_key_id k-few → search") == "28 of its calls carry an owner; 30 are asked"
    assert why_not(found, "api_key_id k-brief → search") == "its owned calls are of 4 days; 5 are asked"


def test_a_key_that_changed_hands(found: Search) -> None:
    assert why_not(found, "api_key_id k-sold → search").startswith("in the last seven days ")


@pytest.mark.parametrize("key", ["k-lodger", "k-unnamed"])
def test_the_guard_against_those_who_never_tag(found: Search, key: str) -> None:
    said = why_not(found, f"api_key_id {key} → search")
    assert said == "100.0 % of its unowned calls are of people never seen in an owned one; at most 25 % is asked"


def test_two_fields_together(found: Search) -> None:
    one = by_words(found)["api_key_id k-apps and app finder → search"]
    assert one.minor == 2 * 28
    assert "app finder → search" not in by_words(found)


def test_a_key_that_two_share_is_divided_as_it_is_used(found: Search) -> None:
    one = by_words(found)["api_key_id k-two → support 75.00 %, growth 25.00 %"]
    assert (one.rule.kind, one.minor) == ("split", 4 * 28)


def test_a_roster_is_connected_as_of_the_day(found: Search) -> None:
    assert by_words(found)["user_id → team as people says"].minor == 12


def test_a_registry_without_the_key_that_is_lent(found: Search) -> None:
    one = by_words(found)["api_key_id → team as keys says, but for 1 of its keys"]
    assert (one.rule.but, one.minor) == (("k-lent",), 3 * 28)


def test_the_amounts_add_up_to_what_nobody_owns(found: Search) -> None:
    carried = sum(int(line.split(",")[4]) for line in calls() if line.endswith(",\n"))
    assert found.found.unallocated == carried
    assert sum(one.minor for one in found.found.proposals) <= carried


def test_the_same_search_says_the_same(folder: Path, found: Search) -> None:
    again = search(Project.open(folder), None)
    assert again.found == found.found


def decided(kind: str, one: Proposal, undoes: int | None = None) -> Decision:
    rule = replace(one.rule, start=Period(2026, 10).start)
    return Decision(
        kind, rule.rule_id, rule.to_json(), one.evidence(), "ana", "2026-11-02T08:00:00Z", undoes=undoes,  # type: ignore[arg-type]
    )  # fmt: skip


def test_everything_at_once_moves_what_was_promised(folder: Path, found: Search) -> None:
    project = Project.open(folder)
    rules = [replace(one.rule, start=found.period.start) for one in found.found.proposals]
    (moved,) = try_out(project, rules, rules)
    promised = sum(one.minor for one in found.found.proposals)
    assert moved.before.owners["unallocated"] - moved.after.owners["unallocated"] == promised
    assert moved.before.whole == moved.after.whole
    # Ann's 12 calls: six days in search, six in growth.
    assert moved.after.owners["growth"] - moved.before.owners["growth"] == 6 + 28
    assert project.approved() == []


def test_a_preview_shows_every_month_that_an_approval_would_touch(folder: Path, found: Search) -> None:
    project = Project.open(folder)
    with project.books() as books, books.reading() as reading:
        published = [Period.parse(text) for text in reading.periods()]
    rules = [replace(one.rule, start=published[0].start) for one in found.found.proposals]
    previewed = try_out(project, rules, rules)
    assert [moved.period for moved in previewed] == published
    later = [replace(rule, start=found.period.end) for rule in rules]
    assert try_out(project, later, later) == []


def test_what_says_the_same_of_some_calls_as_a_rejected_rule_is_not_proposed_either(found: Search) -> None:
    rule = by_words(found)["api_key_id k-plain → search"].rule
    narrow = replace(rule, rule_id="P-1", fields=(*rule.fields, "provider"), values=(*rule.values, "openai"))
    assert rule.repeats(narrow)
    assert narrow.repeats(rule)
    assert not narrow.repeats(replace(rule, owner="growth"))
    assert not narrow.repeats(replace(rule, fields=("user_id",), values=("ann",)))
    assert not narrow.repeats(replace(rule, kind="split"))


def test_rejected_it_is_not_proposed_again_until_that_is_undone(folder: Path, found: Search) -> None:
    project = Project.open(folder)
    one = by_words(found)["api_key_id k-plain → search"]
    assert take(project, [decided("reject", one)]) == []
    assert "api_key_id k-plain → search" not in by_words(search(project, None))
    with project.books() as books, books.reading() as reading:
        number = reading.decisions()[-1].number
    assert take(project, [decided("undo", one, number)]) == []
    assert by_words(search(project, None)).keys() == by_words(found).keys()


@pytest.mark.parametrize(("users", "shown"), [("name", "ann"), ("pseudonym", "u-"), ("hidden", "(hidden)")])
def test_people_are_shown_as_the_project_says(folder: Path, tmp_path: Path, users: str, shown: str) -> None:
    text = (folder / "apportion.yaml").read_text(encoding="utf-8")
    lines = [*rows("", "search", MONTH, user="ann"), *rows("k-base", "growth", MONTH), *rows("", "", MONTH, user="ann")]
    for name in ("prices.yaml", "bills.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "calls.csv").write_text(HEAD + "".join(lines), encoding="utf-8")
    directory = text[text.index("directory:") : text.index("prices:")]
    settings = text.replace(directory, f"policies: {{users: {users}}}\n")
    (tmp_path / "apportion.yaml").write_text(settings.replace("app: [{tag: app}]", "user: [{column: user_id}]"))
    assert say(tmp_path, "run").code == 0
    listed = say(tmp_path, "propose", "--format", "json")
    (first, _) = json.loads(listed.out)["rows"]
    assert shown in first["says"]
    said = say(tmp_path, "propose", first["proposal"]).out + listed.out
    assert ("ann" in said) == (users == "name")
