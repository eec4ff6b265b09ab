"""What a case is: a folder where one thing is wrong, a command, and what it must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from apportion.errors import EXIT_PROBLEMS


def _nothing(_folder: Path) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True)
class Case:
    """One reproduction of one slug.

    Attributes:
        files: What stands in the folder, over the sound project of `folder.py`.
        at: The place in the head of the message; empty where there is none.
        says: Texts that the message must hold: the real values.
        money: The line about money; empty where none is concerned.
        words: The command.
        code: Its exit code.
        before: Commands that are given first and must succeed.
        world: What the machine does meanwhile.
        cure: A piece of the cure; every message but those that need none must have one.
        warning: It is a doubt and not an error.
    """

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    at: str = ""
    says: tuple[str, ...] = ()
    money: str = ""
    words: tuple[str, ...] = ("check",)
    code: int = EXIT_PROBLEMS
    before: tuple[tuple[str, ...], ...] = ()
    world: Callable[[Path], AbstractContextManager[object]] = _nothing
    cure: str | None = ""
    warning: bool = False


def doubt(files: Mapping[str, str | bytes], says: tuple[str, ...], money: str = "", at: str = "") -> Case:
    """A warning that `check` shows; the exit code stays 0."""
    return Case(files, at, says, money, code=0, warning=True)
