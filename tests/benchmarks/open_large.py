"""Measures reading in a process of its own: ``open_large.py QUESTION PATH``, prints JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from explorer.formats.artifact import Node
from explorer.formats.registry import open_artifact


def peak() -> int:
    """The most memory that this process has taken, in bytes (Linux counts in KB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the wall clock, and what came of it."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def nodes(root: Node) -> int:
    """Every node of the tree, counted."""
    count, pending = 0, [root]
    while pending:
        count += 1
        pending += pending.pop().children()
    return count


def whole_tree(path: str) -> dict[str, float]:
    """Open to the complete tree and the list of tensors; a plain read of the same bytes."""
    base = peak()
    seconds, count = timed(lambda: _open_all(path))
    taken = peak() - base
    plain = timed(lambda: _read_all(Path(path)))[0]
    return {"seconds": seconds, "bytes": taken, "nodes": count, "plain": plain}


def _open_all(path: str) -> int:
    artifact = open_artifact(path)
    return nodes(artifact.root) + len(artifact.tensors())


def _read_all(path: Path) -> None:
    files = [path] if path.is_file() else sorted(path.parent.glob(f"{path.name}*"))
    files = [f for found in files for f in ([found] if found.is_file() else found.rglob("*"))]
    for file in files:
        if file.is_file():
            with file.open("rb") as stream:
                while stream.read(1 << 22):
                    pass


def datasets(path: str) -> dict[str, float]:
    """Names, first page and all shapes of one huge group, beside h5py's ways."""
    import h5py

    names, group = timed(lambda: _named(open_artifact(path).root.children()[-1]))
    artifact = open_artifact(path)
    page = timed(lambda: group.children(0, 500))[0]
    everything = timed(lambda: [(t.path, t.shape, t.dtype) for t in artifact.tensors()])[0]
    shapes: list[Any] = []
    with h5py.File(path) as file:
        keys = timed(lambda: list(file["weights"].keys()))[0]
        visited = timed(lambda: file.visititems(_collector(shapes)))[0]
    return {"names": names, "page": page, "all": everything, "keys": keys, "visititems": visited}


def _named(group: Node) -> Node:
    """The group once it knows the names in it."""
    group.child_count()
    return group


def _collector(found: list[Any]) -> Callable[[str, Any], None]:
    return lambda name, item: found.append(
        (name, getattr(item, "shape", 0), getattr(item, "dtype", 0))
    )


def tensor(path: str) -> dict[str, float]:
    """The largest tensor read, and a plain ``pread`` of the same bytes; the best of five each."""
    largest = max(open_artifact(path).tensors(), key=lambda t: t.nbytes)
    place = largest.location
    assert place is not None
    assert place.offset is not None
    file = os.open(Path(path).parent / place.file, os.O_RDONLY)
    ours, plain = [], []
    for _ in range(5):
        ours.append(timed(largest.read)[0])
        plain.append(timed(lambda: os.pread(file, place.nbytes, place.offset))[0])
    return {"ours": min(ours), "plain": min(plain)}


if __name__ == "__main__":
    questions = {"tree": whole_tree, "datasets": datasets, "tensor": tensor}
    print(json.dumps(questions[sys.argv[1]](sys.argv[2])))
