"""What Larkspur asks of models, and the truths that are planted in it.

Each truth has its number in the answer key; the constants here are where it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cache

KINDS = ("input", "cache_read", "output")
OPENAI, ANTHROPIC, BEDROCK = "openai", "anthropic", "aws.bedrock"
ACCOUNTS = {OPENAI: "org-larkspur", ANTHROPIC: "larkspur-anthropic", BEDROCK: "410220330440"}

# The price of gpt-5.5 falls in mid-month.
PRICE_CHANGED_ON = date(2026, 8, 16)
# A release of the assistant breaks its prompt cache.
CACHE_BROKE_ON = date(2026, 10, 14)
CACHED_BEFORE, CACHED_AFTER = 710, 120
# A script of growth calls in a loop through a Sunday.
LOOP_ON, LOOP_CALLS, LOOP_PERSON = date(2026, 10, 11), 4_000, "p-060"
# Two days of the gateway's log arrive twice.
RESENT = (date(2026, 8, 21), date(2026, 8, 22))
# Nobody's jobs ran on the GPU node.
GPUS_IDLE = (date(2026, 10, 24), date(2026, 10, 25))
# Bedrock is contracted from July and used from August on; its minimum is due anyway.
BEDROCK_FROM = date(2026, 8, 1)
# One program of search misspells its team.
MISSPELT = "serach"


@cache
def prices(model: str, day: date) -> tuple[Fraction, Fraction, Fraction]:
    """USD per million tokens on a day, in the order of KINDS."""
    if model == "gpt-5.5":
        table = ("5", "0.5", "30") if day < PRICE_CHANGED_ON else ("4", "0.4", "24")
    else:
        table = _PRICES[model]
    return (Fraction(table[0]), Fraction(table[1]), Fraction(table[2]))


_PRICES = {
    "claude-opus-5": ("5", "0.5", "25"),
    "claude-sonnet-5": ("2", "0.2", "10"),
    "claude-haiku-4-5": ("1", "0.1", "5"),
    "gpt-5.4-mini": ("0.75", "0.075", "4.5"),
    "text-embedding-3-small": ("0.01", "0", "0"),
    "amazon.nova-pro-v1:0": ("0.8", "0.2", "3.2"),
}


@dataclass(frozen=True)
class Workload:
    """One program that calls a model: what its calls say of themselves, and how large they are.

    Attributes:
        name: Of the program.
        provider: Who answers.
        model: Which.
        team: Whose it is in truth; empty where each caller's team is.
        key: The API key's public id.
        calls: On a working day and on a day off, before growth.
        tokens: Input, whereof cached in thousandths, and output, of a mean call.
        project: The vendor's own project, where calls say no team.
        tags: What every call carries.
        by_customer: Whether its calls name the customer they serve.
        by_person: Whether its calls name who made them.
        gateway: Whether it goes through the gateway, which logs each call; else the vendor's hourly export has it.
        hours: When it runs, UTC.
        batch: Whether the vendor bills it as a batch.
    """

    name: str
    provider: str
    model: str
    team: str
    key: str
    calls: tuple[int, int]
    tokens: tuple[int, int, int]
    project: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    by_customer: bool = False
    by_person: bool = False
    gateway: bool = True
    hours: tuple[int, int] = (6, 19)
    batch: bool = False


WORKLOADS = (
    Workload(
        "assist-reply", ANTHROPIC, "claude-sonnet-5", "support", "k-support-1", (210, 80),
        (110_000, CACHED_BEFORE, 2_500),
        tags={"team": "support", "feature": "assist-reply", "env": "prod"}, by_customer=True,
    ),
    Workload(
        "summarise", ANTHROPIC, "claude-haiku-4-5", "support", "k-support-2", (160, 70), (40_000, 440, 1_500),
        tags={"feature": "summarise", "env": "production"}, by_customer=True,
    ),
    Workload(
        "semantic-search", OPENAI, "gpt-5.4-mini", "search", "k-search-1", (1_150, 760), (8_000, 600, 500),
        project="search", gateway=False, hours=(0, 24),
    ),
    Workload(
        "answers", OPENAI, "gpt-5.5", "search", "k-search-2", (110, 50), (60_000, 500, 2_000),
        tags={"team": MISSPELT, "feature": "answers", "env": "prd"}, by_customer=True,
    ),
    Workload(
        "indexing", OPENAI, "text-embedding-3-small", "search", "k-search-index", (130, 130), (400_000, 0, 0),
        project="search", gateway=False, hours=(1, 4), batch=True,
    ),
    Workload(
        "code-review", ANTHROPIC, "claude-opus-5", "", "k-code", (85, 8), (150_000, 810, 3_000),
        tags={"feature": "code-review", "env": "dev"}, by_person=True,
    ),
    Workload(
        "campaign-copy", OPENAI, "gpt-5.5", "growth", "k-growth-1", (50, 4), (12_000, 0, 2_500),
        tags={"team": "growth", "feature": "campaign-copy", "env": "staging"}, by_person=True,
    ),
    Workload(
        "lead-scoring", ANTHROPIC, "claude-haiku-4-5", "growth", "k-growth-2", (120, 0), (15_000, 200, 600),
        tags={"feature": "lead-scoring", "env": "prod"},
    ),
    Workload(
        "invoice-reader", BEDROCK, "amazon.nova-pro-v1:0", "finance-ops", "k-fin-1", (160, 160), (32_000, 0, 1_000),
        project="finance-ops", gateway=False, hours=(2, 5),
    ),
    Workload(
        "notebooks", ANTHROPIC, "claude-opus-5", "data-science", "k-lab", (42, 8), (60_000, 300, 4_000),
        tags={"team": "data-science", "env": "dev"},
    ),
    Workload(
        "what-if", ANTHROPIC, "claude-opus-5", "growth", "k-lab", (18, 2), (60_000, 300, 4_000),
        tags={"team": "growth", "env": "dev"},
    ),
    Workload(
        "lab-by-name", ANTHROPIC, "claude-opus-5", "data-science", "k-lab", (11, 2), (60_000, 300, 4_000),
        by_person=True,
    ),
    Workload("lab-silent", ANTHROPIC, "claude-opus-5", "growth", "k-lab", (14, 3), (60_000, 300, 4_000)),
    Workload(
        "search-bot", OPENAI, "gpt-5.5", "search", "k-7f", (40, 40), (40_000, 400, 1_500),
        tags={"team": "search", "feature": "answers", "env": "prod"}, hours=(0, 24),
    ),
    Workload("search-bot-old", OPENAI, "gpt-5.5", "search", "k-7f", (45, 45), (40_000, 400, 1_500), hours=(0, 24)),
)  # fmt: skip

# A runaway script makes the calls of this program.
LOOPING = "campaign-copy"
