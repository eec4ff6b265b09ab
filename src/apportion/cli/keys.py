"""`apportion key`: keys of the gateway, made, changed, renewed and revoked; each secret is shown once."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from apportion.cli.options import HERE, FormatOption, OutputOption, ProjectOption
from apportion.cli.output import Format, of_ending, write

if TYPE_CHECKING:
    from apportion.books.keys import KeyChange, KeyChangeKind, KeySays, StandingKey
    from apportion.config.settings import Settings
    from apportion.project import Project

app = typer.Typer(name="key", help="Keys of the gateway.", no_args_is_help=True)

_OVERLAP_HOURS: Final = 24
_LONGEST_HOURS: Final = 24 * 90


def _tag(text: str) -> tuple[str, str]:
    from apportion.gateway.tags import Tags

    key, equals, value = text.partition("=")
    tags = Tags()
    tags.add(key.strip(), value.strip())
    if not equals or not tags.values:
        raise typer.BadParameter(f"{text!r} is no tag such as team=search")
    return key.strip(), value.strip()


def _until(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day or instant such as 2027-01-31 or 2027-01-31T18:00Z") from error
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    if aware <= datetime.now(UTC):
        raise typer.BadParameter(f"{text} has passed")
    return _instant(aware)


Name = Annotated[str, typer.Argument(help="The key's name or id.", show_default=False)]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="DIMENSION=VALUE", help="Of every call with it; may be given again."),
]
Providers = Annotated[
    list[str] | None, typer.Option("--provider", help="That it may call, as the settings name it; all if not given.")
]
Requires = Annotated[list[str] | None, typer.Option("--requires", help="A tag that every call with it must carry.")]
Rejects = Annotated[
    bool | None,
    typer.Option("--reject-untagged/--warn-untagged", help="Refuse calls without those tags, or mark them."),
]
Expires = Annotated[
    str | None,
    typer.Option("--expires", parser=_until, metavar="WHEN", help="The first instant at which it is of no use."),
]
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who does it.", show_default="who is logged in here")
]
Note = Annotated[str, typer.Option("--note", help="Why, for those who read the books.", show_default=False)]
Preview = Annotated[bool, typer.Option("--preview", help="Show what the key would say, and change nothing.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="For people, such as search-production.", show_default=False)],
    project: ProjectOption = HERE,
    tag: Tags = None,
    provider: Providers = None,
    requires: Requires = None,
    rejects: Rejects = None,
    expires: Expires = None,
    by: By = None,
    note: Note = "",
    preview: Preview = False,  # noqa: FBT002
) -> None:
    """Make a key; its secret goes to stdout, now and never again."""
    from apportion.books.keys import KeySays
    from apportion.gateway.keys import PREFIX
    from apportion.project import Project

    opened = Project.open(project)
    says = _checked(
        opened.settings,
        KeySays(
            _named(name),
            dict(map(_tag, tag or ())),
            tuple(provider or ()),
            tuple(requires or ()),
            bool(rejects),
            expires,
        ),
    )
    if preview:
        _say(says)
        typer.echo("a preview; nothing was made", err=True)
        return
    key_id = f"ak_{secrets.token_hex(6)}"
    change, secret = _change("create", key_id, says, by, note, renewed=True)
    _written(opened, change)
    typer.echo(secret)
    _say(says)
    typer.echo(f"made {key_id}; the secret above ({PREFIX}…) is not kept and is not shown again", err=True)


@app.command(name="list")
def list_(
    project: ProjectOption = HERE,
    every: Annotated[bool, typer.Option("--all", help="Revoked and expired ones, too.")] = False,  # noqa: FBT002
    form: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Every key, with what it says and who made it."""
    from apportion.project import Project
    from apportion.report.table import Column, Table

    opened = Project.open(project)
    now = _now()
    shown = [key for key in _standing(opened).values() if every or key.state(now) == "active"]
    columns = ("key", "id", "state", "tags", "providers", "requires", "expires", "made", "by", "renewed")
    table = Table(
        name="keys",
        title="Keys of the gateway",
        columns=tuple(Column(name, name.capitalize() if name != "id" else "ID") for name in columns),
        rows=tuple(_row(key, now) for key in shown),
        currency=opened.settings.currency,
        period="",
        company=opened.settings.company,
    )
    if shown or of_ending(form, output) is not Format.TABLE:
        write([table], form, output)
    if not shown:
        typer.echo("No key is of use: `apportion key create NAME --tag team=…` makes one.", err=True)


@app.command()
def change(
    name: Name,
    project: ProjectOption = HERE,
    tag: Tags = None,
    provider: Providers = None,
    requires: Requires = None,
    rejects: Rejects = None,
    expires: Expires = None,
    forever: Annotated[bool, typer.Option("--never-expires", help="Take its end away.")] = False,  # noqa: FBT002
    rename: Annotated[str | None, typer.Option("--name", help="Another name for it.")] = None,
    by: By = None,
    note: Note = "",
    preview: Preview = False,  # noqa: FBT002
) -> None:
    """Change what a key says from now on; what is not named stays. Its secret stays, too."""
    from apportion.project import Project

    opened = Project.open(project)
    key = _known(opened, name)
    says = replace(
        key.says,
        name=key.says.name if rename is None else _named(rename),
        tags=dict(map(_tag, tag)) if tag else key.says.tags,
        providers=tuple(provider) if provider else key.says.providers,
        requires=tuple(requires) if requires else key.says.requires,
        rejects=key.says.rejects if rejects is None else rejects,
        expires_at=None if forever else expires or key.says.expires_at,
    )
    _say(_checked(opened.settings, says))
    if preview or says == key.says:
        typer.echo("a preview; nothing was changed" if preview else "it says so already; nothing was changed", err=True)
        return
    made, _ = _change("change", key.key_id, says, by, note)
    _written(opened, made)
    typer.echo(f"{key.key_id} changed; the gateway takes it up within two seconds", err=True)


@app.command()
def rotate(
    name: Name,
    project: ProjectOption = HERE,
    overlap: Annotated[
        int,
        typer.Option(
            "--overlap", min=0, max=_LONGEST_HOURS, metavar="HOURS", help="How long the old secret stays of use."
        ),
    ] = _OVERLAP_HOURS,
    by: By = None,
    note: Note = "",
    preview: Preview = False,  # noqa: FBT002
) -> None:
    """Give a key a new secret, which goes to stdout; the old one is of use for a while."""
    from apportion.project import Project

    opened = Project.open(project)
    key = _known(opened, name)
    until = _instant(datetime.now(UTC) + timedelta(hours=overlap))
    if preview:
        typer.echo(f"{key.says.name} would have a new secret, the old one until {until}; nothing was changed", err=True)
        return
    made, secret = _change("rotate", key.key_id, key.says, by, note, renewed=True)
    _written(opened, replace(made, others_until=until))
    typer.echo(secret)
    typer.echo(
        f"{key.key_id} has a new secret, shown above and never again; the old one is of use until {until}", err=True
    )


@app.command()
def revoke(
    name: Name,
    project: ProjectOption = HERE,
    by: By = None,
    note: Note = "",
    preview: Preview = False,  # noqa: FBT002
) -> None:
    """Take a key back for good; the gateway refuses it within two seconds."""
    from apportion.project import Project

    opened = Project.open(project)
    key = _known(opened, name)
    if preview:
        typer.echo(f"{key.says.name} would be of no use any more; nothing was changed", err=True)
        return
    made, _ = _change("revoke", key.key_id, key.says, by, note)
    _written(opened, made)
    typer.echo(f"{key.key_id} revoked; calls with it are refused within two seconds", err=True)


def _change(
    kind: KeyChangeKind, key_id: str, says: KeySays, by: str | None, note: str, *, renewed: bool = False
) -> tuple[KeyChange, str]:
    """A change, and its new secret where it has one."""
    from apportion.books.keys import KeyChange
    from apportion.books.runners import person
    from apportion.gateway.keys import digest, new_secret

    secret = new_secret() if renewed else ""
    hashed = digest(secret).hex() if renewed else None
    return KeyChange(kind, key_id, says, by or person(), _now(), hashed, note=note), secret


def _written(project: Project, made: KeyChange) -> None:
    with project.books(create=True) as books:
        books.change_key(made)


def _standing(project: Project) -> dict[str, StandingKey]:
    from apportion.books.keys import standing

    with project.books(create=True) as books, books.reading() as view:
        return standing(view.key_changes())


def _known(project: Project, name: str) -> StandingKey:
    from apportion.books.keys import known

    return known(_standing(project), name)


def _checked(settings: Settings, says: KeySays) -> KeySays:
    """What a key says, if the project knows its words."""
    _all_known("--tag", "dimension", says.tags, settings.dimension_names)
    _all_known("--requires", "dimension", says.requires, settings.dimension_names)
    providers = settings.gateway.providers if settings.gateway else {}
    _all_known("--provider", "provider of the gateway", says.providers, tuple(providers))
    return says


def _all_known(option: str, what: str, names: Iterable[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            close = difflib.get_close_matches(name, there, n=1)
            meant = f"did you mean {close[0]}?" if close else f"there is {', '.join(there) or 'none'}"
            raise typer.BadParameter(f"{name} is no {what}; {meant}", param_hint=option)


def _named(name: str) -> str:
    if not name.strip() or not name.isprintable() or name.startswith("ak_"):
        raise typer.BadParameter(f"{name!r} is no name; write one such as search-production", param_hint="NAME")
    return name.strip()


def _say(says: KeySays) -> None:
    """What a key says, for people."""
    tags = ", ".join(f"{key}={value}" for key, value in says.tags.items()) or "none: callers say whom it is for"
    typer.echo(f"{says.name}\n  tags       {tags}", err=True)
    typer.echo(f"  providers  {', '.join(says.providers) or 'all'}", err=True)
    if says.requires:
        typer.echo(
            f"  requires   {', '.join(says.requires)}, {'or refused' if says.rejects else 'or marked'}", err=True
        )
    typer.echo(f"  expires    {says.expires_at or 'never'}", err=True)


def _row(key: StandingKey, now: str) -> tuple[str | None, ...]:
    says = key.says
    tags = ", ".join(f"{name}={value}" for name, value in says.tags.items())
    requires = ", ".join(says.requires)
    return (
        says.name,
        key.key_id,
        key.state(now),
        tags or None,
        ", ".join(says.providers) or "all",
        f"{requires} (refused)" if requires and says.rejects else requires or None,
        says.expires_at or "never",
        key.created_at,
        key.created_by,
        key.renewed_at,
    )


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> str:
    return _instant(datetime.now(UTC))
