"""Charges, meters, seats and rosters as relations that the resolver can read: evidence in known columns."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from apportion.attribute.dimensions import Resolver, Way
from apportion.attribute.models import add_model_values, canonical_model_sql
from apportion.config.settings import Settings
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

# Where a bill carries what a call has in a field of its own; tried in order (billing_formats.md, read 2026-11-23).
_ON_A_BILL = {
    "project": ("extra['project_id']", "extra['x_ProjectId']", "extra['project']", "sub_account_id"),
    "workspace": ("extra['workspace_id']", "extra['x_WorkspaceId']", "extra['workspace']", "sub_account_id"),
    "inference_profile": ("extra['x_InferenceProfileId']", "resource_id", "resource_name"),
    "deployment": ("extra['x_DeploymentName']", "resource_name", "regexp_extract(resource_id, '[^/]+$')"),
    "api_key_id": ("extra['x_CredentialId']", "extra['api_key_id']"),
    "user_id": ("extra['x_PrincipalId']", "extra['user_id']", "extra['line_item_iam_principal']"),
}


def resolve_charges(
    engine: Engine, settings: Settings, resolver: Resolver, ways: Sequence[Way], tag_keys: Sequence[str],
    columns: Sequence[str],
) -> None:  # fmt: skip
    """Write `charge_dimensions`: scoped charges with the dimension values that they carry themselves.

    Args:
        engine: Holds `scoped_charges`.
        settings: The project's.
        resolver: Of the project.
        ways: Every way a value is found, for the owner's layer.
        tag_keys: Tags that are evidence.
        columns: Fields that are evidence.
    """
    have = engine.describe("scoped_charges")
    canonical = canonical_model_sql(exp.column("model", table="c")).sql(dialect="duckdb")
    tags = [f"{_tag(key)} AS {quoted(f'tag_{key}')}" for key in tag_keys]
    raws = [f"{_raw(column, have)} AS {quoted(f'raw_{column}')}" for column in columns]
    evidence = ", ".join([*tags, *raws])
    engine.run(
        f"""CREATE OR REPLACE TABLE charges_to_resolve AS
        SELECT c.*,
          CAST(c.charge_period_start AS DATE) AS day,
          CAST(c.charge_period_start AS DATE) AS day_from,
          GREATEST(
            CAST(c.charge_period_end AS DATE)
            + CASE WHEN c.charge_period_end > CAST(CAST(c.charge_period_end AS DATE) AS TIMESTAMP) THEN 1 ELSE 0 END,
            CAST(c.charge_period_start AS DATE) + 1) AS day_to,
          COALESCE(c.provider, '') AS provider_key,
          COALESCE(c.billing_account_id, '') AS account_key,
          COALESCE({canonical}, '') AS model_key,
          COALESCE(c.category = 'training', FALSE) AS training,
          COALESCE(c.is_gpu, FALSE) AS gpu,
          c.billing_currency AS currency,
          COALESCE(c.extra['x_CostAllocationRuleName'], c.extra['split_line_item_parent_resource_id'],
            c.extra['splitLineItem/ParentResourceId']) IS NOT NULL AS provider_split
          {", " + evidence if evidence else ""}
        FROM scoped_charges AS c"""
    )
    add_model_values(engine, "charges_to_resolve")
    taken = [*(f"tag_{key}" for key in tag_keys), *(f"raw_{column}" for column in columns)]
    keep = [column for column in engine.describe("charges_to_resolve") if column not in resolver.dimensions]
    query = resolver.query("charges_to_resolve", keep=keep, evidence=taken, missing=None)
    branches = " ".join(f"WHEN {way.via} THEN {literal(way.layer)}" for way in ways if way.dimension == settings.owner)
    engine.run(
        f"""CREATE OR REPLACE TABLE charge_dimensions AS
        SELECT *, CASE {quoted(settings.owner + "_via")} {branches} END AS own_owner_layer FROM ({query})"""
    )


def resolve_meters(engine: Engine, resolver: Resolver, tag_keys: Sequence[str], columns: Sequence[str]) -> None:
    """Write `meter_cells`: measured quantities with their dimensions."""
    own = ("user_id", "api_key_id")
    evidence = _columns_of_tags("m", tag_keys, columns, own, user="m.user_id")
    engine.run(
        f"""CREATE OR REPLACE TABLE meters_to_resolve AS
        SELECT m.meter, m.item, m.day, m.day_end, m.quantity_micro, m.capacity_micro, m.reservation_micro,
          m.provider, m.model{evidence} FROM meter_rows AS m"""
    )
    keep = ["meter", "item", "day", "day_end", "quantity_micro", "capacity_micro", "reservation_micro"]
    _resolve(engine, resolver, "meters_to_resolve", "meter_cells", keep, tag_keys, columns)


def resolve_seats(
    engine: Engine,
    settings: Settings,
    resolver: Resolver,
    tag_keys: Sequence[str],
    columns: Sequence[str],
) -> None:
    """Write `seat_cells`: every seat on every day it is paid for, with its holder's dimensions on that day.

    The owner is what the project's evidence says of the holder; else the seat's own team; else the team
    that the roster has the holder in.
    """
    evidence = _columns_of_tags("s", tag_keys, columns, (), user="s.assigned_to")
    owner = quoted(f"own_{settings.owner}")
    engine.run(
        f"""CREATE OR REPLACE TABLE seats_to_resolve AS
        SELECT s.seats AS tool, s.seat_id, s.assigned_to, d.day, s.last_active_at,
          CAST(s.price * 1000000 AS BIGINT) AS price_micro,
          CAST(NULL AS VARCHAR) AS provider, CAST(NULL AS VARCHAR) AS model,
          COALESCE(s.team, r.team) AS {owner},
          CAST(CASE WHEN COALESCE(s.team, r.team) IS NULL THEN 0 ELSE 1 END AS TINYINT)
            AS {quoted(f"own_{settings.owner}_via")}
          {evidence}
        FROM seat_rows AS s
        JOIN calendar AS d ON d.day >= s.valid_from AND d.day < s.valid_to
        LEFT JOIN roster_rows AS r ON r.person = s.assigned_to AND r.valid_from <= d.day AND d.day < r.valid_to"""
    )
    keep = ["tool", "seat_id", "assigned_to", "day", "last_active_at", "price_micro"]
    _resolve(engine, resolver, "seats_to_resolve", "seat_cells", keep, tag_keys, columns, [settings.owner])


def roster_owners(engine: Engine, settings: Settings) -> None:
    """Write `roster_owners`: who counts for whom, and when, for headcount.

    The owner is the roster's column of the owner dimension's name, else the team.
    """
    column = literal(settings.owner)
    engine.run(
        f"""CREATE OR REPLACE TABLE roster_owners AS
        SELECT roster, person, COALESCE(NULLIF("values"[{column}], ''), team) AS owner, valid_from, valid_to
        FROM roster_rows"""
    )


def _resolve(
    engine: Engine, resolver: Resolver, source: str, into: str, keep: Sequence[str], tag_keys: Sequence[str],
    columns: Sequence[str], preset: Sequence[str] = (),
) -> None:  # fmt: skip
    add_model_values(engine, source)
    evidence = [*(f"tag_{key}" for key in tag_keys), *(f"raw_{column}" for column in columns)]
    query = resolver.query(source, keep=keep, evidence=evidence, preset=preset)
    engine.run(f"CREATE OR REPLACE TABLE {quoted(into)} AS {query}")


def _columns_of_tags(
    relation: str, tag_keys: Sequence[str], columns: Sequence[str], own: Sequence[str], *, user: str
) -> str:
    """Evidence of rows whose every unknown column is a tag, so that a plain column `team` works."""
    people = {"user", "user_id"}
    parts = []
    for key in tag_keys:
        found = f"{relation}.tags[{literal(key)}]"
        parts.append(f"{f'COALESCE({found}, {user})' if key in people else found} AS {quoted(f'tag_{key}')}")
    for column in columns:
        found = f"{relation}.{quoted(column)}" if column in own else f"{relation}.tags[{literal(column)}]"
        parts.append(f"{f'COALESCE({found}, {user})' if column in people else found} AS {quoted(f'raw_{column}')}")
    return "".join(f", {part}" for part in parts)


def _tag(key: str) -> str:
    """A tag of a charge; what the provider's own split says goes first."""
    # A JSON pointer takes any key, quotes and dots among them.
    at = "/" + key.replace("~", "~0").replace("/", "~1")
    split = f"json_extract_string(c.allocated_tags, {literal(at)})"
    return f"COALESCE(NULLIF({split}, ''), c.tags[{literal(key)}])"


def _raw(column: str, have: Sequence[str] | dict[str, str]) -> str:
    if column in have:
        return f"CAST(c.{quoted(column)} AS VARCHAR)"
    places = _ON_A_BILL.get(column, (f"extra[{literal(column)}]",))
    return "COALESCE(" + ", ".join(f"NULLIF({_of('c', place)}, '')" for place in places) + ")"


def _of(relation: str, place: str) -> str:
    return (
        place.replace("extra[", f"{relation}.extra[")
        .replace("resource_", f"{relation}.resource_")
        .replace("sub_account_id", f"{relation}.sub_account_id")
    )
