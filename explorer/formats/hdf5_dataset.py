"""One HDF5 dataset as a `Tensor`: described without reading it, read by selection."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import h5py
import ml_dtypes
import numpy as np
from h5py import h5d, h5t, h5z

from explorer.formats.artifact import (
    Location,
    Role,
    Selection,
    Shape,
    Tensor,
    TensorUnreadable,
)
from explorer.formats.hdf5_file import HDF5_ERRORS, Hdf5File, not_read, text_attribute
from explorer.formats.selection import check_inflated, chosen, selected_shape

_BFLOAT16: np.dtype = np.dtype(ml_dtypes.bfloat16)


def describe(
    file: Hdf5File,
    group: Any,
    name: bytes,
    path: bytes,
    role: Role,
    member: str,
) -> Tensor:
    """The dataset ``name`` of ``group``, with no more than its header read.

    ``path`` is from the root, ``member`` the file as shown in its location. Raises one of
    `HDF5_ERRORS` where the header is damaged.
    """
    dataset = h5d.open(group, name)
    shown = path.decode("utf-8", "replace")
    layout = dataset.get_create_plist()
    reader: Callable[[Selection], np.ndarray] = partial(_read, file, path, shown)
    elsewhere = _elsewhere(layout)
    if elsewhere:
        reader = partial(_refuse, f"{shown} {elsewhere}")
    stored = 0 if elsewhere else dataset.get_storage_size()
    offset = None if elsewhere else dataset.get_offset()
    return Tensor(
        path=shown,
        dtype=_dtype_name(dataset),
        shape=_declared_shape(dataset, layout),
        nbytes=stored,
        role=role,
        location=None if elsewhere else Location(member, offset, stored, _checksum(layout)),
        reader=reader,
    )


def _elsewhere(layout: Any) -> str:
    """Why the values are not in this file, empty where they are."""
    if layout.get_layout() == h5d.VIRTUAL:
        sources = {
            f"{layout.get_virtual_filename(i)}:{layout.get_virtual_dsetname(i)}"
            for i in range(min(layout.get_virtual_count(), 3))
        }
        return _not_followed("is a virtual dataset whose values are in", sorted(sources))
    count = layout.get_external_count()
    if count:
        names = [_text(layout.get_external(i)[0]) for i in range(min(count, 3))]
        return _not_followed("keeps its values outside this file, in", names)
    return ""


def _not_followed(what: str, names: list[str]) -> str:
    return (
        f"{what} {', '.join(names) or 'no file'}. A model file that reads other files can be a "
        "trap, so they are not followed; ask its author for a self-contained file."
    )


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _refuse(reason: str, selection: Selection) -> np.ndarray:
    raise TensorUnreadable(reason)


def _declared_shape(dataset: Any, layout: Any) -> Shape:
    """The dimensions, asked in a way that opens no other file.

    The library opens the sources of a virtual dataset when asked for its shape; the mapping
    itself records it too.
    """
    if layout.get_layout() == h5d.VIRTUAL:
        count = layout.get_virtual_count()
        return tuple(layout.get_virtual_vspace(0).shape) if count else None
    shape = dataset.shape
    return (0,) if shape is None else tuple(shape)


def _checksum(layout: Any) -> str:
    """Chunks may carry a Fletcher-32 checksum each."""
    filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
    return "fletcher32 per chunk" if h5z.FILTER_FLETCHER32 in filters else ""


def _dtype_name(dataset: Any) -> str:
    """The name by the ``show`` contract: NumPy's, ``string`` for text, words for the rest."""
    name = _type_name(dataset.get_type().encode())
    is_bfloat16 = name == "opaque" and _stored_dtype(dataset, dataset.dtype) == _BFLOAT16
    return "bfloat16" if is_bfloat16 else name


@lru_cache(maxsize=256)
def _type_name(encoded: bytes) -> str:
    """The name of an HDF5 type; kept, since making a NumPy type of it takes longest of all."""
    kind = h5t.decode(encoded)
    for type_class, name in _WITHOUT_NUMPY:
        if isinstance(kind, type_class):
            return name
    try:
        dtype: np.dtype = kind.dtype
    except HDF5_ERRORS:
        return "unknown"
    if dtype.kind != "V":
        return str(dtype.name)
    return "compound" if dtype.fields else "opaque"


_WITHOUT_NUMPY = (
    (h5t.TypeStringID, "string"),
    (h5t.TypeReferenceID, "reference"),
    (h5t.TypeVlenID, "ragged"),
)


def _stored_dtype(dataset: Any, dtype: np.dtype) -> np.dtype:
    """The type behind opaque bytes: Keras writes bfloat16 so, and names it in an attribute."""
    two_bytes = dtype.kind == "V" and not dtype.fields and dtype.itemsize == 2
    if two_bytes and text_attribute(dataset, "dtype") == "bfloat16":
        return _BFLOAT16
    return dtype


def _read(file: Hdf5File, path: bytes, shown: str, selection: Selection) -> np.ndarray:
    with file.reading(shown):
        dataset = h5d.open(file.root, path)
        layout = dataset.get_create_plist()
        elsewhere = _elsewhere(layout)
        if elsewhere:
            raise TensorUnreadable(f"{shown} {elsewhere}")
        refused = not_read(dataset.get_type())
        if refused:
            raise TensorUnreadable(f"{shown} cannot be shown: {refused}.")
        shape = (0,) if dataset.shape is None else tuple(dataset.shape)
        wanted = selected_shape(shape, selection)
        _check_size(file, dataset, layout, shown, wanted)
        return _values(dataset, shape, selection, wanted)


def _check_size(
    file: Hdf5File, dataset: Any, layout: Any, shown: str, wanted: tuple[int, ...]
) -> None:
    """Neither the result nor one chunk may be larger than what is stored can fill."""
    item = max(1, dataset.get_type().get_size())
    stored = min(dataset.get_storage_size(), file.size)
    packed = layout.get_nfilters() > 0
    check_inflated(shown, _count(wanted) * item, stored, packed)
    if layout.get_layout() == h5d.CHUNKED:
        check_inflated(shown, _count(layout.get_chunk()) * item, stored, packed)


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _values(
    dataset: Any, shape: tuple[int, ...], selection: Selection, wanted: tuple[int, ...]
) -> np.ndarray:
    if 0 in wanted or dataset.shape is None:
        return np.empty(wanted, dtype=_empty_dtype(dataset))
    forward, flips = _forward(shape, selection)
    values = h5py.Dataset(dataset)[forward]
    if isinstance(dataset.get_type(), h5t.TypeStringID):
        return chosen(_object_array(values, wanted), flips)
    array = np.asarray(values)
    return chosen(array.view(_stored_dtype(dataset, array.dtype)).reshape(wanted), flips)


def _empty_dtype(dataset: Any) -> np.dtype:
    return _stored_dtype(dataset, dataset.dtype)


def _object_array(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Strings as ``bytes`` objects, of fixed and of variable length alike."""
    if isinstance(values, bytes):
        result = np.empty(shape, dtype=object)
        result[()] = values
        return result
    return np.asarray(values).astype(object).reshape(shape)


def _forward(shape: tuple[int, ...], selection: Selection) -> tuple[Selection, tuple[slice, ...]]:
    """The selection with steps above 0 only, and the slices that turn the result around.

    HDF5 hyperslabs know no negative steps.
    """
    forward: list[int | slice] = []
    flips: list[slice] = []
    for index, size in zip(selection, shape, strict=False):
        if not isinstance(index, slice):
            forward.append(index % size)
            continue
        steps = range(*index.indices(size))
        backwards = steps.step < 0
        low, high = (steps[-1], steps[0]) if backwards else (steps[0], steps[-1])
        forward.append(slice(low, high + 1, abs(steps.step)))
        flips.append(slice(None, None, -1 if backwards else 1))
    return tuple(forward), tuple(flips)
