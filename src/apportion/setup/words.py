"""What companies call the things that cost belongs to: the names of tags and columns, and the dimension of each."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apportion.config.dimensions import BUILT_IN, is_reserved
from apportion.focus import fold

# Whom a cost is charged to, the likeliest first.
OWNERS = (
    "team", "business_unit", "department", "cost_center", "division", "group", "organization", "project", "namespace",
)  # fmt: skip
# Dimensions that are worth a lens however few calls carry them.
USUAL = frozenset({
    *OWNERS, "feature", "product", "customer", "environment", "application", "service", "user", "use_case", "entity",
    "agent", "workflow",
})  # fmt: skip
_SPELLED: Mapping[str, tuple[str, ...]] = {
    "team": (
        "teamname",
        "teamalias",
        "teamid",
        "ownerteam",
        "owningteam",
        "squad",
        "owner",
    ),
    "department": ("dept",),
    "business_unit": (
        "bu",
        "businessunit",
    ),
    "cost_center": (
        "costcenter",
        "costcentre",
        "costcenterid",
    ),
    "organization": (
        "org",
        "organisation",
    ),
    "environment": (
        "env",
        "stage",
        "environmentname",
    ),
    "application": (
        "app",
        "appname",
        "applicationname",
    ),
    "feature": (
        "featureid",
        "featureflag",
        "featurename",
    ),
    "product": ("productname",),
    "customer": (
        "customerid",
        "customername",
        "tenant",
        "tenantid",
        "client",
    ),
    "user": (
        "enduser",
        "userid",
        "username",
    ),
    "project": (
        "projectid",
        "projectname",
    ),
    "use_case": ("usecase",),
    "namespace": ("k8snamespace",),
}
_MEANT = {spelled: name for name, every in _SPELLED.items() for spelled in every}
_ENVIRONMENTS = {
    "prod": "production", "prd": "production", "live": "production", "dev": "development", "stg": "staging",
    "stage": "staging", "tst": "test", "testing": "test",
}  # fmt: skip
# Of a directory these say more of a row, and group nothing.
_LABELS = frozenset({"name", "fullname", "displayname", "email", "title", "description", "note", "comment", "approver",
                     "manager", "phone", "validfrom", "validto", "lastday", "from", "to"})  # fmt: skip
_PREFIX = re.compile(r"^(resource_?tags?[/_]|user[:_]|label_|labels?\.|aws:|x_)+", re.IGNORECASE)


def dimension_of(key: str) -> str | None:
    """The dimension that a tag or column stands for; None where it can be none.

    Args:
        key: As the data writes it.
    """
    bare = _PREFIX.sub("", key.strip())
    meant = _MEANT.get(fold(bare).replace("-", ""))
    if meant:
        return meant
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", bare)
    snake = re.sub(r"[^a-z0-9]+", "_", snake.lower()).strip("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", snake) or snake in BUILT_IN or is_reserved(snake):
        return None
    return snake


def is_label(column: str) -> bool:
    """Whether a column of a directory only describes its row."""
    return fold(column) in _LABELS


def environment_map(values: object) -> dict[str, str]:
    """Which of some environments are one under two names; empty where each has one name.

    Args:
        values: The spellings that occur.
    """
    seen = {str(value) for value in values} if isinstance(values, list | tuple | set | frozenset) else set()
    meant = {value: _ENVIRONMENTS.get(value.lower(), value.lower()) for value in sorted(seen)}
    several = [name for name in set(meant.values()) if sum(each == name for each in meant.values()) > 1]
    return {value: name for value, name in meant.items() if name in several and value != name}
