"""How a running job is heard and stopped, as the lab sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from explorer.lab.records import LayerRow


class Stopped(Exception):  # noqa: N818 - not an error
    """The person asked for the job to end."""


class Report(Protocol):
    """Where a job tells what it does. Every method may be called from any thread."""

    def built(self, layers: Sequence[LayerRow], steps: int) -> None:
        """The model exists; ``steps`` batches are ahead."""

    def progress(self, text: str, done: int, total: int, seconds_left: float | None) -> None:
        """How far the job is; ``seconds_left`` is ``None`` until it can be told."""

    def metric(
        self, epoch: int, step: int, values: Mapping[str, float], seconds: float, epoch_end: bool
    ) -> None:
        """Values so far; the arguments are those of `engine.messages.Metric`."""

    def log(self, text: str) -> None:
        """A line for the log."""

    def check(self) -> None:
        """Raise `Stopped` if the job shall end."""
