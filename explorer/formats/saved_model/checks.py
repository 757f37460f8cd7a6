"""Whether a SavedModel is all there and undamaged, and what in its folder leads out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from explorer.formats.artifact import (
    Check,
    Hazard,
    HazardKind,
    UnreadableArtifact,
)
from explorer.formats.pickles import pickles_in
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.saved_model.fingerprint import VERSIONS, graph_checks, index_check
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.storage import Storage, escaping_links, stays_inside


def asset_checks(storage: Storage, assets: Iterable[str]) -> Iterator[Check]:
    """Whether every asset that a graph asks for is in the folder."""
    for member in assets:
        there = has_member(storage, member)
        problem = "" if there else "A graph asks for this file, but it is not in the folder."
        yield Check("asset present", member, problem)


def has_member(storage: Storage, member: str) -> bool:
    """Whether a file is in the folder; one that would be outside is not."""
    try:
        return storage.has(member)
    except UnreadableArtifact:
        return False


def fingerprint_checks(
    storage: Storage, file: ProtoFile, index: str, fingerprint: pb.FingerprintDef
) -> Iterator[Check]:
    """Whether the files are those that ``fingerprint.pb`` was made of, if its version is known."""
    if fingerprint.version.producer not in VERSIONS or not file.stored:
        return
    yield from graph_checks(file, fingerprint)
    if storage.has(index):
        yield index_check(index, storage.read(index), fingerprint)


def fingerprint_problem(fingerprint: pb.FingerprintDef | None) -> str:
    """Why a ``fingerprint.pb`` says nothing; empty text where it does.

    TensorFlow always writes the version, behind the hashes, though its number may be 0.
    """
    if fingerprint is not None and fingerprint.HasField("version"):
        return ""
    return (
        "fingerprint.pb is empty or damaged, so whether the other files are as they were saved "
        "cannot be told by it. Copy it again from where it was written."
    )


def hazards(storage: Storage, assets: Mapping[str, str]) -> Iterator[Hazard]:
    """Links and asset names that lead out of the folder, and pickles in it.

    ``assets`` has the names as the graphs give them, each with its tensor: of a folder and an
    absolute name, Python's loader takes the name alone.
    """
    outside = (
        Hazard(HazardKind.EXTERNAL_LINK, f"asset {tensor}", name)
        for name, tensor in assets.items()
        if not stays_inside(name)
    )
    return chain(escaping_links(storage), outside, pickles_in(storage))
