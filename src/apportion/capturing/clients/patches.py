"""Methods of other libraries, replaced while somebody captures; libraries that are not there yet, when they come."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final, NamedTuple

from apportion.capturing.watch import tell_once


class Patch(NamedTuple):
    """A method to replace.

    Attributes:
        owner: The class.
        name: Of the method.
        make: Makes the one to stand there of the one that did.
    """

    owner: type
    name: str
    make: Callable[[Callable[..., Any]], Callable[..., Any]]


Finds = Callable[[ModuleType], Sequence[Patch]]


class Patches:
    """What is replaced.

    Args:
        libraries: By the name of a module: what to replace once it is there.
    """

    def __init__(self, libraries: dict[str, Finds]) -> None:
        self._libraries: Final = libraries
        self._lock = threading.Lock()
        self._uses = 0
        self._done: dict[str, list[tuple[type, str, Any, Any]]] = {}
        self._finder = _Finder(self)

    def begin(self) -> None:
        """Replace everything, once for all who capture."""
        with self._lock:
            self._uses += 1
            if self._uses > 1:
                return
            for name in self._libraries:
                if (module := sys.modules.get(name)) is not None:
                    self._replace(name, module)
            sys.meta_path.insert(0, self._finder)

    def end(self) -> None:
        """Put everything back when the last capture ends; what another replaced since stays, and watches nothing."""
        with self._lock:
            self._uses -= 1
            if self._uses:
                return
            if self._finder in sys.meta_path:
                sys.meta_path.remove(self._finder)
            for done in self._done.values():
                for owner, name, before, ours in reversed(done):
                    if owner.__dict__.get(name) is ours:
                        setattr(owner, name, before)
            self._done.clear()

    def waits_for(self, name: str) -> bool:
        """Whether a module is to be looked into when it comes."""
        return name in self._libraries and name not in self._done

    def came(self, name: str, module: ModuleType) -> None:
        """A module was imported."""
        with self._lock:
            if self._uses:
                self._replace(name, module)

    def _replace(self, name: str, module: ModuleType) -> None:
        if name in self._done:
            return
        done = self._done[name] = []
        try:
            for owner, method, make in self._libraries[name](module):
                before = owner.__dict__[method]
                ours = make(before)
                setattr(owner, method, ours)
                done.append((owner, method, before, ours))
        except (AttributeError, KeyError, ImportError) as error:
            tell_once(f"this {name} is not one that can be watched: {error!r}", error)


class _Finder(MetaPathFinder):
    """Finds nothing itself: what others find is loaded by them, and looked into then."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self._here = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification that others give, with a loader in front of theirs."""
        del path, target
        if not self._patches.waits_for(fullname) or getattr(self._here, "now", False):
            return None
        self._here.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._here.now = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(self._patches, spec.loader)
        return spec


class _Loader(Loader):
    """Loads as the one behind it does."""

    def __init__(self, patches: Patches, behind: Loader) -> None:
        self._patches = patches
        self._behind = behind

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module that the other makes."""
        return self._behind.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Load, with nothing of us left in the module."""
        module.__loader__ = self._behind
        if module.__spec__ is not None:
            module.__spec__.loader = self._behind
        self._behind.exec_module(module)
        self._patches.came(module.__name__, module)
