"""An archive of several models as one artifact, each model's parts named by its path in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, TypeVar

from explorer.formats.archives.opening import Archive
from explorer.formats.archives.unscanned import other_configs, unscanned
from explorer.formats.artifact import (
    Artifact,
    Check,
    Config,
    Contents,
    GraphOp,
    Hazard,
    HazardKind,
    Node,
    NodeList,
    NodeType,
    Tensor,
    Tri,
)
from explorer.formats.files import folder_nodes
from explorer.formats.pickles import pickles_in
from explorer.formats.storage import Storage, joined

_Part = TypeVar("_Part", Hazard, Check, Config)


@dataclass(frozen=True, slots=True)
class Model:
    """A model in the archive at ``path``, or why it cannot be opened."""

    path: str
    artifact: Artifact | None
    problem: str = ""


def archive_root(outer: Storage, archive: Archive) -> Node:
    """The archive with its files and folders."""
    return Node(
        outer.name,
        NodeType.FILE,
        kind=archive.kind,
        size=outer.size(),
        source=NodeList(lambda: folder_nodes(archive)),
    )


def several_models(
    outer: Storage, archive: Archive, models: Sequence[Model], note: str
) -> Artifact:
    """The archive with all that is in its models, which close with it."""
    opened = [(model.path, model.artifact) for model in models if model.artifact is not None]
    shut = [model for model in models if model.artifact is None]
    return Artifact(
        path=outer.uri,
        name=outer.name,
        format="archive",
        format_name=f"{archive.kind} of several models".capitalize(),
        size=outer.size() or 0,
        root=archive_root(outer, archive),
        contents=_contents([artifact.contents for _, artifact in opened]),
        tensors=lambda: [t for path, a in opened for t in _tensors(path, a)],
        ops=lambda: chain.from_iterable(_ops(path, a) for path, a in opened),
        configs=lambda: chain(
            _placed(opened, lambda artifact: artifact.configs()),
            other_configs(archive, [path for path, _ in opened]),
        ),
        hazards=lambda: chain(
            archive.hazards(),
            _placed(opened, lambda artifact: artifact.hazards()),
            (Hazard(HazardKind.NOT_SCANNED, model.path, model.problem) for model in shut),
            unscanned(archive, [model.path for model in models]),
            pickles_in(archive),
        ),
        checks=lambda: chain(
            archive.checks(),
            _placed(opened, lambda artifact: artifact.checks()),
            (Check("model", model.path, model.problem) for model in shut),
        ),
        notes=(note, *(f"{model.path}: {model.problem}" for model in shut)),
        archive=outer.name,
        close=lambda: _close(archive, [artifact for _, artifact in opened]),
    )


def _placed(
    opened: Iterable[tuple[str, Artifact]], parts: Callable[[Artifact], Iterable[_Part]]
) -> Iterator[_Part]:
    """What each model has of something, its place named from the top of the archive."""
    for path, artifact in opened:
        for part in parts(artifact):
            yield replace(part, where=joined(path, part.where))


def _tensors(path: str, artifact: Artifact) -> Iterator[Tensor]:
    return (replace(tensor, path=joined(path, tensor.path)) for tensor in artifact.tensors())


def _ops(path: str, artifact: Artifact) -> Iterator[GraphOp]:
    return (replace(op, where=f"{path}: {op.where}") for op in artifact.ops())


def _contents(every: Sequence[Contents]) -> Contents:
    """What all of them hold, or none; what only some do, the archive holds partly."""
    found: dict[str, Any] = {}
    for part in fields(Contents):
        answers = {getattr(contents, part.name) for contents in every}
        found[part.name] = answers.pop() if len(answers) == 1 else Tri.PARTLY
    return Contents(**found)


def _close(archive: Archive, artifacts: Iterable[Artifact]) -> None:
    for artifact in artifacts:
        artifact.close()
    archive.close()
