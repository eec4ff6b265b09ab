"""Bodies that tell no usage: sound, files, lists of models. They are passed on and not looked into."""

from __future__ import annotations

from apportion.gateway.meters.format import Asked
from apportion.gateway.meters.measure import Measure


class Opaque:
    """A body that is not looked into."""

    def __init__(self, asked: Asked, *, bills: bool) -> None:
        self._asked = asked
        self._bills = bills

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def finish(self, *, whole: bool) -> Measure:
        """Say what the usage was: spoken text is billed by its characters, which stand in the request."""
        asked = self._asked
        if asked.status >= 400:  # noqa: PLR2004 - HTTP's first error
            return Measure("missing", f"the provider answered {asked.status} and told no usage", model=asked.model)
        if not self._bills:
            return Measure("missing", "the route bills no usage")
        if not asked.characters:
            return Measure("missing", "the answer tells no usage", model=asked.model)
        fees = {"characters": asked.characters}
        if not whole:
            return Measure(
                "estimated", "the answer was cut off; its text is counted in full", model=asked.model, fees=fees
            )
        return Measure("measured", model=asked.model, fees=fees)
