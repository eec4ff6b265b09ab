"""The certificate counts every total again and never signs a difference."""

from __future__ import annotations

import json

from apportion.report.certificate import StageControl, certificate
from tests.unit.report.company import PERIOD, Claim, context, larkspur

STAGES = [StageControl("normalize", "billed cost", "2,580.00 USD", "9f2c", ok=True)]


def test_every_cent_placed_once() -> None:
    found = certificate(larkspur().con, context(), PERIOD, STAGES, posted_minor=108_000)
    assert found.ok
    assert found.line == (
        "✓ every cent placed once: charges 1,080.00 = allocated 1,080.00 = posted 1,080.00 = statements 1,080.00"
    )
    assert found.line in found.to_text()
    assert json.loads(found.to_json()) == found.to_data()
    assert found.to_data()["amounts"]["posted"] == {"amount": "1080.00", "currency": "USD"}


def test_a_difference_anywhere_is_not_signed() -> None:
    made = larkspur()
    assert not certificate(made.con, context(), PERIOD, STAGES, posted_minor=107_999).ok
    failed = [StageControl("price", "calls", "1", "", ok=False)]
    assert not certificate(made.con, context(), PERIOD, failed).ok
    made.con.execute(
        "UPDATE allocated_charges SET cost_nano = cost_nano + 1 WHERE pool_id = 'tax' AND owner = 'support'"
    )
    found = certificate(made.con, context(), PERIOD, STAGES)
    assert not found.ok
    assert found.line.startswith("✗")
    assert "1 nano-units more" in found.tables[0].notes[0]


def test_estimates_are_named() -> None:
    made = larkspur()
    made.pool("est", [Claim("support", 1_263)], status="estimate", invoice_key="estimate|o")
    made.invoice("estimate|o", ledger_minor=1_263, ai_minor=1_263, status="estimate")
    found = certificate(made.con, context(), PERIOD, STAGES)
    assert found.ok
    assert "12.63 USD of estimates" in found.tables[0].notes[0]
