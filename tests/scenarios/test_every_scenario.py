"""What holds for every scenario alike: a clean check, and runs that can be repeated.

That the certificate is ok and that invoices are statements and named accounts is looked at after every run of
every scenario, by `Project.ready`.
"""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.project import FOLDER

FOLDERS = sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("apportion.yaml"))


def test_every_folder_is_in_the_list() -> None:
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in FOLDERS if f"| `{name}` |" not in listed] == []


@pytest.mark.parametrize("name", ["s02", "s04/spread", "s07/day_weighted", "s08/seat_price", "s12/pro_rata", "s17"])
def test_check_finds_no_error(scenario: Opened, name: str) -> None:
    assert "error[" not in scenario(name).check().err


@pytest.mark.parametrize("name", ["s01", "s03/variance_to_central", "s10/by_reservation"])
def test_a_second_run_changes_nothing(fresh: Opened, name: str) -> None:
    project = fresh(name)
    before = [project.owed(), project.pools().rows, project.claims()]
    project.run()
    assert [project.owed(), project.pools().rows, project.claims()] == before
