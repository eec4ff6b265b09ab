"""Whose a call is, by the attributes of its span or event and of the program that sent it.

`apportion.<dimension>` is a tag by that name, also where it was copied from W3C baggage. What the conventions say of a
service, a user or a session keeps its own name. Properties that OpenLLMetry and Vercel's AI SDK let an application set
lose their prefix. Of a program's own attributes those without a dot are its owner's words: `team`, `cost_center`.

Sources: OpenTelemetry's resource, user and session conventions, OpenLLMetry's association properties, the telemetry
metadata of Vercel's AI SDK, Claude Code's page on monitoring; read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from apportion.gateway.receivers.conventions import Attributes, first
from apportion.gateway.tags import Tags

_OWN: Final = "apportion."
_SET_BY_APPLICATIONS: Final = ("traceloop.association.properties.", "ai.telemetry.metadata.")
_NAMED: Final = frozenset(
    {
        "service.name", "service.namespace", "deployment.environment.name", "deployment.environment", "user.id",
        "user.email", "enduser.id", "session.id", "gen_ai.conversation.id", "gen_ai.agent.name", "team.id",
    }
)  # fmt: skip
_USERS: Final = ("enduser.id", "user.id", "user.email")
# Its `user.id` is a number of the installation and stands for nobody.
_USERS_OF_CLAUDE_CODE: Final = ("user.email", "user.account_uuid", "user.id")


def tags_of(tags: Mapping[str, str], attributes: Iterable[Attributes], resource: Attributes) -> Tags:
    """The tags of a call; what is there first stays.

    Args:
        tags: Of the key that it was sent with.
        attributes: Of the span or event itself, then of the spans that it stands for.
        resource: Of the program.
    """
    found = Tags(dict(tags))
    layers = list(attributes)
    for layer in (*layers, resource):
        _add(found, layer, (_OWN,))
    for layer in layers:
        _add(found, layer, _SET_BY_APPLICATIONS)
    for layer in (*layers, resource):
        for key, value in layer.items():
            if key in _NAMED:
                found.add(key, value)
    for key, value in resource.items():
        if "." not in key:
            found.add(key, value)
    return found


def user_of(attributes: Attributes, resource: Attributes, *, claude_code: bool = False) -> str | None:
    """Who called, by the first identifier that is there."""
    names = _USERS_OF_CLAUDE_CODE if claude_code else _USERS
    return first(attributes, *names) or first(resource, *names)


def _add(tags: Tags, attributes: Attributes, prefixes: tuple[str, ...]) -> None:
    for key, value in attributes.items():
        for prefix in prefixes:
            if key.startswith(prefix):
                tags.add(key.removeprefix(prefix), value)
