"""Many names of a tag stand for one dimension; what can be no dimension is none."""

from __future__ import annotations

import pytest

from apportion.config.dimensions import RESERVED
from apportion.setup.words import dimension_of, environment_map, is_label


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Team", "team"),
        ("resourceTags/user:team", "team"),
        ("resource_tags_user_cost_center", "cost_center"),
        ("x_cost_center", "cost_center"),
        ("CostCentre", "cost_center"),
        ("label_team", "team"),
        ("env", "environment"),
        ("ComputeType", "compute_type"),
        (" org", "organization"),
        ('we"ird: key #', "we_ird_key"),
        ("\u202eteam", "team"),
        ("model", None),
        ("provider", None),
        ("123", None),
        ("", None),
    ],
)
def test_the_dimension_of_a_tag(key: str, name: str | None) -> None:
    assert dimension_of(key) == name


def test_no_reserved_name_becomes_a_dimension() -> None:
    assert {dimension_of(name) for name in RESERVED} <= {None, "team"}


def test_environments_under_two_names_are_one() -> None:
    assert environment_map({"prod", "prd", "dev"}) == {"prod": "production", "prd": "production"}
    assert environment_map({"prod", "dev"}) == {}
    assert environment_map({"production", "prd"}) == {"prd": "production"}


def test_labels_group_nothing() -> None:
    assert is_label("Full Name")
    assert not is_label("team")
