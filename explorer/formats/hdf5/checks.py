"""What an HDF5 file says that can be verified, and what in it reaches out of it."""

from __future__ import annotations

from collections.abc import Iterator

from explorer.formats.artifact import Check, Hazard, HazardKind, TensorUnreadable
from explorer.formats.hdf5.attributes import attribute_value
from explorer.formats.hdf5.dataset import Dataset
from explorer.formats.hdf5.errors import NotReadHdf5
from explorer.formats.hdf5.file import HDF5_ERRORS, Hdf5File, plain
from explorer.formats.hdf5.filters import FLETCHER32
from explorer.formats.hdf5.links import Elsewhere
from explorer.formats.hdf5.objects import Hdf5Object, ObjectKind
from explorer.formats.hdf5.tree import Found, visit
from explorer.formats.hdf5.verifying import VerifyingSource
from explorer.formats.text import bytes_text

_STRUCTURE = "hdf5 structure"


def hazards_of(file: Hdf5File, above: str = "") -> Iterator[Hazard]:
    """Links that are not followed, and datasets whose values are in other files.

    ``above`` is put before each path. What is damaged is passed over.
    """
    try:
        found = visit(file.root)
    except HDF5_ERRORS:
        return
    for path, one in found:
        hazard = _hazard(above + path.decode("utf-8", "replace"), one)
        if hazard is not None:
            yield hazard


def _hazard(where: str, found: Found) -> Hazard | None:
    if isinstance(found, Elsewhere):
        path = found.path.decode("utf-8", "replace")
        if found.file is None:
            return Hazard(HazardKind.SOFT_LINK, where, path)
        file = found.file.decode("utf-8", "replace")
        return Hazard(HazardKind.EXTERNAL_LINK, where, f"{path} in {file}")
    if isinstance(found, Hdf5Object) and found.kind is ObjectKind.DATASET:
        try:
            return _outside(where, found.dataset())
        except HDF5_ERRORS:
            return None
    return None


def _outside(where: str, dataset: Dataset) -> Hazard | None:
    if not dataset.is_virtual and not dataset.is_external:
        return None
    kind = HazardKind.VIRTUAL_DATASET if dataset.is_virtual else HazardKind.EXTERNAL_STORAGE
    names = [name.decode("utf-8", "replace") for name in dataset.outside()]
    return Hazard(kind, where, ", ".join(names) or "no file")


def checks_of(file: Hdf5File, above: str = "") -> Iterator[Check]:
    """Each object once: that it can be read, and that its checksums hold.

    Datasets have a second check: that their values are all there, and that each chunk can be
    unpacked. ``above`` is put before each path.
    """
    try:
        root = file.verifying_root()
        found = visit(root)
    except HDF5_ERRORS as error:
        yield Check(_STRUCTURE, above or file.name, _sentence(error))
        return
    assert isinstance(root.source, VerifyingSource)  # noqa: S101 - for the type checker
    yield _structure(root.source, above or file.name, root)
    for path, one in found:
        if not isinstance(one, Elsewhere):
            where = above + path.decode("utf-8", "replace")
            yield _structure(root.source, where, one)
            if isinstance(one, Hdf5Object) and one.kind is ObjectKind.DATASET:
                yield from _values(where, one)
    if root.source.skipped:
        left = bytes_text(root.source.skipped)
        yield Check(_STRUCTURE, f"{above or file.name}: {left} of metadata more, not verified")


def _structure(source: VerifyingSource, where: str, found: Hdf5Object | Exception) -> Check:
    try:
        if isinstance(found, Exception):
            raise found
        _ = found.links
        _read_attributes(found)
        problem = ""
    except NotReadHdf5:
        problem = ""
    except HDF5_ERRORS as error:
        problem = _sentence(error)
    return Check(_STRUCTURE, where, " ".join([*source.taken(), problem]).strip())


def _read_attributes(obj: Hdf5Object) -> None:
    for attribute in obj.attributes.values():
        try:
            attribute_value(obj.heap, attribute)
        except NotReadHdf5:
            continue


def _values(where: str, obj: Hdf5Object) -> Iterator[Check]:
    rule = "byte count"
    try:
        dataset = obj.dataset()
        if dataset.is_virtual or dataset.is_external:
            return
        numbers = {one.number for one in dataset.filters}
        rule = "fletcher32" if FLETCHER32 in numbers else "chunks" if numbers else rule
        dataset.verify(where)
        problem = ""
    except NotReadHdf5:
        return
    except TensorUnreadable as error:
        problem = str(error)
    except HDF5_ERRORS as error:
        problem = _sentence(error)
    yield Check(rule, where, problem)


def _sentence(error: BaseException) -> str:
    return f"It cannot be read: {plain(error)}."
