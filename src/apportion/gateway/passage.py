"""What the head of a request tells of its call before any of its body is here: where to, who calls, and for whom.

The requests of a connection mostly have the same head but for their length. They share one passage, so that this is
found out once and not at each call.
"""

from __future__ import annotations

from typing import Final

from apportion.gateway.admission import Found, Refused, Who, find
from apportion.gateway.call import Call
from apportion.gateway.heads import Head
from apportion.gateway.keys import KeyTable
from apportion.gateway.onward import length_line, start
from apportion.gateway.routes import FREE, Route, route
from apportion.gateway.tags import Tags, from_headers
from apportion.gateway.trust import Given
from apportion.gateway.upstream import Terms

_NOWHERE: Final = Route(FREE)


class Passage:
    """That of one head.

    Args:
        head: Of the request; of those that share it, the first.
        terms: Of the gateway.
        keys: Of the gateway.
        given: What is known of the call before it says anything itself.
    """

    __slots__ = ("_found", "_keys", "_rest", "_route", "_starts", "_tags", "_terms", "_upstream", "_user")

    def __init__(self, head: Head, terms: Terms, keys: KeyTable, given: Given | None = None) -> None:
        name, _, rest = head.path[1:].partition("/")
        self._terms, self._keys = terms, keys
        self._upstream = terms.upstreams.get(name)
        self._rest = f"/{rest}"
        self._route = _NOWHERE if self._upstream is None else route(head.method, self._rest)
        self._found = self._find(head, given)
        self._tags = Tags()
        self._user: str | None = None
        self._starts: dict[bool, bytes] = {}
        if isinstance(self._found.who, Who):
            # What is there first stays: the tags of its key, then those of a proxy.
            self._tags.values.update(self._found.key.tags if self._found.key else {})
            if given is not None:
                self._user = given.put_on(self._tags)
            from_headers(self._tags, head.headers)

    def _find(self, head: Head, given: Given | None) -> Found:
        if self._upstream is None:
            known = ", ".join(f"/{name}" for name in sorted(self._terms.upstreams)) or "none"
            message = f"the path begins with no upstream of this gateway; there is {known}"
            return Found(Refused(404, "upstream-unknown", message))
        if given is not None and given.refused is not None:
            return Found(given.refused)
        return find(head, self._upstream, self._terms, self._keys)

    def is_of(self, terms: Terms, keys: KeyTable) -> bool:
        """Whether it was found out by these terms and keys."""
        return self._terms is terms and self._keys is keys

    def call(self, head: Head, now: float, began: float) -> Call:
        """A call by it.

        Args:
            head: Of the call's own request.
            now: In seconds of the epoch.
            began: The same by the worker's clock.
        """
        found = self._found.who
        tags = Tags(self._tags.values.copy(), self._tags.dropped)
        caller = found if isinstance(found, Who) else Who(None, "none")
        return Call(head, now, began, self._upstream, self._rest, self._route, caller, tags, self._user)

    def refused(self, now: float) -> Refused | None:
        """Why no call goes on by it.

        Args:
            now: In seconds of the epoch.
        """
        return self._found.refused(now)

    def onward(self, call: Call) -> bytes:
        """The head of a call's request as its upstream gets it, where nobody signs it."""
        plain = call.asking.asked_for_usage
        # What is injected may stand in the head, and is of one call.
        found = None if call.to.inject else self._starts.get(plain)
        if found is None:
            found = self._starts[plain] = start(call.to, call.head, self._rest, own_key=call.who.own_key, plain=plain)
        return b"%b%b\r\n" % (found, length_line(call))
