"""apportion: every AI bill in, every cent owned, statements out.

The flow is collect → normalize → price → attribute → allocate → post → report; each stage has a
package of that name, and the stages meet only in tables. `capture` and `tags` are for programs that make calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apportion.capturing.capture import capture
    from apportion.capturing.tagging import tags

__all__ = ["__version__", "capture", "tags"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what a program asks for, so that importing the package costs nothing."""
    if name == "capture":
        from apportion.capturing.capture import capture

        return capture
    if name == "tags":
        from apportion.capturing.tagging import tags

        return tags
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
