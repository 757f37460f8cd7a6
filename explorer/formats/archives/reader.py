"""Archives that hold a model of any format: it opens in place, nothing is unpacked to disk.

``models.zip/inner/path`` names one model of several; ``inner/path`` may itself lie in an archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice

from explorer.formats.archives.opening import Archive, is_archive, open_archive
from explorer.formats.archives.several import Model, archive_root, several_models
from explorer.formats.archives.unscanned import other_configs, unscanned
from explorer.formats.artifact import (
    Artifact,
    Hazard,
    HazardKind,
    Node,
    UnreadableArtifact,
)
from explorer.formats.diagnosis import owner
from explorer.formats.model_folders import CHECKPOINT_INDEX, Found, model_folders
from explorer.formats.pickles import pickles_in
from explorer.formats.registry import Match, open_stored
from explorer.formats.storage import Storage, joined
from explorer.formats.text import count_text, listed

_DEEPEST = 2
"""How many archives may lie in each other."""

_OPENED_BY_CONTENT = 20
_OPENED_OF_SEVERAL = 20
_TORCH_PICKLE = "data.pkl"


def match(storage: Storage) -> Match | None:
    """An archive by its content, unless it lies too deep in others."""
    if storage.archives >= _DEEPEST or not is_archive(storage):
        return None
    return Match(storage)


def open(match: Match) -> Artifact:
    """Open the one model in the archive, the nearest to its top, or several as one artifact.

    Raises `UnreadableArtifact` where it cannot be read, or holds several that only their content
    tells: another reader may know these as one, as NumPy does.
    """
    archive = open_archive(match.storage)
    try:
        found = list(model_folders(archive))
        nearest = _nearest(found) or _by_content(archive)
        if not nearest:
            return _without_model(match.storage, archive)
        if len(nearest) > 1 and not found:
            raise UnreadableArtifact(_choice(match.storage, nearest))
        if len(nearest) > 1:
            every = [model for folder in found for model in folder.models]
            return _several(match.storage, archive, every)
        return _alone(match.storage, archive, nearest[0])
    except BaseException:
        archive.close()
        raise


def open_inner(outer: Storage, path: str) -> Artifact:
    """Open the model at ``path`` inside the archive ``outer``. Raises `UnreadableArtifact`."""
    archive = open_archive(outer)
    try:
        return _opened(outer, archive, path.strip("/"))
    except BaseException:
        archive.close()
        raise


def _nearest(found: Sequence[Found]) -> list[str]:
    """The models that lie least deep."""
    return [model for f in found if f.depth == found[0].depth for model in f.models]


def _by_content(archive: Archive) -> list[str]:
    """Files that a reader opens, whatever they are called; the first few are tried."""
    if archive.archives > 1:
        return []
    return [name for name in islice(archive.names(), _OPENED_BY_CONTENT) if _opens(archive, name)]


def _opens(archive: Archive, name: str) -> bool:
    with suppress(UnreadableArtifact, OSError):
        artifact = open_stored(archive.below(name))
        artifact.close()
        return artifact.is_known
    return False


def _several(outer: Storage, archive: Archive, paths: Sequence[str]) -> Artifact:
    models: list[Model] = []
    try:
        for path in paths[:_OPENED_OF_SEVERAL]:
            models.append(_model(archive, path))
        return several_models(outer, archive, models, _choice(outer, paths))
    except BaseException:
        for model in models:
            if model.artifact is not None:
                model.artifact.close()
        raise


def _model(archive: Archive, path: str) -> Model:
    try:
        return Model(path, _at(archive, path))
    except UnreadableArtifact as error:
        return Model(path, None, str(error))


def _choice(outer: Storage, models: Sequence[str]) -> str:
    first = models[0] or next(model for model in models if model)
    return (
        f"{outer.name} holds {count_text(len(models), 'model')}: "
        f"{listed([model or 'its top folder' for model in models])}. Open one by its path through "
        f"the archive, such as {outer.uri}/{first}."
    )


def _alone(outer: Storage, archive: Archive, path: str) -> Artifact:
    """The one model that an archive is opened for, and what else is in it among its hazards."""
    artifact = _opened(outer, archive, path)
    return replace(
        artifact,
        configs=lambda: chain(artifact.configs(), other_configs(archive, [path])),
        hazards=lambda: chain(artifact.hazards(), unscanned(archive, [path])),
    )


def _at(archive: Archive, path: str) -> Artifact:
    place = _place(archive, path)
    return open_inner(*place) if isinstance(place, tuple) else open_stored(place)


def _opened(outer: Storage, archive: Archive, path: str) -> Artifact:
    """The model at a path in the archive, which closes with it."""
    artifact = _at(archive, path)
    where = f" at {path}" if path else ""
    return replace(
        artifact,
        archive=outer.name,
        root=_marked(artifact.root, f"{outer.name}{where}"),
        notes=(
            f"It lies inside the {archive.kind} {outer.name}{where} and is read in place. To load "
            "it, unpack the archive.",
            *artifact.notes,
        ),
        hazards=lambda: _hazards(archive, artifact, path),
        checks=lambda: chain(archive.checks(), artifact.checks()),
        close=lambda: _close(artifact, archive),
    )


def _hazards(archive: Archive, artifact: Artifact, path: str) -> Iterator[Hazard]:
    """Those of the archive and of the model in it, and the pickles that lie beside the model."""
    yield from archive.hazards()
    told: set[str] = set()
    for hazard in artifact.hazards():
        told |= {joined(folder, hazard.where) for folder in (path, path.rpartition("/")[0])}
        told |= {path} if hazard.kind is HazardKind.PICKLE else set()
        yield hazard
    yield from (hazard for hazard in pickles_in(archive) if hazard.where not in told)


def _close(artifact: Artifact, archive: Archive) -> None:
    artifact.close()
    archive.close()


def _marked(root: Node, where: str) -> Node:
    return replace(root, attributes=lambda: [("inside the archive", where), *root.attributes()])


def _place(archive: Archive, path: str) -> Storage | tuple[Storage, str]:
    """What a path in an archive means: a member, a checkpoint's prefix, or another archive."""
    if not path:
        return archive
    if archive.has(path) or archive.entries(path):
        found = archive.below(path)
        return owner(found, found.parent())
    if archive.has(path + CHECKPOINT_INDEX):
        return archive.below(path + CHECKPOINT_INDEX)
    parts = path.split("/")
    for end in range(1, len(parts)):
        member = "/".join(parts[:end])
        if archive.has(member) and archive.archives < _DEEPEST:
            return archive.below(member), "/".join(parts[end:])
    names = [entry.name for entry in archive.entries()]
    raise UnreadableArtifact(
        f"There is no {path} in {archive.name}. At its top it holds {listed(names)}."
    )


# Archives that are no models


def _without_model(outer: Storage, archive: Archive) -> Artifact:
    return Artifact(
        path=outer.uri,
        name=outer.name,
        format="unknown",
        format_name=f"{archive.kind} without a model".capitalize(),
        size=outer.size() or 0,
        root=archive_root(outer, archive),
        configs=lambda: other_configs(archive, []),
        hazards=lambda: chain(archive.hazards(), unscanned(archive, []), pickles_in(archive)),
        checks=archive.checks,
        notes=(_why_no_model(outer, archive),),
        close=archive.close,
    )


def _why_no_model(outer: Storage, archive: Archive) -> str:
    names = archive.names()
    if any(name.rpartition("/")[2] == _TORCH_PICKLE for name in names):
        return (
            f"{outer.name} is a PyTorch file: its tensors are listed in a Python pickle, which "
            "can run any code when it is loaded, so it is not opened here. Save the weights as "
            ".safetensors with PyTorch, and open that."
        )
    top = [entry.name for entry in archive.entries()]
    unread = _why_unread(archive) or "If one of them is a model, unpack it and open that."
    return (
        f"{outer.name} is a {archive.kind} in which no model was found. It holds {listed(top)}. "
        f"{unread}"
    )


def _why_unread(archive: Archive) -> str:
    """Why the first member that cannot be looked into cannot."""
    for name in islice(archive.names(), _OPENED_BY_CONTENT):
        try:
            archive.read(name, 0, 1)
        except UnreadableArtifact as error:
            return str(error)
    return ""
