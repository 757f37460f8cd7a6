"""``mfx show``: what an artifact is and holds, as tables or as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from explorer.analysis.report import contains, describe
from explorer.analysis.snippets import in_order, is_callable
from explorer.cli.opening import with_artifact
from explorer.cli.output import Output, aside, progress
from explorer.formats.artifact import Artifact, Layer, Node, SavedFunction, Signature, Tensor
from explorer.formats.text import bytes_text, count_text, shape_text, tuple_text, type_and_shape

_OVERVIEW_ROWS = 40
_OVERVIEW_DEPTH = 2
_NOTES_SHOWN = 12
_CHILDREN_SHOWN = 1000
"""Children of one node in a tree; there can be hundreds of thousands."""

_TREE_ROWS = 20_000
"""Rows of a tree in all; it takes one or two seconds to make them."""

_TERMINAL_ROWS = 3000
"""Rows that a terminal gets: fitting more to its width takes seconds, and nobody reads them."""


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    columns: tuple[str, ...]
    rows: Callable[[Artifact, int], Iterable[Sequence[str]]]


def run(arguments: Sequence[str]) -> int:
    """Print the overview, or the sections that were asked for."""
    options = _parser().parse_args(arguments)
    return with_artifact(options.path, lambda artifact: _show(artifact, options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mfx show",
        description="Show what a saved model is and holds, without loading it. Without an option, "
        "an overview. In a pipe every row is one line with tabs between its cells.",
    )
    parser.add_argument("path", metavar="PATH", help="a file, folder, checkpoint or URL")
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    for key, section in _SECTIONS.items():
        parser.add_argument(f"--{key}", action="store_true", help=f"all {section.title.lower()}")
    parser.add_argument(
        "--depth", type=_depth, metavar="N", help="how many levels of the tree (without: all)"
    )
    return parser


def _depth(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 up")
    return int(text)


def _show(artifact: Artifact, options: argparse.Namespace) -> int:
    output = Output()
    if options.json:
        with progress(f"Reading {artifact.name}"):
            text = json.dumps(describe(artifact), indent=2)
        output.block(text)
        return 0
    asked = [section for key, section in _SECTIONS.items() if getattr(options, key)]
    if asked:
        for section in asked:
            if len(asked) > 1:
                output.heading(section.title)
            rows = list(section.rows(artifact, options.depth or 0))
            _print_rows(output, section, rows)
            if not rows:
                aside(_nothing(artifact, section))
        return 0
    _overview(output, artifact, options.depth or _OVERVIEW_DEPTH)
    return 0


def _nothing(artifact: Artifact, section: _Section) -> str:
    """That there are none; of an archive of models, which of these to ask instead."""
    models = [*artifact.notes[:1]] if artifact.format == "archive" else []
    return " ".join([f"{artifact.name} has no {section.title.lower()}.", *models])


def _print_rows(output: Output, section: _Section, rows: Sequence[Sequence[str]]) -> None:
    most = _TERMINAL_ROWS if output.is_terminal else len(rows)
    output.table(section.columns, rows[:most])
    if len(rows) > most:
        output.line(f"… and {len(rows) - most:,} more, which a pipe or a file gets: | less")


def _overview(output: Output, artifact: Artifact, depth: int) -> None:
    output.table(("", ""), list(_summary(artifact)), graded=True)
    for key, section in _SECTIONS.items():
        rows = list(section.rows(artifact, depth))
        if rows:
            output.heading(section.title)
            output.table(section.columns, rows[:_OVERVIEW_ROWS])
        if len(rows) > _OVERVIEW_ROWS:
            output.line(f"… and {len(rows) - _OVERVIEW_ROWS:,} more: mfx show --{key}")


def _summary(artifact: Artifact) -> Iterator[tuple[str, str]]:
    producer = artifact.producer
    written = {"TensorFlow": producer.tensorflow, "Keras": producer.keras}
    versions = [f"{name} {version}" for name, version in written.items() if version]
    backend = [f"backend {producer.backend}"] if producer.backend else []
    tensors = artifact.tensors()
    yield "name", artifact.name
    yield "format", artifact.format_name
    yield "size", f"{bytes_text(artifact.size)} ({artifact.size:,} bytes)"
    program = [producer.program] if producer.program else []
    yield "written by", ", ".join(versions + backend + program) or "the file does not say"
    yield "holds", _held(artifact)
    yield "parameters", f"{artifact.parameters():,} ({count_text(len(tensors), 'tensor')} in all)"
    yield from (("note", note) for note in _shown_notes(artifact))


def _shown_notes(artifact: Artifact) -> Iterator[str]:
    """Those of a file that nobody knows are each reader's reason, which are in its tree too."""
    count = len(artifact.notes)
    shown = _NOTES_SHOWN if artifact.is_known else 1
    yield from artifact.notes[:shown]
    if count > shown and artifact.is_known:
        yield f"… and {count - shown:,} more: mfx show --json"


def _held(artifact: Artifact) -> str:
    words = {True: "{}", "partly": "{} partly", False: "no {}"}
    answers = contains(artifact.contents).items()
    return ", ".join(words[answer].format(name) for name, answer in answers)


# Sections


def _signature_rows(artifact: Artifact, _depth: int) -> Iterator[Sequence[str]]:
    for signature in in_order(artifact.signatures):
        yield from _rows_of_signature(signature)


def _function_rows(artifact: Artifact, _depth: int) -> Iterator[Sequence[str]]:
    for function in artifact.functions():
        yield from _rows_of_function(function)


def _rows_of_signature(signature: Signature) -> Iterator[Sequence[str]]:
    tags = ",".join(signature.tag_set)
    tensors = [("input", t) for t in signature.inputs] + [("output", t) for t in signature.outputs]
    method = signature.method or ("" if is_callable(signature) else "run by the loader")
    yield "signature", signature.key, tags, "", "", method, ""
    for side, tensor in tensors:
        described = *type_and_shape(tensor), tensor.graph_tensor, tensor.default
        yield side, signature.key, tensor.name, *described


def _rows_of_function(function: SavedFunction) -> Iterator[Sequence[str]]:
    name = f"{function.owner}.{function.name}" if function.owner else function.name
    for variant in function.variants:
        called, returned = ", ".join(variant.arguments), ", ".join(variant.returns)
        yield name, variant.concrete_name, called, returned


def _layer_rows(artifact: Artifact, _depth: int) -> Iterator[Sequence[str]]:
    yield from _rows_of_layers(artifact.layers(), "")


def _rows_of_layers(layers: Iterable[Layer], above: str) -> Iterator[Sequence[str]]:
    for layer in layers:
        path = f"{above}/{layer.name}" if above else layer.name
        count = "" if layer.parameters is None else f"{layer.parameters:,}"
        shape, inbound = tuple_text(layer.output_shape), ", ".join(layer.inbound)
        yield path, layer.class_name, shape, count, inbound
        yield from _rows_of_layers(layer.children, path)


def _tensor_rows(artifact: Artifact, _depth: int) -> Iterator[Sequence[str]]:
    for tensor in artifact.tensors():
        yield _row_of_tensor(tensor)


def _row_of_tensor(tensor: Tensor) -> Sequence[str]:
    shape = tuple_text(tensor.shape)
    return tensor.path, tensor.dtype, shape, str(tensor.nbytes), tensor.role.value, tensor.label


def _tree_rows(artifact: Artifact, depth: int) -> Iterator[Sequence[str]]:
    yield _row_of_node(artifact.root, 0)
    below = _rows_below(artifact.root, 1, depth)
    yield from islice(below, _TREE_ROWS)
    if next(below, None):
        yield "… and more: --depth N shows fewer levels, the window all of it", "", "", ""


def _rows_below(node: Node, level: int, depth: int) -> Iterator[Sequence[str]]:
    """Depth first without recursion: a hostile file can nest its groups without end."""
    pending = [iter(_children(node))]
    while pending:
        child = next(pending[-1], None)
        if child is None:
            pending.pop()
            continue
        here = level + len(pending) - 1
        yield _row_of_node(child, here)
        if child.has_children and (not depth or here < depth):
            pending.append(iter(_children(child)))


def _children(node: Node) -> Iterator[Node]:
    count = node.child_count()
    yield from node.children(0, min(count, _CHILDREN_SHOWN))
    if count > _CHILDREN_SHOWN:
        yield Node(f"… and {count - _CHILDREN_SHOWN:,} more", node.type)


def _row_of_node(node: Node, level: int) -> Sequence[str]:
    tensor = node.tensor
    shown = f"{tensor.dtype} {shape_text(tensor.shape)}" if tensor else node.summary
    size = "" if node.size is None else bytes_text(node.size)
    return "  " * level + node.text, node.kind, shown, size


_SECTIONS = {
    "signatures": _Section(
        "Signatures",
        ("Part", "Key", "Name or tags", "dtype", "Shape", "Graph tensor or method", "Default"),
        _signature_rows,
    ),
    "functions": _Section(
        "Functions", ("Function", "Concrete function", "Called with", "Returns"), _function_rows
    ),
    "layers": _Section(
        "Layers", ("Layer", "Class", "Output shape", ">Parameters", "Inbound"), _layer_rows
    ),
    "tensors": _Section(
        "Tensors", ("Path", "dtype", "Shape", ">Bytes", "Role", "Label"), _tensor_rows
    ),
    "tree": _Section("Tree", ("Name", "Kind", "Content", ">Size"), _tree_rows),
}
