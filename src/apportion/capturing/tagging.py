"""Whom and what the calls are for that are made inside a block or a function."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

# The blocks that are open here, the outermost first, each with its tags. A task has its own; a thread begins with none.
_OPEN: ContextVar[tuple[tuple[object, Mapping[str, Any]], ...]] = ContextVar("apportion_tags", default=())


class tags:  # noqa: N801 - it is written in lower case, like the built-in context managers
    """Tags of the calls that are made inside, as a context manager or a decorator.

    Blocks may be nested: their tags are put together, and the inner one of two values counts. A decorated generator
    has them while it works, and not while it waits to be asked for its next value.

    Args:
        given: By key, for keys that are no names in Python, such as `cost.center`.
        named: The same, as `team="search"`.

    Raises:
        TypeError: Neither keys nor values.
    """

    def __init__(self, given: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"tags are given as names or as a mapping, not as a {type(given).__name__}")
        self._tags: Mapping[str, Any] = {**{str(key): value for key, value in (given or {}).items()}, **named}

    def __enter__(self) -> Self:
        _OPEN.set((*_OPEN.get(), (self, self._tags)))
        return self

    def __exit__(self, *_: object) -> None:
        stack = _OPEN.get()
        # A generator that is cleared away may end where it did not begin; only what is this one's is taken back.
        for at in range(len(stack) - 1, -1, -1):
            if stack[at][0] is self:
                _OPEN.set(stack[:at] + stack[at + 1 :])
                return

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, with the tags for what it calls."""
        made: Callable[..., Any]
        if inspect.isasyncgenfunction(function):
            made = self._async_generator(function)
        elif inspect.isgeneratorfunction(function):
            made = self._generator(function)
        elif inspect.iscoroutinefunction(function):
            made = self._coroutine(function)
        else:
            made = self._plain(function)
        return cast("Callable[P, R]", wraps(function)(made))

    def _plain(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **named: Any) -> Any:
            with self:
                return function(*args, **named)

        return called

    def _coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **named: Any) -> Any:
            with self:
                return await function(*args, **named)

        return called

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **named: Any) -> Generator[Any, Any, Any]:
            inner: Generator[Any, Any, Any] = function(*args, **named)
            step, sent = inner.send, None
            while True:
                with self:
                    try:
                        value = step(sent)
                    except StopIteration as end:
                        return end.value
                try:
                    step, sent = inner.send, (yield value)
                except GeneratorExit:
                    with self:
                        inner.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in is the inner one's to answer
                    step, sent = inner.throw, error

        return called

    def _async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **named: Any) -> AsyncGenerator[Any, Any]:
            inner: AsyncGenerator[Any, Any] = function(*args, **named)
            step, sent = inner.asend, None
            while True:
                with self:
                    try:
                        value = await step(sent)
                    except StopAsyncIteration:
                        return
                try:
                    step, sent = inner.asend, (yield value)
                except GeneratorExit:
                    with self:
                        await inner.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - as above
                    step, sent = inner.athrow, error

        return called


def tags_here() -> dict[str, Any]:
    """The tags of every block that is open here; of two values for a key the inner one."""
    found: dict[str, Any] = {}
    for _, each in _OPEN.get():
        found.update(each)
    return found
