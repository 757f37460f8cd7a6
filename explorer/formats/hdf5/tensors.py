"""One HDF5 dataset as a `Tensor`: described without reading it, read by selection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from explorer.formats.artifact import (
    Location,
    Role,
    Selection,
    Tensor,
    TensorUnreadable,
)
from explorer.formats.hdf5.dataset import Dataset
from explorer.formats.hdf5.datatypes import BFLOAT16
from explorer.formats.hdf5.file import Hdf5File, text_attribute
from explorer.formats.hdf5.filters import FLETCHER32
from explorer.formats.hdf5.objects import Hdf5Object


def describe(file: Hdf5File, obj: Hdf5Object, path: bytes, role: Role, member: str) -> Tensor:
    """A dataset as a tensor, with no more than its header and its index of chunks read.

    ``path`` is from the root, ``member`` the file as shown in its location. Raises one of
    `HDF5_ERRORS` where the header is damaged.
    """
    dataset = obj.dataset()
    is_bfloat16 = _is_bfloat16(obj, dataset, role)
    shown = path.decode("utf-8", "replace")
    reader: Callable[[Selection], np.ndarray] = partial(
        _read, file, obj.address, shown, is_bfloat16
    )
    elsewhere = _elsewhere(dataset)
    if elsewhere:
        reader = partial(_refuse, f"{shown} {elsewhere}")
    stored = 0 if elsewhere else dataset.stored_size()
    place = None if elsewhere else Location(member, dataset.offset, stored, _checksum(dataset))
    return Tensor(
        path=shown,
        dtype="bfloat16" if is_bfloat16 else dataset.datatype.name,
        shape=dataset.shape,
        nbytes=stored,
        role=role,
        location=place,
        reader=reader,
    )


def _elsewhere(dataset: Dataset) -> str:
    """Why the values are not in this file, empty where they are."""
    if dataset.is_virtual:
        return _not_followed("is a virtual dataset whose values are in", dataset.outside())
    if dataset.is_external:
        return _not_followed("keeps its values outside this file, in", dataset.outside())
    return ""


def _not_followed(what: str, names: list[bytes]) -> str:
    listed = ", ".join(name.decode("utf-8", "replace") for name in names) or "no file"
    return (
        f"{what} {listed}. A model file that reads other files can be a trap, so they are not "
        "followed; ask its author for a self-contained file."
    )


def _refuse(reason: str, selection: Selection) -> np.ndarray:
    raise TensorUnreadable(reason)


def _checksum(dataset: Dataset) -> str:
    """Chunks may carry a Fletcher-32 checksum each."""
    has_one = any(one.number == FLETCHER32 for one in dataset.filters)
    return "fletcher32 per chunk" if has_one else ""


def _is_bfloat16(obj: Hdf5Object, dataset: Dataset, role: Role) -> bool:
    """Whether opaque bytes are bfloat16: h5py writes it so, and Keras nothing else of two bytes.

    Keras 3 names it in an attribute, but not where there is a group per layer.
    """
    kind = dataset.datatype
    two_bytes = kind.name == "opaque" and kind.size == BFLOAT16.itemsize and not kind.shape
    is_of_keras = role is not Role.OTHER
    return two_bytes and (is_of_keras or text_attribute(obj, "dtype") == BFLOAT16.name)


def _read(
    file: Hdf5File, address: int, shown: str, is_bfloat16: bool, selection: Selection
) -> np.ndarray:
    with file.reading(shown):
        dataset = file.root.at(address).dataset()
        if dataset.datatype.refused:
            raise TensorUnreadable(f"{shown} cannot be shown: {dataset.datatype.refused}.")
        values = dataset.read(shown, selection)
        return values.view(BFLOAT16) if is_bfloat16 else values
