"""The plan of a gateway: made of the project's settings and the books' keys, and again whenever one of them changes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from apportion.cli.gateway_access import Securing, trust_of
from apportion.cli.gateway_budget import Budgeting
from apportion.errors import ApportionError
from apportion.gateway.keys import Key, KeyTable, from_rows, to_rows
from apportion.gateway.plan import Plan, Provided
from apportion.gateway.telling import tell
from apportion.project import Project

if TYPE_CHECKING:
    from apportion.books import Books
    from apportion.books.keys import StandingKey
    from apportion.config.gateway import Gateway

_FIXED: Final = ("listen", "log", "metrics", "workers")


class Planner:
    """Makes the plan.

    Args:
        project: The project.

    Raises:
        ProblemsFound: Its settings have errors.
        ApportionError: They say nothing of a gateway.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self.settings = _settings(project)
        self.state = project.state / "gateway"
        self.budgeting = Budgeting(project.folder, self.state)
        self.securing = Securing(project.folder)
        # How often changed settings were left out.
        self.refused = 0
        self._seen = self._mark()
        self._books: Books | None = None
        self._number: int | None = None
        self._silent = False
        self._rebased = False
        self._keys = self._read_keys() or self._kept_keys()
        self.plan = self._made()
        self._warn()

    def look(self) -> bool:
        """Whether something has changed and the plan is a new one."""
        settings = self._mark() != self._seen
        if settings:
            self._seen = self._mark()
            self._reload()
        keys = self._read_keys()
        if keys is not None:
            self._keys = keys
        told = self.budgeting.look(self._project.settings)
        if not settings and keys is None and not told and not self._rebased:
            return False
        plan = self._made()
        if plan == self.plan:
            return False
        if settings:
            tell("reload", "the gateway goes on with the new settings")
        self.plan = plan
        self._warn()
        return True

    def _made(self) -> Plan:
        settings = self.settings
        return Plan(
            log=self._project.folder / settings.log,
            jobs=self._project.folder / settings.jobs,
            upstreams={name: self._provided(name) for name in settings.providers},
            keys=self._keys,
            callers_own_keys=settings.callers == "anyone",
            receives=settings.receives,
            requires=settings.requires,
            rejects=settings.untagged == "reject",
            refuse_when_full=settings.log_full == "refuse",
            strict=settings.strict,
            ask_usage=settings.ask_usage,
            counters=self.budgeting.counters,
            budget=self.budgeting.budget(self._project.settings),
            tls=self.securing.files(settings.tls),
            trust=trust_of(settings),
            logs=settings.logs,
            access_log=settings.access_log,
        )

    def _provided(self, name: str) -> Provided:
        known = self.settings.resolved(name)
        key_from = self.settings.providers[name].key_from
        region = self.settings.providers[name].region
        stamp, injects = _stamp(key_from), self.settings.injects(name)
        return Provided(known.provider, known.url, known.auth, key_from, stamp, injects, region)

    def _warn(self) -> None:
        """Say which of the providers' keys are not where they should be."""
        for name, each in self.plan.upstreams.items():
            if each.key_from is not None and each.secret() is None:
                cannot = f"calls to /{name} with a key of the gateway are refused"
                tell("no-key", f"{each.key_from} holds no key: {cannot}", level=logging.WARNING, upstream=name)

    # --- the settings

    def _reload(self) -> None:
        """Take up what was changed in the settings, if it is sound."""
        project = Project.open(self._project.folder)
        try:
            settings = _settings(project)
        except ApportionError as error:
            self.refused += 1
            tell("reload-refused", "the gateway goes on as it was", level=logging.ERROR, block=error.text())
            return
        fixed = [key for key in _FIXED if getattr(settings, key) != getattr(self.settings, key)]
        if fixed:
            listed = ", ".join(f"`{key}`" for key in fixed)
            tell("restart-needed", f"{listed} of the gateway changed: that takes a new start", level=logging.WARNING)
        self._project = project
        self.settings = settings.model_copy(update={key: getattr(self.settings, key) for key in _FIXED})

    def _mark(self) -> tuple[object, ...]:
        """What changes when the settings, or a file with a provider's key, do."""
        files = [each.key_from for each in self.settings.providers.values()]
        settings = _stamp(f"file:{self._project.folder / 'apportion.yaml'}")
        return (settings, *(_stamp(file) for file in files), self.securing.mark(self.settings.tls))

    # --- the keys

    def _read_keys(self) -> KeyTable | None:
        """The keys in the books; None where nothing has changed, or they cannot be read."""
        self._rebased = False
        from apportion.books.keys import standing

        try:
            if self._books is None:
                self._books = self._project.books()
            with self._books.reading() as view:
                self._rebased = self.budgeting.rebase(self._project.settings, view, time.time())
                number = view.latest_key_change()
                if number == self._number:
                    return None
                changes = view.key_changes()
        except ApportionError as error:
            if error.slug != "no-books" and not self._silent:
                goes_on = "the gateway goes on with the keys that it knows"
                tell("books-unreadable", goes_on, level=logging.WARNING, block=error.text())
                self._silent = True
            return None
        self._number, self._silent = number, False
        table = table_of(standing(changes).values())
        self._keep(table)
        return table

    @property
    def _kept(self) -> Path:
        return self.state / "keys.json"

    def _keep(self, table: KeyTable) -> None:
        """Keep what is known of the keys, so that the gateway starts where the books are not to be had."""
        self.state.mkdir(parents=True, exist_ok=True)
        beside = self._kept.with_suffix(".new")
        with contextlib.suppress(OSError):
            beside.touch(0o600)
            beside.write_bytes(orjson.dumps(to_rows(table)))
            beside.replace(self._kept)

    def _kept_keys(self) -> KeyTable:
        try:
            return from_rows(orjson.loads(self._kept.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return KeyTable()


def table_of(keys: Iterable[StandingKey]) -> KeyTable:
    """The keys as the workers hold them: every secret that ever was, so that an old one is told from an unknown one."""
    found: dict[bytes, Key] = {}
    for key in keys:
        says = key.says
        for hashed, until in key.secrets.items():
            ends = [end for end in (until, says.expires_at) if end is not None]
            found[bytes.fromhex(hashed)] = Key(
                key.key_id,
                says.name,
                dict(says.tags),
                frozenset(says.providers),
                says.requires,
                says.rejects,
                min((datetime.fromisoformat(end).timestamp() for end in ends), default=None),
                key.revoked_at is not None,
            )
    return KeyTable(found)


def _settings(project: Project) -> Gateway:
    settings = project.settings.gateway
    if settings is None:
        cure = "Add `gateway: {providers: {openai: {}, anthropic: {}}}` to apportion.yaml."
        raise ApportionError("no-gateway", "the project says nothing of a gateway", cure=cure)
    return settings


def _stamp(place: str | None) -> int:
    """When a file was last changed, in nanoseconds; 0 where there is none."""
    if place is None or not place.startswith("file:"):
        return 0
    try:
        return Path(place.removeprefix("file:")).stat().st_mtime_ns
    except OSError:
        return 0
