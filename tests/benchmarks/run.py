"""All benchmarks: ``python -m tests.benchmarks.run`` prints one table. Takes some minutes.

Every number is compared with a reference measured in the same run. Ends with status 1 if one is
over its limit; run it on a machine that does nothing else.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from statistics import median

from tests.benchmarks import reading
from tests.benchmarks.rows import Row, absence, child, table

_STARTS = 9


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
    return [row, absence("TensorFlow in the window's process at its start", tensorflow)]


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
        absence("a step of the tour that failed", bool(said["status"])),
        *(_block(what, said[key] * 1000) for what, key in kinds.items()),
        absence("TensorFlow in the window's process after the tour", said["tensorflow"]),
    ]


def _block(what: str, milliseconds: float) -> Row:
    ratio = f"{milliseconds / 50:.2f}"
    text = f"longest block of the GUI thread in the tour{what}; the limit"
    return Row(text, f"{milliseconds:.0f} ms", "50 ms", ratio, milliseconds, 50)


BENCHMARKS: dict[str, Callable[[str], list[Row]]] = {
    "start": start_up,
    "training": lambda folder: training(folder, "keras3", "Keras 3", 5, 7),
    "training2": lambda folder: training(folder, "keras2", "Keras 2", 5, 7),
    "long": lambda folder: training(folder, "keras3", "Keras 3", 50, 3),
    "tour": tour,
    "show": reading.show,
    "large": reading.large,
    "datasets": reading.datasets,
    "constants": reading.constants,
}


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
