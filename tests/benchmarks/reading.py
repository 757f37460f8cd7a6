"""How fast artifacts are read, and in how much memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests import corpus
from tests.benchmarks.rows import Row, child

_MB = 1 << 20
_SIZES = (100 * _MB, 1024 * _MB, 4096 * _MB)
_KINDS = ("h5", "keras", "saved_model", "checkpoint")


@contextmanager
def _made(kind: str, size: int, folder: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        yield child("make_large.py", kind, str(size), place, folder=folder)[1]


def show(folder: str) -> list[Row]:
    """``mfx show`` against TensorFlow's own command, as whole processes."""
    rows = []
    for name in ("half_plus_two_tf1", "basic_pitch_nmp"):
        path = str(corpus.folder() / name)
        command = shutil.which("saved_model_cli", path=str(Path(sys.executable).parent))
        ours = [sys.executable, "-m", "explorer", "show", path]
        theirs = [str(command), "show", "--dir", path, "--all"]
        _process(ours, folder)
        _process(theirs, folder)
        pairs = [(_process(ours, folder), _process(theirs, folder)) for _ in range(5)]
        app, reference = (median(side) for side in zip(*pairs, strict=True))
        ratio = median(b / a for a, b in pairs)
        text = f"mfx show {name}; saved_model_cli show --all (at least 15 × faster)"
        rows.append(Row(text, f"{app:.2f} s", f"{reference:.2f} s", f"{ratio:.1f}", -ratio, -15))
    return rows


def _process(command: list[str], folder: str) -> float:
    """Seconds from start to end, with compiled modules kept as an installed program has them."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
    start = time.perf_counter()
    root = Path(__file__).parents[2]
    subprocess.run(command, capture_output=True, check=True, cwd=root, env=environment)
    return time.perf_counter() - start


def large(folder: str) -> list[Row]:
    """Open to the complete tree, beside a plain read of all bytes; one tensor of 1 GB."""
    rows = []
    for kind in _KINDS:
        for size in _SIZES:
            with _made(kind, size, folder) as path:
                rows += _opening(f"{kind}, {size // _MB:,} MB", path, folder)
                if kind == "checkpoint" and size == _SIZES[1]:
                    rows.append(_tensor(path, folder))
    return rows


def _opening(what: str, path: str, folder: str) -> list[Row]:
    _, said = child("open_large.py", "tree", path, folder=folder)
    milliseconds, plain, taken = said["seconds"] * 1000, said["plain"] * 1000, said["bytes"] / _MB
    cells = (f"{milliseconds:.0f} ms", f"{plain:.0f} ms", f"{milliseconds / plain:.2f}")
    return [
        Row(f"{what}: open to the whole tree; read all", *cells, milliseconds, 100),
        Row(f"{what}: memory over the process's base", f"{taken:.0f} MB", "60 MB", "", taken, 60),
    ]


def _tensor(path: str, folder: str) -> Row:
    _, said = child("open_large.py", "tensor", path, folder=folder)
    ratio = said["plain"] / said["ours"]
    seconds = (f"{said['ours'] * 1000:.1f} ms", f"{said['plain'] * 1000:.1f} ms")
    return Row(
        "one tensor; pread of its bytes (at least 0.80)", *seconds, f"{ratio:.2f}", -ratio, -0.8
    )


def datasets(folder: str) -> list[Row]:
    """100,000 datasets in one group, beside h5py."""
    with _made("datasets", 100_000, folder) as path:
        _, said = child("open_large.py", "datasets", path, folder=folder)
    faster = said["visititems"] / said["all"]
    return [
        Row(
            "100,000 datasets: names (limit 0.2 s); h5py's keys",
            f"{said['names']:.3f} s",
            f"{said['keys']:.3f} s",
            f"{said['names'] / said['keys']:.2f}",
            said["names"],
            0.2,
        ),
        Row(
            "100,000 datasets: first 500 with shapes (limit 50 ms)",
            f"{said['page'] * 1000:.0f} ms",
            "50 ms",
            f"{said['page'] / 0.05:.2f}",
            said["page"],
            0.05,
        ),
        Row(
            "100,000 datasets: all shapes; visititems (at least 2 × faster)",
            f"{said['all']:.2f} s",
            f"{said['visititems']:.2f} s",
            f"{faster:.1f}",
            -faster,
            -2,
        ),
    ]


def constants(folder: str) -> list[Row]:
    """A graph of 500 MB of constants."""
    with _made("constants", 500 * _MB, folder) as path:
        return _opening("graph of 500 MB of constants", path, folder)
