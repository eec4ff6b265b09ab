"""Owners proposed: what a directory or the calls that carry a name say of those that carry none."""

from apportion.propose.find import Found, find
from apportion.propose.proposal import Proposal

__all__ = ["Found", "Proposal", "find"]
