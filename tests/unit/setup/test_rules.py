"""Rules fit what was seen: machines by their meter, tools by their seats, models by calls, the rest by heads."""

from __future__ import annotations

from apportion.setup.draft import Lens
from apportion.setup.rules import categories, divisions, text
from apportion.setup.sources import Source, group
from apportion.setup.study import Kind, Study, Values
from tests.unit.setup.folder import item

OWNER = Lens("team", (({"tag": "team", "also": ("Team",)}, ""),))


def kind(service: str, category: str, *, gpu: bool = False, resources: str = "", tags: str = "") -> Kind:
    return Kind(service, category, gpu, 1, frozenset(resources.split()), frozenset(), frozenset(tags.split()))


def source(name: str, table: str, header: str) -> Source:
    return group([item(f"{name}.csv", table, tuple(header.split(",")))], [f"{name}.csv"])[0]


def made(study: Study, *sources: Source) -> dict[str, dict[str, object]]:
    return {rule.name: dict(rule.says) for rule in divisions(study, sources, OWNER)}


def test_a_meter_divides_the_machines_that_it_measured() -> None:
    meter = source("gpu_hours", "meters", "item,day,team,quantity,capacity")
    study = Study(
        kinds=(kind("EC2", "overhead", gpu=True, resources="node-a other"),),
        items={"gpu_hours": frozenset({"node-a"})},
        meter_tags=frozenset({"team"}),
    )
    rule = {"when": "resource_id = 'node-a'", "method": "proportional", "meter": "gpu_hours", "idle": "spread"}
    assert made(study, meter) == {"metered-gpu_hours": rule}


def test_a_meter_whose_rows_name_nobody_divides_nothing() -> None:
    study = Study(kinds=(kind("EC2", "overhead", resources="n"),), items={"m": frozenset({"n"})})
    assert list(made(study, source("m", "meters", "item,day,quantity"))) == ["overhead"]


def test_seats_divide_the_charges_of_their_tool() -> None:
    study = Study(kinds=(kind("GitHub Copilot", "licensing"), kind("Cursor", "licensing")))
    rules = made(study, source("copilot", "seats", "seat_id,assigned_to,price"))
    assert rules["seats-copilot"] == {
        "when": "service_name = 'GitHub Copilot'", "method": "seats", "seats": "copilot", "weight": "seat_price",
    }  # fmt: skip
    assert rules["licensing"]["method"] == "direct"


def test_heads_share_what_serves_everyone_after_the_charges_that_name_their_owner() -> None:
    study = Study(kinds=(kind("A", "overhead", tags="Team"), kind("B", "overhead")))
    rules = made(study, source("people", "roster", "person,team"))
    assert rules["overhead-tagged"]["when"] == "category = 'overhead' and (tags.Team)"
    assert list(rules) == ["overhead-tagged", "overhead"]
    assert rules["overhead"] == {"when": "category = 'overhead'", "method": "headcount"}


def test_calls_alone_have_a_rule_for_the_bill_to_come() -> None:
    assert list(made(Study(calls=1))) == ["inference"]
    assert made(Study()) == {}


def test_a_tag_that_says_training_is_a_category() -> None:
    tags = {"job type": Values(charges={"finetune": 2, "chat": 9}), "team": Values(charges={"train-co": 1})}
    assert categories(Study(tags=tags)) == (("training", "tags.\"job type\" = 'finetune'", "on 2 AI charges"),)


def test_texts_are_quoted_as_conditions_write_them() -> None:
    assert text("it's") == "'it''s'"
