"""Choices that hold for the whole project: policies, scope, categories and what is left unallocated."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator

from apportion.config.written import Dated, Number, Owner, Text, When, Whole, Written, choice

Category = Literal["training", "inference", "licensing", "overhead"]
CATEGORIES: tuple[Category, ...] = ("training", "inference", "licensing", "overhead")


class KeptBy(Written):
    """Names the owner that keeps an amount."""

    to: Owner
    """The owner that keeps it, or the pool that it feeds."""


class Bank(Written):
    """Names the owner that keeps credits."""

    bank: Owner
    """The owner that gets every credit."""


class Account(Written):
    """Names the account that keeps tax."""

    account: Text
    """The account of finance that tax stays in."""


class Variance(Written):
    """What happens to the difference between the invoice and the metered cost."""

    policy: Literal["scale_to_invoice", "to"] = "scale_to_invoice"
    """Spread over the metered cost, or kept apart."""
    to: Owner | None = None
    """Who keeps it; only with the policy `to`."""


class Credits(Written):
    """Who gets the credits of an invoice."""

    policy: Literal["pro_rata", "bank"] = "pro_rata"
    """Everyone by their usage, or one owner."""
    bank: Owner | None = None
    """Who keeps them; only with the policy `bank`."""


class Tax(Written):
    """Who bears the tax of an invoice."""

    policy: Literal["on_net", "account"] = "on_net"
    """Everyone on their net, or an account of finance."""
    account: Text | None = None
    """The account that it stays in; only with the policy `account`."""


VarianceChoice = Annotated[
    Variance,
    BeforeValidator(
        choice("to", "to", ("scale_to_invoice",)), json_schema_input_type=Literal["scale_to_invoice"] | KeptBy
    ),
]
CreditsChoice = Annotated[
    Credits,
    BeforeValidator(choice("bank", "bank", ("pro_rata",)), json_schema_input_type=Literal["pro_rata"] | Bank),
]
TaxChoice = Annotated[
    Tax,
    BeforeValidator(choice("account", "account", ("on_net",)), json_schema_input_type=Literal["on_net"] | Account),
]


class Reconcile(Written):
    """How far metered cost may lie from the invoice, in percent of the invoice."""

    warn: Number = Decimal(1)
    """Above this a warning is shown, in percent."""
    block: Number = Decimal(5)
    """Above this `reconcile` refuses, in percent."""


class Policies(Written):
    """How the project treats what no single rule decides."""

    variance: VarianceChoice = Variance()
    """The difference between invoice and metered cost: `scale_to_invoice` or `{to: OWNER}`."""
    credits: CreditsChoice = Credits()
    """Credits: `pro_rata` over the usage of their invoice, or `{bank: OWNER}`."""
    tax: TaxChoice = Tax()
    """Tax: `on_net` of each owner, or `{account: NAME}`."""
    fx: Literal["month_average", "invoice_date"] = "month_average"
    """Which rate converts an invoice into the ledger currency."""
    active_days: Whole = 30
    """A seat is used if it was active within so many days inside the period."""
    headcount: Literal["day_weighted", "month_end"] = "day_weighted"
    """Whether heads count by the day or as of the last day of the period."""
    users: Literal["name", "pseudonym", "hidden"] = "name"
    """How people are shown."""
    keep_runs: Whole = 30
    """For how many days the files of a run stay that a later one has replaced; never those of a closed period's run."""
    reconcile: Reconcile = Reconcile()
    """The thresholds of `reconcile`."""
    prepaid: Literal["effective"] = "effective"
    """Commitments are allocated by effective cost; the difference to the bill lies in the prepaid account."""


class Scope(Written):
    """What of a bill is AI at all; the rest is kept and shown as out of scope."""

    ai: Literal["default", "none"] = "default"
    """`default`: AI services, GPU and TPU machines are in; `none`: only what is listed here."""
    include: tuple[When, ...] = ()
    """Charges that are in as well."""
    exclude: tuple[When, ...] = ()
    """Charges that are out whatever else says."""
    resources: tuple[Text, ...] = ()
    """Resource ids that are in."""


class CategoryRule(Dated):
    """Puts charges into a category; the first rule that matches wins, before the built-in ones."""

    category: Category
    """The category."""
    when: When
    """Which charges."""


class Unallocated(Written):
    """What happens to cost that has no owner."""

    keep: bool = True
    """Leave it with the owner `unallocated`."""
    spread_by: Literal["attributed_cost"] | None = None
    """Spread it in a second pass, shown in the shared layer."""
