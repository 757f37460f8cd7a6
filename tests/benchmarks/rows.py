"""Lines of the table that the benchmarks print, and the processes that measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Row:
    """A line of the table; ``limit`` is for ``value``, in the same unit, and is itself allowed."""

    what: str
    app: str
    reference: str
    ratio: str
    value: float
    limit: float | None = None

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "OVER"


def child(script: str, *arguments: str, folder: str) -> tuple[float, Any]:
    """When a script of this folder was started, and the last line it printed, decoded."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(_HERE.parent.parent),
        "HOME": folder,
        "XDG_DATA_HOME": f"{folder}/data",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(_HERE / script), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return start, json.loads(done.stdout.splitlines()[-1])


def absence(what: str, found: bool) -> Row:
    """A line for what must not be there."""
    return Row(what, "yes" if found else "no", "no", "", float(found), 0)


def table(rows: list[Row]) -> str:
    """The lines in columns."""
    cells = [("", "app", "reference", "ratio", "")]
    cells += [(row.what, row.app, row.reference, row.ratio, row.verdict) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )
