"""Owners proposed: what a directory or the calls that have an owner say of those that carry none."""

from apportion.propose.find import Found, find
from apportion.propose.proposal import Proposal

__all__ = ["Found", "Proposal", "find"]
