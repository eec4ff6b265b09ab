"""`apportion job run`: a command under watch, and what it used of GPUs in a record that meters read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from apportion.cli.options import HERE, ProjectOption
from apportion.errors import writing

if TYPE_CHECKING:
    from apportion.jobs.running import Done

ENVIRONMENT: Final = "APPORTION_JOB_LOG"
_SETTINGS: Final = "apportion.yaml"
_USUAL: Final = Path("usage") / "jobs"
# As shells have them.
_NOT_FOUND, _NOT_TO_RUN = 127, 126

app = typer.Typer(name="job", help="Run training and batch jobs under watch.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `run` a word of its own, although it is the only one."""


def tags_of(given: list[str]) -> dict[str, str]:
    """Read `team=ml`.

    Raises:
        BadParameter: One is none, or out of the bounds of tags.
    """
    from apportion.gateway.tags import LONGEST_VALUE, MOST_TAGS, Tags

    found = Tags()
    for each in given:
        key, mark, value = each.partition("=")
        if not mark or not key or not value:
            raise typer.BadParameter(f"`{each}` is no tag such as team=ml", param_hint="--tag")
        if key in found.values:
            raise typer.BadParameter(f"the tag `{key}` is given twice", param_hint="--tag")
        found.add(key, value)
        if found.dropped:
            bounds = f"at most {MOST_TAGS} of them, values of at most {LONGEST_VALUE} printable characters"
            raise typer.BadParameter(f"`{each[:80]}` is no tag that can be kept: {bounds}", param_hint="--tag")
    return found.values


def _folder(log: Path | None, project: Path) -> Path:
    named = os.environ.get(ENVIRONMENT)
    if log is not None or named:
        return (log or Path(named or "")).absolute()
    if not (project / _SETTINGS).is_file():
        message = f"there is no {_SETTINGS} in {project.resolve()}; name the project with -p, or a folder with --log"
        raise typer.BadParameter(message, param_hint="--log")
    return project.resolve() / _USUAL


@app.command("run", context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[
        list[str], typer.Argument(help="The command and its arguments, behind `--`.", metavar="COMMAND")
    ],
    tag: Annotated[
        list[str] | None, typer.Option("--tag", "-t", metavar="KEY=VALUE", help="Whom or what it is for; repeatable.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the job, for people.")] = None,
    item: Annotated[
        str | None, typer.Option("--item", help="The machine or cluster as the bill names it; this host if not given.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Who runs it.")] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus", min=0, help="GPUs that it has, for hosts on which none can be seen.")
    ] = None,
    item_gpus: Annotated[
        int | None, typer.Option("--item-gpus", min=1, help="GPUs that the item has in all, to tell what is idle.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option("--log", help=f"The folder of records.  [env: {ENVIRONMENT}]", show_default="usage/jobs"),
    ] = None,
    project: ProjectOption = HERE,
) -> None:
    """Run a command and write down the GPU hours it used; its streams, signals and exit code are its own."""
    from apportion.gateway.usage_log import recover
    from apportion.jobs.running import Order
    from apportion.jobs.running import run as run_job

    folder = _folder(log, project)
    order = Order(command, folder, tags_of(tag or []), name, item, user, gpus, item_gpus)
    with writing(f"the records of jobs in {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        for found in recover(folder):
            typer.echo(f"{found.path or 'an empty file'}: the record of a job whose end was not seen", err=True)
        try:
            done = run_job(order, lambda text: typer.echo(f"apportion: {text}", err=True))
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            if error.filename != command[0]:
                raise
            typer.echo(f"apportion: {command[0]} cannot be run: {error.strerror}", err=True)
            raise typer.Exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_TO_RUN) from None
    typer.echo(f"apportion: {_said(done, name or Path(command[0]).name)}", err=True)
    raise typer.Exit(done.exit_code)


def _said(done: Done, name: str) -> str:
    """A line on what became of it."""
    hours = "GPU hours not known" if done.hours is None else f"{done.hours} GPU hours"
    sure = "" if done.state == "measured" else f" ({done.state})"
    where = f", {done.record}" if done.record else ", without a record"
    return f"{name}: {done.outcome}, {hours}{sure}{where}"
