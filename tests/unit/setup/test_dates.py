"""The form of days is told from all of their values; where two would do, that is said."""

from __future__ import annotations

import pytest

from apportion.setup.dates import Form, form_of


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2026-11-03", "2026-11-03T10:00:00Z", "2026-11"], Form(None)),
        ([], Form(None)),
        (["1762164000000000000"], Form(None)),
        (["09/22/2023", "09/01/2023"], Form("%m/%d/%Y")),
        (["22/09/2023", "01/09/2023"], Form("%d/%m/%Y")),
        (["9/2/2023"], Form("%m/%d/%Y", doubtful=True)),
        (["5/1/25"], Form("%m/%d/%y", doubtful=True)),
        (["03.11.2026"], Form("%d.%m.%Y")),
        (["2026-10-01 00:00:00 +0000 UTC"], Form("%Y-%m-%d %H:%M:%S +0000 UTC")),
        (["soon"], Form(None, known=False)),
        (["13/13/2023"], Form(None, known=False)),
    ],
)
def test_the_form_that_reads_every_value(values: list[str], form: Form) -> None:
    assert form_of(values) == form
