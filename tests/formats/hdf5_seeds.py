"""Small HDF5 files that together use every part of the format that is read, written by h5py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Write = Callable[[Any], None]

LIBVERS: dict[str, Any] = {
    "earliest": "earliest",
    "v108": ("v108", "v108"),
    "v110": ("v110", "v110"),
    "latest": "latest",
}


def write(path: Path, contents: Write, libver: str = "earliest", **options: Any) -> Path:
    """A file with these contents, in the format of a version of the HDF5 library."""
    with h5py.File(path, "w", libver=LIBVERS[libver], **options) as file:
        contents(file)
    return path


def kinds(file: Any) -> None:
    """A dataset of each type of value."""
    values: dict[str, Any] = {
        "int8": np.arange(-3, 3, dtype="i1"),
        "big_endian": np.arange(6, dtype=">i2").reshape(2, 3),
        "uint64": np.array([0, 2**64 - 1], "u8"),
        "float16": np.arange(5, dtype="f2"),
        "float64_big": np.linspace(0, 1, 7).astype(">f8"),
        "bool": np.array([[True, False], [False, True]]),
        "complex64": np.arange(3) + np.complex64(1j),
        "complex128_big": (np.arange(3) * 1j).astype(">c16"),
        "fixed_text": np.array([b"a", b"bcd", b""]),
        "opaque": np.array([b"abc", b"de"], "V3"),
        "time": np.array(["2020-01-01", "NaT"], "M8[s]").astype(h5py.opaque_dtype("M8[s]")),
        "scalar": 2.5,
        "text_scalar": "Zürich",
        "nothing_long": np.zeros((0, 5), "f4"),
        "compound": np.array(
            [(1, 2.5, b"xy", True), (3, 4.5, b"z", False)],
            [("a", "i4"), ("b", ">f8"), ("c", "S3"), ("d", "?")],
        ),
        "nested": np.zeros(2, [("a", "i4", (2, 3)), ("b", [("x", ">f4"), ("y", "u1")])]),
    }
    for name, value in values.items():
        file.create_dataset(name, data=value)
    file.create_dataset("text", data=["a", "bcü", ""], dtype=h5py.string_dtype())
    file.create_dataset("ascii", data=[b"abc"], dtype=h5py.string_dtype("ascii", 5))
    file.create_dataset("enum", data=[1, 2], dtype=h5py.enum_dtype({"A": 1, "B": 2}, "i4"))
    arrays = file.create_dataset("arrays", (4,), np.dtype(("i2", (2, 3))), fillvalue=None)
    arrays[1:] = np.arange(18).reshape(3, 2, 3)
    file.create_dataset("unwritten", (10, 3), "f4", fillvalue=7)
    file.create_dataset("null", data=h5py.Empty("f4"))


def compact(file: Any) -> None:
    """Values within the object header."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((3, 4))
    dataset = h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_I16BE, space, plan)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(12, dtype="i2").reshape(3, 4))


CHUNKED: dict[str, tuple[tuple[int, ...], tuple[int | None, ...] | None, tuple[int, ...]]] = {
    "single": ((3, 4, 5), None, (3, 4, 5)),
    "fixed": ((13, 17), None, (4, 5)),
    "fixed_larger": ((13, 17), (20, 19), (4, 5)),
    "fixed_pages": ((3000,), None, (1,)),
    "extensible": ((100,), (None,), (7,)),
    "extensible_first": ((13, 17), (None, 20), (4, 5)),
    "extensible_last": ((13, 17), (20, None), (4, 5)),
    "extensible_middle": ((5, 6, 7), (6, None, 9), (2, 2, 2)),
    "extensible_long": ((3000,), (None,), (1,)),
    "tree": ((13, 17), (None, None), (4, 5)),
    "tree_deep": ((60, 50), (None, None), (1, 1)),
}
"""Shape, largest shape and chunk, so that the newest format uses each of its indexes."""

FILTERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deflate": {"compression": "gzip"},
    "lzf": {"compression": "lzf"},
    "shuffle": {"shuffle": True, "compression": "gzip"},
    "checked": {"fletcher32": True},
    "all": {"shuffle": True, "compression": "lzf", "fletcher32": True},
}


def chunked(file: Any, filters: str = "plain", names: tuple[str, ...] = tuple(CHUNKED)) -> None:
    """A dataset for each way to index chunks, with the same filters."""
    for number, name in enumerate(names):
        shape, most, chunk = CHUNKED[name]
        values = np.arange(np.prod(shape)) * 7919 % 251
        data = values.reshape(shape).astype(("i4", ">f8", "u1", "f2")[number % 4])
        options = FILTERS[filters]
        file.create_dataset(name, data=data, maxshape=most, chunks=chunk, **options)


def sparse(file: Any) -> None:
    """Chunked datasets of which little was written, and one with all its chunks from the start."""
    table = file.create_dataset("table", (100, 100), "f4", chunks=(10, 10), fillvalue=2.5)
    table[15, 20:40] = 1
    for name, most in (("long", None), ("longer", (None,))):
        line = file.create_dataset(
            name, (100_000,), "f4", maxshape=most, chunks=(10,), fillvalue=2.5
        )
        line[15_000:15_020] = 1
        line[99_990] = 4
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((3, 4))
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space = h5py.h5s.create_simple((10, 11))
    early = h5py.h5d.create(file.id, b"early", h5py.h5t.NATIVE_INT32, space, plan)
    early.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(110, dtype="i4").reshape(10, 11))


def links(file: Any, count: int = 40) -> None:
    """Groups, some with many entries; links of all kinds; a named type that a dataset uses."""
    many = file.create_group("many")
    for number in range(count):
        many[f"entry_{number * 7919 % count}"] = np.float32(number)
    inner = file.create_group("a/b/c")
    inner["up"] = file["a"]
    file["soft"] = h5py.SoftLink("/a/b")
    file["external"] = h5py.ExternalLink("other.h5", "/x")
    file["named"] = np.dtype("f8")
    file.create_dataset("of_named", (3,), dtype=file["named"])


def attributes(file: Any, count: int = 30) -> None:
    """Attributes of all kinds: few, many, and one too large for an object header."""
    values: dict[str, Any] = {
        "text": "Zürich",
        "bytes": np.bytes_(b"abc"),
        "texts": np.array(["a", "bc", ""], dtype=object),
        "fixed": np.array([b"a", b"bc"]),
        "int": 3,
        "big": np.arange(3, dtype=">i4"),
        "float": np.float32(0.1),
        "table": np.eye(2),
        "bool": True,
        "empty": h5py.Empty("f4"),
        "none": np.zeros(0, "i4"),
        "complex": 1 + 2j,
        "reference": file.ref,
    }
    for name, value in values.items():
        file.attrs[name] = value
    file["named"] = np.dtype("i2")
    file.attrs.create("of_named", 5, dtype=file["named"])
    many = file.create_group("many")
    for number in range(count):
        many.attrs[f"name_{number * 7919 % count}"] = f"value {number}"


def large_attribute(file: Any) -> None:
    """An attribute that only the newer formats can hold."""
    file.attrs["large"] = np.arange(20_000)


SEEDS: dict[str, Write] = {
    "kinds": kinds,
    "compact": compact,
    "links": links,
    "attributes": attributes,
    "sparse": sparse,
    **{
        f"chunked_{name}": lambda file, name=name: chunked(  # type: ignore[misc]
            file, name, ("single", "fixed", "extensible", "extensible_last", "tree")
        )
        for name in FILTERS
    },
}
"""What is damaged in tests of damaged files."""
