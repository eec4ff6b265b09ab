"""Copies of the scenarios' folders: one per module that is run once, or a fresh one to change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scenarios.project import Project

Opened = Callable[[str], Project]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Opens a folder; every test of the module that asks for the same one gets the same copy."""
    opened: dict[str, Project] = {}

    def open_once(name: str) -> Project:
        if name not in opened:
            opened[name] = Project(name, tmp_path_factory.mktemp(name.replace("/", "-")))
        return opened[name]

    return open_once


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Opens a new copy of a folder, for a test that changes it."""
    return lambda name: Project(name, tmp_path_factory.mktemp(name.replace("/", "-")))
