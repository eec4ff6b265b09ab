"""Allocation rules that fit the services that were seen, and the categories that tags tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from apportion.focus import TABLES
from apportion.setup.draft import Division, Lens, Value
from apportion.setup.sources import Source
from apportion.setup.study import Kind, Study

_TRAINING = frozenset({"finetune", "finetuning", "fine-tune", "fine-tuning", "fine_tuning", "training", "train"})
_MOST_RESOURCES = 40
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def categories(study: Study) -> tuple[tuple[str, str, str], ...]:
    """Charges whose tags say that they are training."""
    found = []
    for key, values in study.tags.items():
        for value in sorted(values.charges):
            if value.lower() in _TRAINING:
                condition = f"{_tag(key)} = {text(value)}"
                found.append(("training", condition, f"on {values.charges[value]:,} AI charges"))
    return tuple(found)


def divisions(study: Study, sources: Sequence[Source], owner: Lens) -> tuple[Division, ...]:
    """The rules in order: what is measured, then seats, then what a call or tag can name, then what is shared.

    Args:
        study: What was seen.
        sources: What is read.
        owner: The dimension that is charged.
    """
    found: list[Division] = []
    taken: set[Kind] = set()
    for source in sources:
        if source.table == "meters" and (rule := _measured(source, study, owner)):
            found.append(rule[0])
            taken |= rule[1]
    seats = [source for source in sources if source.table == "seats"]
    for source in seats:
        if rule := _seats(source, study, alone=len(seats) == 1, taken=taken):
            found.append(rule[0])
            taken |= rule[1]
    rest = [kind for kind in study.kinds if kind not in taken]
    rosters = [source.name for source in sources if source.table == "roster"]
    return (*found, *_by_category(rest, study, owner, rosters))


def text(value: str) -> str:
    """A text as conditions write it."""
    return "'" + value.replace("'", "''") + "'"


def _tag(key: str) -> str:
    return f"tags.{key}" if _SIMPLE.fullmatch(key) else 'tags."' + key.replace('"', '""') + '"'


def _among(column: str, values: Iterable[str]) -> str:
    listed = sorted(values)
    if len(listed) == 1:
        return f"{column} = {text(listed[0])}"
    return f"{column} in ({', '.join(map(text, listed))})"


def _owner_tags(owner: Lens) -> list[str]:
    keys: list[str] = []
    for says, _ in owner.evidence:
        tag, also = says.get("tag"), says.get("also", ())
        keys += [each for each in (tag, *(also if isinstance(also, tuple) else ())) if isinstance(each, str)]
    return keys


def _measured(source: Source, study: Study, owner: Lens) -> tuple[Division, set[Kind]] | None:
    """A meter divides the charges of the machines that it measured, if its rows name an owner."""
    if not {*_owner_tags(owner), "user_id"} & study.meter_tags:
        return None
    items = study.items.get(source.name, frozenset())
    for column in ("resource_id", "resource_name"):
        kinds = {kind for kind in study.kinds if getattr(kind, _OF[column]) & items}
        used = {each for kind in kinds for each in getattr(kind, _OF[column]) & items}
        if used and len(used) <= _MOST_RESOURCES:
            why = f"{source.seen.unit} by owner; {{to: OWNER}} would give idle hours to one"
            return _proportional(source, _among(column, used), why), kinds
    gpus = {kind for kind in study.kinds if kind.is_gpu}
    if not items and gpus and "gpu" in source.name.lower():
        services = {kind.service for kind in gpus if kind.service}
        if services:
            when = f"category = 'overhead' and {_among('service_name', services)}"
            return _proportional(source, when, "machines, by the one meter of GPUs"), gpus
    return None


_OF = {"resource_id": "resources", "resource_name": "names"}


def _proportional(source: Source, when: str, why: str) -> Division:
    says: dict[str, Value] = {"when": when, "method": "proportional", "meter": source.name}
    if "capacity" in TABLES["meters"].find(source.sample.header) or "capacity" in source.seen.columns:
        says["idle"] = "spread"
    return Division(f"metered-{source.name}", says, why)


def _seats(source: Source, study: Study, *, alone: bool, taken: set[Kind]) -> tuple[Division, set[Kind]] | None:
    """Seats divide the charges of their tool."""
    sample = source.sample
    found = TABLES["seats"].find(sample.header)
    tools = {value.lower() for value in sample.column(found["tool"])} if "tool" in found else {source.name.lower()}
    sold = [kind for kind in study.kinds if kind.category == "licensing" and kind.service and kind not in taken]
    kinds = {kind for kind in sold if any(_same(tool, kind.service) for tool in tools)}
    if not kinds and alone:
        kinds = set(sold)
    if not kinds:
        return None
    priced = "price" in found and bool(sample.column(found["price"]))
    says: dict[str, Value] = {"when": _among("service_name", {kind.service for kind in kinds}), "method": "seats"}
    says |= {"seats": source.name, "weight": "seat_price" if priced else "active_users"}
    why = "by the seats that each owner's people hold; `idle:` says who bears unused ones"
    return Division(f"seats-{source.name}", says, why), kinds


def _same(tool: str, service: str) -> bool:
    words = re.findall(r"[a-z0-9]+", tool)
    return bool(words) and all(word in service.lower() for word in words)


def _by_category(kinds: Sequence[Kind], study: Study, owner: Lens, rosters: Sequence[str]) -> Iterable[Division]:
    """A rule for each category that is left: calls name who used a model, heads share what serves everyone."""
    left = {kind.category for kind in kinds}
    shared = [category for category in ("licensing", "overhead") if category in left]
    keys = _owner_tags(owner)
    for category in ("training", "inference"):
        if category in left or (category == "inference" and study.calls):
            why = "by the calls of each owner" if study.calls else "by the charge's own tags"
            yield Division(category, {"when": f"category = '{category}'", "method": "direct"}, why)
    for category in shared:
        tags = sorted({key for kind in kinds if kind.category == category for key in kind.tags} & set(keys))
        bare = any(not kind.tags & set(keys) for kind in kinds if kind.category == category)
        if not rosters:
            said = "by the charge's own tags; a roster would let it be shared by headcount"
            yield Division(category, {"when": f"category = '{category}'", "method": "direct"}, said)
            continue
        if tags:
            named = " or ".join(_tag(key) for key in tags)
            when = f"category = '{category}' and ({named})"
            yield Division(f"{category}-tagged", {"when": when, "method": "direct"}, "charges that name their owner")
        says: dict[str, Value] = {"when": f"category = '{category}'", "method": "headcount"}
        if len(rosters) > 1:
            says["roster"] = rosters[0]
        if bare or not tags:
            yield Division(category, says, "serves everyone: by the people of each owner")
    if "unclassified" in left:
        yield Division("rest", {"when": "category = 'unclassified'", "method": "direct"}, "not classified yet")
