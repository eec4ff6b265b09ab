"""The only place that knows the order of the stages."""

from apportion.pipeline.run import Outcome, run

__all__ = ["Outcome", "run"]
