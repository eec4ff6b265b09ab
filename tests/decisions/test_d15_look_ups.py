"""D15: a look-up key is a column, else a dimension; dimensions run in dependency order; circles are refused.

Ruled out: a dimension hides the column of its name; dimensions are worked out in the order of the file; a
circle is cut silently.
"""

from __future__ import annotations

import pytest

from apportion.errors import ProblemsFound
from tests.decisions.company import DIRECT, call, charge
from tests.decisions.conftest import Make

FILES = {
    "owners.csv": "project,team\nas-column,column-team\nas-tag,tag-team\n",
    "centers.csv": "team,cost_center\ncolumn-team,CC-1\n",
    "entities.csv": "cost_center,entity\nCC-1,E-1\n",
}
SOURCES = """
directory:
  - {name: owners, type: lookup, path: owners.csv}
  - {name: centers, type: lookup, path: centers.csv}
  - {name: entities, type: lookup, path: entities.csv}
"""


PROJECT = """
dimensions:
  project: [{tag: project}]
  team: [{lookup: {key: project, in: owners, take: team}}]
"""


def test_a_column_goes_before_the_dimension_of_its_name(company: Make) -> None:
    calls = [call(100, project="as-column", tags={"project": "as-tag"})]
    found = company(SOURCES + PROJECT + DIRECT, [charge("10.00")], calls, FILES).run()
    assert found.owed() == {"column-team": "10.00"}


def test_a_tag_is_read_as_received(company: Make) -> None:
    """The dimension reads its tag, also where a column of that name says something else."""
    calls = [call(100, project="as-column", tags={"project": "as-tag"})]
    found = company(SOURCES + PROJECT + DIRECT, [charge("10.00")], calls, FILES).run()
    assert found.owed(by="project") == {"as-tag": "10.00"}


def test_dimensions_run_in_dependency_order(company: Make) -> None:
    """Entity needs the cost centre, which needs the team; they are written the other way round."""
    settings = (
        SOURCES
        + """
dimensions:
  entity: [{lookup: {key: cost_center, in: entities, take: entity}}]
  cost_center: [{lookup: {key: team, in: centers, take: cost_center}}]
  team: [{lookup: {key: project, in: owners, take: team}}]
"""
        + DIRECT
    )
    found = company(settings, [charge("10.00")], [call(100, project="as-column")], FILES).run()
    assert found.owed(by="entity") == {"E-1": "10.00"}


def test_a_circle_is_refused_and_named(company: Make) -> None:
    settings = (
        SOURCES
        + """
dimensions:
  cost_center: [{lookup: {key: squad, in: centers, take: cost_center, on: team}}]
  squad: [{lookup: {key: cost_center, in: centers, take: team}}]
  team: [{tag: team}]
"""
    )
    found = company(settings, [charge("10.00")], files=FILES)
    with pytest.raises(ProblemsFound) as said:
        found.run()
    circles = [problem.message for problem in said.value.problems if problem.slug == "dimension-circle"]
    assert circles == ["Dimensions need each other in a circle: cost_center → squad → cost_center."]
