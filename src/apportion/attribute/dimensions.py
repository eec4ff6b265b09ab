"""Dimensions: every row gets exactly one value of each, and the way it was found (law L4).

A dimension's evidence is tried in order and the first hit wins. The resolver turns a project's evidence
into one query over any relation that has a `day`, a `provider`, a `model` and some evidence columns:
folded calls, charges, meter rows and seats all pass through the same query.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from apportion.attribute.early import early_column
from apportion.config.approved import BETWEEN
from apportion.config.conditions import Condition, Name
from apportion.config.dimensions import (
    BUILT_IN,
    ApprovedJoin,
    ApprovedKeys,
    ColumnEvidence,
    DefaultEvidence,
    Dimension,
    LookupEvidence,
    OwnEvidence,
    TagEvidence,
    ValueEvidence,
    VirtualTagEvidence,
)
from apportion.config.settings import Settings
from apportion.config.written import POOL
from apportion.warehouse.quoting import literal
from apportion.warehouse.quoting import name as quoted

UNALLOCATED = "unallocated"
UNCLASSIFIED = "unclassified"

# Each evidence has three via numbers: found as received, through a map or a mapped key, through a default key.
_PER_EVIDENCE = 3
_AS_FOUND, _BY_RULE, _BY_DEFAULT = range(_PER_EVIDENCE)


@dataclass(frozen=True)
class Way:
    """One way in which a value of a dimension can be found.

    Attributes:
        dimension: Its name.
        via: The number stored in the column `<dimension>_via`.
        layer: What it does for coverage (decision D7): direct, rule or default.
        evidence: For people, as `tag team`.
    """

    dimension: str
    via: int
    layer: str
    evidence: str


@dataclass
class _Columns:
    """The columns that a query has made so far, in order."""

    kept: list[str]
    resolved: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        return [*self.kept, *self.resolved]


def ways(settings: Settings) -> tuple[Way, ...]:
    """Every way of every dimension, for the table `dimension_ways`."""
    found = [Way(dim, 1, "direct", f"column {dim}") for dim in ("provider", "model")]
    found += [Way(dim, 1, "direct", "model catalogue") for dim in ("model_family", "model_tier")]
    for dim in _written(settings):
        for number, evidence in enumerate(dim.evidence):
            text, layer = _describe(evidence)
            plain = _PER_EVIDENCE * number + 1
            weaker = layer if layer == "default" else "rule"
            found.append(Way(dim.name, plain + _AS_FOUND, layer, text))
            found.append(Way(dim.name, plain + _BY_RULE, weaker, f"{text}, mapped or by a mapped key"))
            found.append(Way(dim.name, plain + _BY_DEFAULT, "default", f"{text}, by a default"))
    return tuple(found)


def vias_of(settings: Settings, kind: type[ApprovedKeys | LookupEvidence]) -> tuple[int, ...]:
    """The vias of the owner dimension whose evidence is of one kind.

    Args:
        settings: The project's.
        kind: Approved keys, which say nothing that others did not say, or directories.
    """
    return tuple(
        _PER_EVIDENCE * number + 1 + step
        for number, item in enumerate(settings.dimension(settings.owner).evidence)
        if isinstance(item, kind)
        for step in (_AS_FOUND, _BY_RULE, _BY_DEFAULT)
    )


def map_rows(settings: Settings) -> list[tuple[str, int, str, str]]:
    """Rows (dimension, via, raw, value) that replace raw values: maps of one evidence, aliases of all."""
    rows: dict[tuple[str, int, str], str] = {}
    for dim in _written(settings):
        for number, evidence in enumerate(dim.evidence):
            for step in (_AS_FOUND, _BY_RULE, _BY_DEFAULT):
                via = _PER_EVIDENCE * number + 1 + step
                for raw, value in evidence.mapping.items():
                    rows[dim.name, via, raw] = dim.aliases.get(value, value)
                for wrong, right in dim.aliases.items():
                    rows.setdefault((dim.name, via, wrong), right)
    return [(*key, value) for key, value in rows.items()]


def evidence_column(found: Name) -> str:
    """The column of a relation that holds a tag or a field as it was received."""
    return f"tag_{found.key}" if found.kind == "tag" else f"raw_{found.key}"


class Resolver:
    """Makes the query that finds every dimension's value for each row of a relation.

    Args:
        settings: Whose dimensions to resolve.
    """

    def __init__(self, settings: Settings) -> None:
        self.order = tuple(settings.dimension_order())
        self._settings = settings
        self._dimensions = {dim.name: dim for dim in _written(settings)}
        self._mapped = {row[0] for row in map_rows(settings)}
        self._ways = ways(settings)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Every dimension that a resolved row has, the built-in ones first."""
        return (*BUILT_IN, *(dim for dim in self.order if dim not in BUILT_IN))

    def columns(self) -> list[str]:
        """The value and via columns of every dimension, in the order of a table."""
        return [column for dim in self.dimensions for column in (dim, f"{dim}_via")]

    def query(
        self,
        source: str,
        *,
        keep: Sequence[str],
        evidence: Collection[str],
        preset: Collection[str] = (),
        missing: str | None = UNALLOCATED,
    ) -> str:
        """The query over one relation.

        Args:
            source: The relation's name; it has `day`, `provider` and `model`.
            keep: Columns to carry through unchanged.
            evidence: Which evidence columns (`tag_…`, `raw_…`, `when_…`) it has; others count as missing.
            preset: Dimensions for which it has `own_<d>` and `own_<d>_via`, which win when not null.
            missing: The value where no evidence hits; None leaves it null.

        Returns:
            A SELECT with the kept columns, then `d` and `d_via` for each dimension.
        """
        presets = [c for dim in preset for c in (f"own_{dim}", f"own_{dim}_via")]
        carried = list(dict.fromkeys([*keep, "day", "provider", "model", *evidence, *presets]))
        carried = [c for c in carried if c not in BUILT_IN]
        query = self._built_in(source, carried, preset)
        columns = _Columns(carried, [c for d in BUILT_IN for c in (d, f"{d}_via")])
        for dim in self.order:
            if dim in BUILT_IN:
                continue
            query = self._step(query, self._dimensions[dim], columns, set(evidence), dim in preset)
            columns.resolved += [dim, f"{dim}_via"]
        return self._last(query, keep, missing)

    def _built_in(self, source: str, carried: Sequence[str], preset: Collection[str]) -> str:
        parts = [f"s.{quoted(column)}" for column in carried]
        for dim, found in (
            ("provider", "NULLIF(s.provider, '')"),
            ("model", "NULLIF(s.model, '')"),
            ("model_family", "k.model_family"),
            ("model_tier", "k.model_tier"),
        ):
            value = found
            via = f"CAST(CASE WHEN {value} IS NULL THEN 0 ELSE 1 END AS TINYINT)"
            if dim in preset:
                own, own_via = quoted(f"own_{dim}"), quoted(f"own_{dim}_via")
                via = f"CASE WHEN s.{own} IS NOT NULL THEN s.{own_via} ELSE {via} END"
                value = f"COALESCE(s.{own}, {value})"
            parts += [f"{value} AS {quoted(dim)}", f"{via} AS {quoted(dim + '_via')}"]
        return (
            f"SELECT {', '.join(parts)} FROM {source} AS s LEFT JOIN model_values AS k"
            " ON k.model = s.model AND s.day >= k.valid_from AND s.day < k.valid_to"
        )

    def _step(
        self,
        query: str,
        dim: Dimension,
        columns: _Columns,
        evidence: set[str],
        has_preset: bool,  # noqa: FBT001
    ) -> str:
        known = {*columns.resolved}
        joins: list[str] = []
        hits: list[tuple[str, str, str]] = []
        for number, item in enumerate(dim.evidence):
            raw = self._raw(item, number, dim.name, known, evidence, joins)
            if raw is None:
                continue
            dated = [f"p.day >= DATE {literal(str(item.from_))}"] if item.from_ else []
            dated += [f"p.day < DATE {literal(str(item.to))}"] if item.to else []
            via = f"{_PER_EVIDENCE * number + 1}{self._inherited(item)}"
            early = early_column(dim.name, number)
            hit = f"p.{quoted(early)}" if early in evidence else self._hit(item, raw, known - {dim.name}, evidence)
            if dim.name == self._settings.owner and not isinstance(item, ApprovedKeys):
                # Only a rule may feed a pool; data that looks like a feed is an owner of that odd name.
                raw = f"REGEXP_REPLACE({raw}, '^{POOL}', '_{POOL}')"
            hits.append((raw, " AND ".join([hit, *dated]), via))
        value = "CASE " + " ".join(f"WHEN {hit} THEN {raw}" for raw, hit, _ in hits) + " END"
        via = "CASE " + " ".join(f"WHEN {hit} THEN {number}" for _, hit, number in hits) + " ELSE 0 END"
        if not hits:
            value, via = literal(None), "0"
        via = f"CAST({via} AS TINYINT)"
        if has_preset:
            own, own_via = f"p.{quoted('own_' + dim.name)}", f"p.{quoted('own_' + dim.name + '_via')}"
            value = f"CASE WHEN {own} IS NOT NULL THEN {own} ELSE {value} END"
            via = f"CASE WHEN {own} IS NOT NULL THEN {own_via} ELSE {via} END"
        carried = ", ".join(f"p.{quoted(c)}" for c in columns.all())
        found = (
            f"SELECT {carried}, {value} AS {quoted(dim.name)}, {via} AS {quoted(dim.name + '_via')}"
            f" FROM ({query}) AS p {' '.join(joins)}"
        )
        if dim.name not in self._mapped:
            return found
        kept = ", ".join(f"f.{quoted(c)}" for c in columns.all())
        via = f"f.{quoted(dim.name + '_via')}"
        own_wins = f" AND f.{quoted('own_' + dim.name)} IS NULL" if has_preset else ""
        return (
            f"SELECT {kept}, COALESCE(m.value, f.{quoted(dim.name)}) AS {quoted(dim.name)},"
            f" CAST({via} + CASE WHEN m.value IS NOT NULL AND {via} % {_PER_EVIDENCE} = {_AS_FOUND + 1}"
            f" THEN {_BY_RULE} ELSE 0 END AS TINYINT)"
            f" AS {quoted(dim.name + '_via')} FROM ({found}) AS f LEFT JOIN dimension_maps AS m"
            f" ON m.dimension = {literal(dim.name)} AND m.via = f.{quoted(dim.name + '_via')}"
            f" AND m.raw = f.{quoted(dim.name)}{own_wins}"
        )

    def _hit(self, item: OwnEvidence, raw: str, known: set[str], evidence: set[str]) -> str:
        """When an evidence has a value: a written one where its condition holds, others where they are not empty."""
        if isinstance(item, ValueEvidence):
            return f"({condition_sql(item.when, self._settings, known, evidence)})"
        return f"{raw} IS NOT NULL AND {raw} NOT IN ('', '{UNALLOCATED}')"

    def _inherited(self, item: OwnEvidence) -> str:
        """What a look-up by a dimension adds to its via: it is no better evidence than that dimension's own."""
        if not isinstance(item, LookupEvidence) or not self._settings.is_dimension(item.lookup.key):
            return ""
        key = item.lookup.key
        layers: dict[str, list[str]] = {}
        for way in self._ways:
            if way.dimension == key:
                layers.setdefault(way.layer, []).append(str(way.via))
        steps = (("rule", _BY_RULE), ("default", _BY_DEFAULT))
        cases = " ".join(
            f"WHEN p.{quoted(key + '_via')} IN ({', '.join(layers[layer])}) THEN {step}"
            for layer, step in steps
            if layer in layers
        )
        return f" + CASE {cases} ELSE 0 END" if cases else ""

    def _raw(
        self, item: OwnEvidence, number: int, dim: str, known: set[str], evidence: set[str], joins: list[str]
    ) -> str | None:
        """The expression of the value as received; None if this relation can never have it."""
        if isinstance(item, TagEvidence):
            return _first(f"tag_{key}" for key in item.keys if f"tag_{key}" in evidence)
        if isinstance(item, ColumnEvidence):
            return _first(c for c in (f"raw_{item.column}",) if c in evidence)
        if isinstance(item, DefaultEvidence | ValueEvidence):
            return literal(item.default if isinstance(item, DefaultEvidence) else item.value)
        if isinstance(item, VirtualTagEvidence):
            return _virtual(item, evidence)
        if isinstance(item, ApprovedKeys):
            keys: tuple[str, ...] = item.approved
            table = (ApprovedKeys.directory(split=item.split), BETWEEN.join(keys), item.take)
        else:
            keys = (item.lookup.key,)
            table = (item.lookup.in_, item.lookup.on or item.lookup.key, item.lookup.take)
        but = item.but if isinstance(item, ApprovedJoin) else ()
        return self._lookup(table, keys, f"l_{dim}_{number}", known, evidence, joins, but)

    def _lookup(
        self,
        table: tuple[str, str, str],
        keys: Sequence[str],
        alias: str,
        known: set[str],
        evidence: set[str],
        joins: list[str],
        but: Sequence[str],
    ) -> str | None:
        """Join a directory, its column of keys and the column taken, on the keys of a row as of its day.

        For the keys in `but` the directory is not asked.
        """
        columns = [self._key(key, known, evidence) for key in keys]
        found = [f"p.{quoted(column)}" for column in columns if column]
        if len(found) < len(keys):
            return None
        key = found[0] if len(found) == 1 else f" || {literal(BETWEEN)} || ".join(found)
        directory, on_column, take_column = (literal(text) for text in table)
        joins.append(
            f"LEFT JOIN directory_values AS {quoted(alias)} ON {quoted(alias)}.lookup = {directory}"
            f" AND {quoted(alias)}.on_column = {on_column} AND {quoted(alias)}.take_column = {take_column}"
            f" AND {quoted(alias)}.key = {key}"
            f" AND p.day >= {quoted(alias)}.valid_from AND p.day < {quoted(alias)}.valid_to"
            + (f" AND {quoted(alias)}.key NOT IN ({', '.join(map(literal, but))})" if but else "")
        )
        return f"{quoted(alias)}.value"

    def _key(self, key: str, known: set[str], evidence: set[str]) -> str | None:
        """The column that holds a look-up's key, a column of the row before a dimension (D15); None without it."""
        if self._settings.is_dimension(key):
            return key if key in known else None
        return f"raw_{key}" if f"raw_{key}" in evidence else None

    def _last(self, query: str, keep: Sequence[str], missing: str | None) -> str:
        parts = [f"q.{quoted(column)}" for column in keep if column not in BUILT_IN]
        for dim in self.dimensions:
            absent = UNCLASSIFIED if dim in {"model_family", "model_tier"} else missing
            value = f"q.{quoted(dim)}"
            if missing is not None:
                value = f"COALESCE({value}, {literal(absent)})"
            parts += [f"{value} AS {quoted(dim)}", f"q.{quoted(dim + '_via')}"]
        return f"SELECT {', '.join(parts)} FROM ({query}) AS q"


def condition_sql(
    condition: Condition, settings: Settings, dimensions: Collection[str], evidence: Collection[str]
) -> str:
    """A condition over a relation with dimension values and evidence columns; a missing name is null."""

    def resolve(found: Name) -> exp.Expr:
        if found.kind == "field" and found.key in dimensions and settings.is_dimension(found.key):
            return exp.column(exp.to_identifier(found.key, quoted=True))
        column = evidence_column(found)
        if column in evidence:
            return exp.column(exp.to_identifier(column, quoted=True))
        return exp.cast(exp.null(), "VARCHAR")

    return condition.to_sql(resolve).sql(dialect="duckdb")


def _first(columns: Iterator[str] | Sequence[str]) -> str | None:
    parts = [f"NULLIF(p.{quoted(column)}, '')" for column in columns]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else f"COALESCE({', '.join(parts)})"


def _virtual(item: VirtualTagEvidence, evidence: Collection[str]) -> str | None:
    """Each provider's own field, for calls and charges of that provider only."""
    branches = []
    for source in item.fields:
        columns = [f"tag_{tag}" for tag in source.tags] or [f"raw_{source.column}"]
        found = _first([column for column in columns if column in evidence])
        if found:
            branches.append(f"WHEN p.provider = {literal(source.provider)} THEN {found}")
    return f"CASE {' '.join(branches)} END" if branches else None


def _written(settings: Settings) -> list[Dimension]:
    return [settings.dimension(name) for name in settings.dimension_names if name not in BUILT_IN]


def _describe(item: OwnEvidence) -> tuple[str, str]:
    """What an evidence is in words, and the layer of what it finds (decision D7)."""
    if isinstance(item, ApprovedKeys):
        return f"approved{' split' if item.split else ''}, by {' and '.join(item.approved)}", "rule"
    if isinstance(item, LookupEvidence):
        said = f"{item.lookup.in_}: {item.lookup.take} by {item.lookup.key}"
        return (f"approved, {said}", "rule") if isinstance(item, ApprovedJoin) else (said, "direct")
    if isinstance(item, ValueEvidence):
        return f"rule: {item.when.text}", "rule"
    return ("default", "default") if isinstance(item, DefaultEvidence) else (_received(item), "direct")


def _received(item: TagEvidence | ColumnEvidence | VirtualTagEvidence) -> str:
    """Which part of a call or charge an evidence is, in words."""
    if isinstance(item, TagEvidence):
        return f"tag {item.tag}"
    if isinstance(item, ColumnEvidence):
        return f"column {item.column}"
    fields = ", ".join(f"{f.provider} {f.column or f.tags[0]}" for f in item.fields)
    return f"virtual tag: {fields}"
