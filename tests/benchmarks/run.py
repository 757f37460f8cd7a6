"""All benchmarks: ``python tests/benchmarks/run.py`` prints one table. Takes some minutes.

Every number is compared with a reference measured in the same run. Ends with status 1 if one is
over its limit; run it on a machine that does nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

_HERE = Path(__file__).resolve().parent
_STARTS = 9


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
    environment = os.environ | {
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


def start_up(folder: str) -> list[Row]:
    """From the start of the process to the first complete picture of the window."""
    seconds: dict[str, list[float]] = {"app": [], "bare": []}
    tensorflow = False
    for _ in range(_STARTS):
        for kind, times in seconds.items():
            start, said = child("first_paint.py", kind, folder, folder=folder)
            times.append(said["painted"] - start)
            tensorflow |= said["tensorflow"]
    app, bare = median(seconds["app"]), median(seconds["bare"])
    row = Row(
        "start to first picture (limit 0.6 s); an empty Qt window",
        f"{app:.3f} s",
        f"{bare:.3f} s",
        f"{app / bare:.2f}",
        app,
        0.6,
    )
    return [row, _absence("TensorFlow in the window's process at its start", tensorflow)]


def training(folder: str, line: str, title: str, epochs: int, repeats: int) -> list[Row]:
    """Through the window and its worker, against the same by a script."""
    arguments = (folder, line, str(epochs), str(repeats))
    _, turns = child("training.py", *arguments, folder=folder)
    names = {"fit": "fit alone", "whole": "click to model in the library; build, compile, fit"}
    return [
        _ratio(f"training, {title}, {epochs} epochs: {text}", turns, key)
        for key, text in names.items()
    ]


def _ratio(what: str, turns: list[dict[str, dict[str, float]]], key: str) -> Row:
    app, bare = ([turn[side][key] for turn in turns] for side in ("app", "bare"))
    ratio = median(a / b for a, b in zip(app, bare, strict=True))
    limit = 1.10 if key == "fit" else None
    seconds = (f"{median(app):.2f} s", f"{median(bare):.2f} s")
    return Row(what, *seconds, f"{ratio:.2f}", ratio, limit)


def tour(folder: str) -> list[Row]:
    """The longest time in which the window answered nothing, over the whole tour."""
    _, said = child("tour_blocks.py", folder, folder=folder)
    print(said["report"], file=sys.stderr)
    kinds = {"": "longest", ", without the wait for a free core": "own"}
    return [
        _absence("a step of the tour that failed", bool(said["status"])),
        *(_block(what, said[key] * 1000) for what, key in kinds.items()),
        _absence("TensorFlow in the window's process after the tour", said["tensorflow"]),
    ]


def _block(what: str, milliseconds: float) -> Row:
    ratio = f"{milliseconds / 50:.2f}"
    text = f"longest block of the GUI thread in the tour{what}; the limit"
    return Row(text, f"{milliseconds:.0f} ms", "50 ms", ratio, milliseconds, 50)


def _absence(what: str, found: bool) -> Row:
    return Row(what, "yes" if found else "no", "no", "", float(found), 0)


BENCHMARKS: dict[str, Callable[[str], list[Row]]] = {
    "start": start_up,
    "training": lambda folder: training(folder, "keras3", "Keras 3", 5, 7),
    "training2": lambda folder: training(folder, "keras2", "Keras 2", 5, 7),
    "long": lambda folder: training(folder, "keras3", "Keras 3", 50, 3),
    "tour": tour,
}


def table(rows: list[Row]) -> str:
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


def main(chosen: list[str]) -> int:
    """Run the named benchmarks, or all."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen or BENCHMARKS:
            rows += BENCHMARKS[name](folder)
    print(table(rows))
    return int(any(row.verdict == "OVER" for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
