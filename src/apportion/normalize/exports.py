"""Exports of the clouds that are no FOCUS bill: recognised by their columns, with the mapping that reads them.

Sources: AWS Cost and Usage Report data dictionary, Azure cost and usage details file schema, Google Cloud
Billing export to BigQuery (standard usage cost); each provider's own documentation, read 2026-11-23.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ruamel.yaml import YAML

from apportion.focus import DATE_FORMAT, fold

# What bills of no known form call their money.
_MONEY = ("UnblendedCost", "CostInBillingCurrency", "PreTaxCost", "cost", "net_amount", "amount", "total_cost", "total")


@dataclass(frozen=True)
class Export:
    """A form of export.

    Attributes:
        name: For people.
        marks: It has at least one column of each group.
        columns: Which of its columns, in any of its spellings, stand for which of ours.
        provider: Whose it is, as `set: {provider_name: …}` says it.
        days: How a column writes its days, where that must be said.
    """

    name: str
    marks: tuple[tuple[str, ...], ...]
    columns: Mapping[str, tuple[str, ...]]
    provider: str
    days: Mapping[str, str] = field(default_factory=dict)


_EXPORTS = (
    Export(
        "an AWS Cost and Usage Report",
        (("lineItem/UnblendedCost", "line_item_unblended_cost"),),
        {
            "billed_cost": ("lineItem/UnblendedCost", "line_item_unblended_cost"),
            "billing_currency": ("lineItem/CurrencyCode", "line_item_currency_code"),
            "billing_period_start": ("bill/BillingPeriodStartDate", "bill_billing_period_start_date"),
            "charge_period_start": ("lineItem/UsageStartDate", "line_item_usage_start_date"),
            "charge_period_end": ("lineItem/UsageEndDate", "line_item_usage_end_date"),
            "billing_account_id": ("bill/PayerAccountId", "bill_payer_account_id"),
            "service_name": ("lineItem/ProductCode", "line_item_product_code"),
            "sku_meter": ("lineItem/UsageType", "line_item_usage_type"),
            "charge_description": ("lineItem/LineItemDescription", "line_item_line_item_description"),
            "resource_id": ("lineItem/ResourceId", "line_item_resource_id"),
            "sub_account_id": ("lineItem/UsageAccountId", "line_item_usage_account_id"),
        },
        "AWS",
    ),
    Export(
        "an Azure cost export",
        (("CostInBillingCurrency", "PreTaxCost", "Cost"), ("MeterCategory", "ConsumedService", "MeterId")),
        {
            "billed_cost": ("CostInBillingCurrency", "PreTaxCost", "Cost"),
            "billing_currency": ("BillingCurrency", "BillingCurrencyCode", "Currency"),
            "billing_period_start": ("BillingPeriodStartDate",),
            "charge_period_start": ("Date", "UsageDateTime", "UsageDate"),
            "billing_account_id": ("BillingAccountId",),
            "service_name": ("MeterCategory", "ConsumedService"),
            "sku_meter": ("MeterName",),
            "charge_description": ("ProductName", "Product"),
            "sub_account_name": ("SubscriptionName",),
        },
        "Microsoft",
    ),
    Export(
        "a Google Cloud billing export",
        (("cost",), ("usage_start_time",), ("currency",)),
        {
            "billed_cost": ("cost",),
            "billing_currency": ("currency",),
            "billing_period_start": ("invoice.month", "invoice_month"),
            "charge_period_start": ("usage_start_time",),
            "charge_period_end": ("usage_end_time",),
            "billing_account_id": ("billing_account_id",),
            "service_name": ("service.description", "service_description"),
            "sku_meter": ("sku.description", "sku_description"),
            "sub_account_id": ("project.id", "project_id"),
            "tags": ("labels",),
        },
        "Google Cloud",
        {"invoice.month": "%Y%m"},
    ),
)


def recognise(header: Sequence[str]) -> Export | None:
    """The form of export that a bill's columns show; None for any other."""
    have = {fold(name) for name in header}
    for export in _EXPORTS:
        if all(any(fold(mark) in have for mark in group) for group in export.marks):
            return export
    return None


def mapping(export: Export, header: Sequence[str], known: Collection[str]) -> str:
    """What to paste into the source: `columns: {…}, set: {…}`.

    Args:
        export: The form.
        header: The file's columns.
        known: Our columns that are found already.
    """
    columns, constants = mapped(export, header, known)
    return _written({**({"columns": columns} if columns else {}), **({"set": constants} if constants else {})})


def mapped(
    export: Export, header: Sequence[str], known: Collection[str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The same as two mappings: the file's columns by ours, and the values of columns that it lacks.

    Args:
        export: The form.
        header: The file's columns.
        known: Our columns that are found already.
    """
    spelled = {fold(name): name for name in reversed(header)}
    columns = {}
    for ours, theirs in export.columns.items():
        there = [spelled[fold(name)] for name in theirs if fold(name) in spelled]
        if there and ours not in known:
            columns[ours] = there[0]
    constants = {} if "provider_name" in known else {"provider_name": export.provider}
    used = {fold(name) for name in columns.values()}
    days = [form for name, form in export.days.items() if fold(name) in used]
    return columns, constants | ({DATE_FORMAT: days[0]} if days else {})


def money_column(header: Sequence[str]) -> str | None:
    """The column that most likely holds the money."""
    spelled = {fold(name.rpartition("/")[2]): name for name in reversed(header)}
    return next((spelled[fold(name)] for name in _MONEY if fold(name) in spelled), None)


def _written(said: Mapping[str, Mapping[str, str]]) -> str:
    """As it stands in a line of YAML, without the outer braces."""
    yaml, text = YAML(), io.StringIO()
    yaml.default_flow_style, yaml.width, yaml.allow_unicode = True, 1_000_000, True
    yaml.dump({key: dict(value) for key, value in said.items()}, text)
    return text.getvalue().strip().removeprefix("{").removesuffix("}")
