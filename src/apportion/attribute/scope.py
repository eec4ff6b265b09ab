"""What of a bill is AI: every charge becomes `ai` or `out_of_scope`, with a reason.

Order: what the user excludes, then what they include or list as resources, then the built-in catalogue
(AI services, and machines with a GPU, a TPU or another accelerator). Tags never decide by themselves. Out of
scope is kept, totalled and shown, never allocated. A GPU that stays out is a Problem with its money.

The catalogue's patterns meet each distinct kind of charge once, not each row of a bill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from importlib.resources import files

import duckdb
from sqlglot import exp

from apportion.attribute.catalogue import EVIDENCE, BillRule, bill_rules, evidence_columns, first_match
from apportion.attribute.categories import built_in_rules, category_rule_sql, category_sql
from apportion.config.conditions import Name, Resolve
from apportion.config.policies import CategoryRule, Scope
from apportion.errors import Place, Problem
from apportion.money import show, to_minor

_OFFSETS = ("credit", "tax", "adjustment")
# Names of a service that say nothing about what was bought.
_NO_SERVICE = (
    r"^(( *[|] *)|(sales |service |digital )?tax(es)?|vat|gst|hst|credits?|promotional credits?|refunds?"
    r"|discounts?|adjustments?|rounding( error)?|invoice|fees?|other|none|null|n/a|-|marketplace"
    r"|(aws |ocb|azure |google cloud )?(premium |developer |business |enterprise )?support[a-z ()]*)*$"
)
_GPU_NAME = r"(^|[^a-z])[gt]pus?([^a-z]|$)"


def gpu_rules() -> tuple[BillRule, ...]:
    """The ordered rules of the catalogue that know a GPU; each value is the name of its kind."""
    return bill_rules("gpus.yml", "kind")


def scope_rules() -> tuple[BillRule, ...]:
    """The ordered rules of the catalogue that know AI; each value is `ai`."""
    return bill_rules("scope.yml", "scope")


def resolve_charge(columns: Iterable[str]) -> Resolve:
    """How the names in a condition become expressions over the charges table.

    Args:
        columns: Those of the charges table; another field is looked up among the `extra` columns.
    """
    known = frozenset(columns)

    def resolve(name: Name) -> exp.Expr:
        if name.kind == "tag":
            return _of_map("tags", name.key)
        return exp.column(name.key, quoted=True) if name.key in known else _of_map("extra", name.key)

    return resolve


def scope_sql(scope: Scope, resolve: Resolve) -> exp.Expr:
    """Which setting of the user decides, as `scope.exclude[2]`, over a charge's columns; NULL for none."""
    case = exp.Case()
    for key, conditions in (("exclude", scope.exclude), ("include", scope.include)):
        for number, condition in enumerate(conditions, 1):
            case = case.when(condition.to_sql(resolve), exp.Literal.string(f"scope.{key}[{number}]"))
    if scope.resources:
        resource = exp.Lower(this=exp.column("resource_id", quoted=True))
        listed = [exp.Literal.string(one.lower()) for one in scope.resources]
        case = case.when(exp.In(this=resource, expressions=listed), exp.Literal.string("scope.resources"))
    return case.else_(exp.null()) if case.args.get("ifs") else exp.cast(exp.null(), "TEXT")


def decide_scope(
    con: duckdb.DuckDBPyConnection,
    scope: Scope,
    categories: Sequence[CategoryRule] = (),
    *,
    charges: str = "charges",
    resolver: Callable[[Iterable[str]], Resolve] = resolve_charge,
) -> list[Problem]:
    """Give every charge its scope and category.

    Creates the view `scoped_charges`: the charges with scope, scope_reason, category, category_reason (both
    NULL out of scope) and is_gpu. It reads the temporary table `charge_scopes`.

    Args:
        con: Where the charges are.
        scope: The user's settings.
        categories: The user's rules, in order.
        charges: The table or view to read; grain: one bill row.
        resolver: Makes names of conditions into expressions, given the table's columns.

    Returns:
        GPUs left out, credits and taxes that could not follow their invoice, and what is unclassified.
    """
    columns = [row[0] for row in con.execute(f"DESCRIBE {_quoted(charges)}").fetchall()]
    resolve = resolver(columns)
    _write_kinds(con, charges, columns, with_catalogue=scope.ai == "default")
    _write_marks(con, _marks(columns, scope, categories, resolve).from_(_table(charges)), categories)
    con.execute(files(__package__).joinpath("scope.sql").read_text(encoding="utf-8"))
    con.execute(
        f"""CREATE OR REPLACE TEMP VIEW scoped_charges AS
        SELECT c.*, s.scope, s.scope_reason, s.category, s.category_reason, s.is_gpu
        FROM {_quoted(charges)} AS c JOIN charge_scopes AS s ON s.charge_id = c.charge_id"""
    )
    return [*_gpus_left_out(con, scope), *_unsettled(con), *_unclassified(con)]


def _write_kinds(con: duckdb.DuckDBPyConnection, charges: str, columns: Sequence[str], *, with_catalogue: bool) -> None:
    """`bill_kinds`: each distinct evidence, with the names of the built-in rules that match it."""
    texts = exp.select(*evidence_columns(columns)).from_(_table(charges)).distinct()
    gpus = exp.select("*", exp.alias_(first_match(gpu_rules()), "gpu_rule")).from_("texts")
    gpu_text = exp.Coalesce(this=exp.column("gpu_rule"), expressions=[exp.Literal.string("")])
    named = exp.select("*", exp.alias_(gpu_text, "gpu_text")).from_("gpus")
    scope_rule = first_match(scope_rules()) if with_catalogue else exp.cast(exp.null(), "TEXT")
    rules = (exp.alias_(scope_rule, "scope_rule"), exp.alias_(category_rule_sql(), "category_rule"))
    kinds = (
        exp.select("*", *rules)
        .from_("named")
        .with_("texts", as_=texts)
        .with_("gpus", as_=gpus)
        .with_("named", as_=named)
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE bill_kinds AS {kinds.sql('duckdb')}")
    con.execute("CREATE OR REPLACE TEMP TABLE catalogue_rules (file TEXT, name TEXT, value TEXT, why TEXT)")
    rows = [
        (file, rule.name, rule.value, rule.why)
        for file, listed in (
            ("gpus", gpu_rules()),
            ("scope", scope_rules()),
            ("categories", built_in_rules()),
        )
        for rule in listed
    ]
    con.executemany("INSERT INTO catalogue_rules VALUES (?, ?, ?, ?)", rows)


def _marks(columns: Sequence[str], scope: Scope, categories: Sequence[CategoryRule], resolve: Resolve) -> exp.Select:
    """Per charge: what names it, what the user's conditions say, and its evidence."""

    def column(name: str) -> exp.Expr:
        return exp.column(name, quoted=True) if name in columns else exp.cast(exp.null(), "TEXT")

    names = ("sku_meter", "charge_description", "sku_id", "service_name")
    label = exp.Coalesce(this=column(names[0]), expressions=[column(name) for name in names[1:]])
    kept = (
        *("charge_id", "invoice_key", "invoice_id", "billed_cost", "billing_currency"),
        *("sku_id", "service_name", "resource_name"),
    )
    return exp.select(
        *(exp.alias_(column(name), name, quoted=True) for name in kept),
        exp.alias_(label, "label"),
        exp.alias_(scope_sql(scope, resolve), "user_scope"),
        exp.alias_(category_sql(categories, resolve), "user_category_number"),
        *evidence_columns(columns),
    )


def _write_marks(con: duckdb.DuckDBPyConnection, marks: exp.Select, categories: Sequence[CategoryRule]) -> None:
    """`charge_marks`: per charge, what the user's conditions and its kind say."""
    con.execute("CREATE OR REPLACE TEMP TABLE user_categories (number INT, value TEXT)")
    for number, rule in enumerate(categories, 1):
        con.execute("INSERT INTO user_categories VALUES (?, ?)", [number, rule.category])
    same = " AND ".join(f"k.{text}_text = m.{text}_text" for text in EVIDENCE)
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE charge_marks AS
        SELECT m.charge_id, m.invoice_key, m.invoice_id, m.billed_cost, m.billing_currency, m.sku_id, m.label,
            m.service_name, m.charge_category_text, m.user_scope, k.gpu_rule, k.scope_rule, k.category_rule,
            'categories[' || m.user_category_number || ']' AS user_category,
            u.value AS user_category_value,
            m.charge_category_text IN {_OFFSETS} AS is_offset,
            m.charge_category_text IN {_OFFSETS} AND regexp_matches(m.service_text, ?) AS follows_invoice,
            k.gpu_rule IS NULL AND regexp_matches(m.service_category_text, '^compute')
                AND regexp_matches(lower(coalesce(m.resource_name, '')), ?) AS is_gpu_by_name
        FROM ({marks.sql("duckdb")}) AS m
        JOIN bill_kinds AS k ON {same}
        LEFT JOIN user_categories AS u ON u.number = m.user_category_number""",
        [_NO_SERVICE, _GPU_NAME],
    )


def _gpus_left_out(con: duckdb.DuckDBPyConnection, scope: Scope) -> list[Problem]:
    rows = con.execute(
        """SELECT m.billing_currency, m.label, m.sku_id, r.value, m.user_scope, count(*), SUM(m.billed_cost),
            arg_min(m.charge_id, (length(m.charge_id), m.charge_id))
        FROM charge_marks AS m JOIN charge_scopes AS s ON s.charge_id = m.charge_id
        LEFT JOIN catalogue_rules AS r ON r.file = 'gpus' AND r.name = m.gpu_rule
        WHERE s.scope = 'out_of_scope' AND (m.gpu_rule IS NOT NULL OR m.is_gpu_by_name) AND m.billed_cost <> 0
        GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    found = []
    for currency, label, sku_id, kind, user_scope, count, amount, first in rows:
        looks = f"a machine of the kind {kind}" if kind else "a machine with a GPU, by the name of its resource"
        why, cure = _why_left_out(scope, label, sku_id, user_scope)
        found.append(
            Problem(
                slug="gpu-left-out",
                message=(
                    f"{label or 'An unnamed SKU'}: {_charges(count)} out of scope although it looks like {looks}; {why}"
                ),
                place=_place(first),
                amount=_money(amount, currency),
                cure=cure,
                severity="error" if kind else "warning",
                held=kind is not None,
            )
        )
    return found


def _why_left_out(scope: Scope, label: str | None, sku_id: str | None, user_scope: str | None) -> tuple[str, str]:
    if user_scope:
        return f"{user_scope} leaves it out", f"Narrow or remove {user_scope}"
    key, value = ("sku_id", sku_id) if sku_id else ("charge_description", label or "")
    text = value.replace("'", "''")
    why = "`scope: {ai: none}` leaves it out" if scope.ai == "none" else "no rule names it as AI"
    return why, f"Add to `scope: include:` the condition \"{key} = '{text}'\""


def _unsettled(con: duckdb.DuckDBPyConnection) -> list[Problem]:
    rows = con.execute(
        """SELECT m.billing_currency, m.invoice_key, m.charge_category_text, any_value(m.invoice_id),
            count(*), SUM(m.billed_cost), any_value(s.ai_charges), any_value(s.other_charges),
            arg_min(m.charge_id, (length(m.charge_id), m.charge_id))
        FROM charge_marks AS m JOIN charge_scopes AS s ON s.charge_id = m.charge_id
        WHERE s.unsettled AND m.billed_cost <> 0
        GROUP BY m.billing_currency, m.invoice_key, m.charge_category_text ORDER BY ALL"""
    ).fetchall()
    return [
        Problem(
            slug="credit-out-of-scope",
            message=(
                f"Invoice {invoice_id or invoice_key}: {_charges(count)} of the category {category} out of "
                f"scope, naming no service, while {others} of the {ai + others} other charges are not AI"
            ),
            place=_place(first),
            amount=_money(amount, currency),
            cure="Say which part is AI: split the row, or add a condition to `scope: include:` that names it",
            severity="warning",
        )
        for currency, invoice_key, category, invoice_id, count, amount, ai, others, first in rows
    ]


def _unclassified(con: duckdb.DuckDBPyConnection) -> list[Problem]:
    rows = con.execute(
        """SELECT m.billing_currency, m.service_name, count(*), SUM(m.billed_cost), min(m.label),
            arg_min(m.charge_id, (length(m.charge_id), m.charge_id))
        FROM charge_marks AS m JOIN charge_scopes AS s ON s.charge_id = m.charge_id
        WHERE s.category = 'unclassified'
        GROUP BY m.billing_currency, m.service_name ORDER BY ALL"""
    ).fetchall()
    return [
        Problem(
            slug="charge-unclassified",
            message=f"{service or 'An unnamed service'}: {_charges(count)} without a category, as {label}",
            place=_place(first),
            amount=_money(amount, currency),
            cure="Add a rule under `categories:`, as `{category: overhead, when: \"service_name = '...'\"}`",
            severity="warning",
        )
        for currency, service, count, amount, label, first in rows
    ]


def _place(charge_id: str) -> Place | None:
    """Where a charge stands: its id is its file and its row."""
    file, _, row = charge_id.rpartition(":")
    return Place(file, row=int(row)) if file and row.isdecimal() else None


def _charges(count: int) -> str:
    return "1 charge" if count == 1 else f"{count:,} charges"


def _money(amount: Decimal, currency: str) -> str:
    return f"{show(to_minor(amount, currency), currency)} {currency}"


def _of_map(column: str, key: str) -> exp.Expr:
    return exp.Bracket(this=exp.column(column, quoted=True), expressions=[exp.Literal.string(key)])


def _table(name: str) -> exp.Expr:
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def _quoted(name: str) -> str:
    return _table(name).sql("duckdb")
