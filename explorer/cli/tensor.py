"""``mfx tensor``: the values of one tensor."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from explorer.analysis.export import export_npy
from explorer.analysis.plain_types import plain_dtype
from explorer.analysis.search import at_path
from explorer.analysis.slicing import parse_slice
from explorer.analysis.statistics import summarize
from explorer.cli.opening import with_artifact
from explorer.cli.output import Output, aside, progress
from explorer.formats.artifact import Artifact, Selection, Tensor, UnreadableArtifact
from explorer.formats.selection import chosen
from explorer.formats.text import array_text, bytes_text, text_or_bytes, tuple_text

_MOST_PRINTED = 100_000
"""Values of a tensor that are read to be printed whole; a larger one needs a slice."""

_STATISTICS = ("count", "minimum", "maximum", "mean", "std", "zeros", "nans", "infs", "reason")


def run(arguments: Sequence[str]) -> int:
    """Print the tensor, its statistics, or write it to a file."""
    parser = argparse.ArgumentParser(
        prog="mfx tensor",
        description="Show the values of one tensor; only the bytes that are needed are read. "
        "Strings are shown as text; one that is not UTF-8 as bytes, such as b'\\xff'.",
    )
    parser.add_argument("path", metavar="PATH", help="a file, folder, checkpoint or URL")
    parser.add_argument("name", metavar="NAME", help="its path or label, as mfx show lists them")
    parser.add_argument("--slice", metavar="S", help='a part of it, such as "0,:,3" or "-1,::2"')
    parser.add_argument("--stats", action="store_true", help="range, mean, zeros, not-a-numbers")
    parser.add_argument("--out", type=Path, metavar="FILE.npy", help="write it in NumPy's format")
    options = parser.parse_args(_with_slice_joined(arguments))
    return with_artifact(options.path, lambda artifact: _show(artifact, options))


def _with_slice_joined(arguments: Sequence[str]) -> list[str]:
    """``--slice -1,:`` as ``--slice=-1,:``: a value that begins with - is taken for an option."""
    given = list(arguments)
    if "--slice" in given[:-1]:
        at = given.index("--slice")
        given[at : at + 2] = [f"--slice={given[at + 1]}"]
    return given


def _show(artifact: Artifact, options: argparse.Namespace) -> int:
    tensor = _find(artifact, options.name)
    try:
        text = "--" if options.slice == [] else options.slice  # what argparse makes of --slice=--
        selection = () if text is None else parse_slice(text, tensor.shape)
    except ValueError as error:
        aside(f"{error}.")
        return 2
    part = _part(tensor, selection) if selection else tensor
    output = Output()
    if selection and tensor.location and tensor.location.checksum:
        aside("only a part was read, so no checksum was compared; mfx verify does that.")
    written = _write(output, part, options.out, artifact) if options.out is not None else 0
    if written or (options.out is not None and not options.stats):
        return written
    output.line(_title(artifact, tensor))
    if options.stats:
        _print_statistics(output, part)
        return 0
    return _print_values(output, part)


def _find(artifact: Artifact, name: str) -> Tensor:
    """By path, by a label that only one has, or by the names in the tree that lead to it."""
    tensors = artifact.tensors()
    found = [t for t in tensors if t.path == name] or [t for t in tensors if t.label == name]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(tensor.path for tensor in found)
        raise UnreadableArtifact(
            f"{name} is the label of several tensors; name one by its path: {paths}."
        )
    node = at_path(artifact.root, name)
    if node is not None and node.tensor is not None:
        return node.tensor
    names = [tensor.path for tensor in tensors] + [t.label for t in tensors if t.label]
    close = difflib.get_close_matches(name, names[:20_000], n=3, cutoff=0.4)
    hint = f"Did you mean {' or '.join(close)}?" if close else "mfx show --tensors lists them."
    raise UnreadableArtifact(f"{artifact.name} has no tensor {name}. {hint}")


def _part(tensor: Tensor, selection: Selection) -> Tensor:
    """The selected values as a tensor of its own."""
    values = tensor.read(selection)
    return replace(
        tensor,
        shape=values.shape,
        nbytes=values.nbytes,
        reader=lambda further: chosen(values, further),
    )


def _title(artifact: Artifact, tensor: Tensor) -> str:
    where = tensor.location
    stored = ""
    if where and where.offset is not None:
        stored = f"{where.file or artifact.name} at byte {where.offset:,}"
    shape = tuple_text(tensor.shape)
    described = [tensor.path, f"{tensor.dtype} {shape}", bytes_text(tensor.nbytes), stored]
    return " · ".join(filter(None, described))


def _print_values(output: Output, tensor: Tensor) -> int:
    if tensor.element_count > _MOST_PRINTED:
        aside(
            f"{tensor.element_count:,} values are too many to print. Name a part of it with "
            '--slice, such as --slice "0", ask for --stats, or write it with --out FILE.npy.'
        )
        return 2
    values = _readable(tensor.read())
    whole = np.array2string(values, threshold=1000 if output.is_terminal else _MOST_PRINTED + 1)
    for line in whole.split("\n"):
        output.line(line)
    return 0


def _readable(values: np.ndarray) -> np.ndarray:
    """Strings as text, bytes only where they are none; all numbers as NumPy itself prints them."""
    if values.dtype == object:
        texts: np.ndarray = np.vectorize(text_or_bytes, otypes=[object])(values)
        return texts
    return values.astype(plain_dtype(values.dtype), copy=False)


def _print_statistics(output: Output, tensor: Tensor) -> None:
    with progress(f"Reading {tensor.path}"):
        found = summarize(tensor)
    names = ("count", "reason") if found.minimum is None else _STATISTICS
    known = {name: getattr(found, name) for name in names}
    rows = [(name, str(value)) for name, value in known.items() if value not in (None, "")]
    output.table(("", ">"), rows)


def _write(output: Output, tensor: Tensor, target: Path, source: Artifact) -> int:
    if not target.name or target.is_dir():
        aside(f"{target} is a folder. Name a file in it, such as {target / 'values.npy'}.")
        return 2
    try:
        with progress(f"Writing {target.name}"):
            export_npy(tensor, target, source)
    except OSError as error:
        aside(f"{target} was not written: {error.strerror or error}.")
        return 2
    stored = np.load(target, mmap_mode="r", allow_pickle=False)
    output.line(f"{target}: {array_text(stored)}")
    return 0
