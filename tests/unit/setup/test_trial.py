"""A run of settings that are nowhere written leaves nothing behind, and says what a check would say."""

from __future__ import annotations

from pathlib import Path

from apportion.config.load import load_text
from apportion.setup.trial import attempt
from tests.errors.folder import make, settings
from tests.unit.setup.folder import bill, charge


def test_the_latest_month_with_cost_its_owners_and_the_dearest_gap(tmp_path: Path) -> None:
    rows = (
        charge("30.00", team=None),
        charge("70.00"),
        charge("1.00", service="Flowers", issuer="X", day="2026-12-01"),
    )
    folder = make(tmp_path / "acme", {"bills/a.csv": bill(*rows)})
    (folder / "apportion.yaml").unlink()
    found = attempt(load_text(settings(), folder), folder, tmp_path / "scratch")
    assert found.errors == []
    assert found.month is not None
    assert (str(found.month.period), found.month.owned, found.month.total) == ("2026-11", 7_000, 10_000)
    assert found.month.gap is not None
    assert (found.month.gap.minor, "the tag `team`" in found.month.gap.cure) == (3_000, True)
    assert sorted(path.name for path in folder.iterdir()) == ["bills"]


def test_errors_of_settings_and_of_data_are_problems(tmp_path: Path) -> None:
    folder = make(tmp_path / "acme", {"bills/a.csv": bill(charge("ten"))})
    assert [p.slug for p in attempt(load_text(settings(), folder), folder, tmp_path / "s").errors] == [
        "number-unreadable"
    ]
    broken = attempt(load_text("company: [", folder), folder, tmp_path / "s")
    assert [p.slug for p in broken.errors] == ["yaml-syntax"]
    assert broken.month is None
