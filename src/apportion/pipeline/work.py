"""What the stages of one run share: its settings, its engine, the files it writes and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from apportion.books.records import Control, Fold, PartLike, Publication
from apportion.config.settings import Settings
from apportion.errors import Problem
from apportion.project import Project
from apportion.warehouse.engine import Engine
from apportion.warehouse.tables import Part, write_table


@dataclass
class Work:
    """What the stages of one run share.

    Attributes:
        project: What is run.
        settings: Its settings.
        engine: Works.
        run_id: Names the run and its files.
        warehouse: Where files are written; inside `folder`.
        folder: What the paths of parts are relative to.
        before: What slices of calls became in runs that are current.
        parts: Files that were written.
        again: Files of earlier runs that are listed again.
        folds: What slices of calls became now.
        problems: Everything a user should know.
        controls: What each stage counted.
        reuse: Which slices were as before, in words.
    """

    project: Project
    settings: Settings
    engine: Engine
    run_id: str
    warehouse: Path
    folder: Path
    before: Sequence[Fold] = ()
    parts: list[Part] = field(default_factory=list)
    again: list[PartLike] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    reuse: str = ""

    def keep(
        self, table: str, query: str, period: str, slice_name: str | None = None
    ) -> tuple[Sequence[Part], list[Path]]:
        """Write parts that nothing points to until the run is published."""
        written = write_table(
            self.engine, table, project=self.folder, warehouse=self.warehouse, period=period, run_id=self.run_id,
            query=query, slice_name=slice_name,
        )  # fmt: skip
        self.parts += written
        return written, [self.folder / part.path for part in written]

    def list_again(self, parts: Sequence[PartLike]) -> list[Path]:
        """List parts of an earlier run as this one's too."""
        self.again += parts
        storage = self.project.storage
        find = storage.path if self.engine.finds_objects else storage.local
        return [find(part.path) for part in parts]

    def bring(self) -> None:
        """Have every part that was written on this machine."""
        for part in self.parts:
            self.project.storage.fetched(self.folder / part.path)

    def settled(self, publication: Publication) -> Publication:
        """The same, every file under the address that it has for good."""
        storage = self.project.storage
        put: dict[str, PartLike] = {}
        for part in self.parts:
            file = self.folder / part.path
            put[part.path] = replace(part, path=storage.put(file, file.relative_to(self.warehouse).as_posix()))
        folds = [replace(fold, parts=tuple(put.get(part.path, part) for part in fold.parts)) for fold in self.folds]
        return replace(publication, parts=[*put.values(), *self.again], folds=folds)
