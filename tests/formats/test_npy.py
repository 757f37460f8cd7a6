"""``.npy`` and ``.npz`` compared with ``numpy.load``."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import HazardKind, TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import open_artifact

_RNG = np.random.default_rng(0)
_TRAP = np.array([{"a": 1}, print], dtype=object)

ARRAYS = {
    "float32": _RNG.normal(size=(3, 4, 5)).astype(np.float32),
    "columns first": np.asfortranarray(_RNG.normal(size=(3, 4, 5))),
    "big endian": np.arange(12, dtype=">i4").reshape(3, 4),
    "scalar": np.array(7, np.uint8),
    "empty": np.zeros((0, 3), np.float64),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "half": np.arange(6, dtype=np.float16),
    "records": np.array([(1, 2.5), (3, 4.5)], dtype=[("a", "<i2"), ("b", ">f8")]),
    "dates": np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    "many dimensions": np.zeros((1,) * 20),
}
SELECTIONS: list[tuple[Any, ...]] = [
    (),
    (1,),
    (slice(1, 3),),
    (slice(None, None, -2), 1),
    (-1, slice(0, 2), slice(3, 1, -1)),
]


def saved(array: np.ndarray, **how: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **how)
    return file.getvalue()


@pytest.mark.parametrize("name", ARRAYS)
def test_every_kind_of_array(tmp_path: Path, opened: Any, name: str) -> None:
    np.save(tmp_path / "x.npy", ARRAYS[name])
    artifact = opened(tmp_path / "x.npy")
    theirs = np.load(tmp_path / "x.npy")
    (tensor,) = artifact.tensors()
    assert (artifact.format, tensor.path) == ("numpy", "x")
    assert (tensor.dtype, tensor.shape, tensor.nbytes) == (
        theirs.dtype.name,
        theirs.shape,
        theirs.nbytes,
    )
    np.testing.assert_array_equal(tensor.read(), theirs)
    assert not any(check.problem for check in artifact.checks())
    assert list(artifact.hazards()) == list(artifact.notes) == []


@pytest.mark.parametrize("name", ["float32", "columns first"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_selection(
    tmp_path: Path, opened: Any, name: str, selection: tuple[Any, ...]
) -> None:
    np.save(tmp_path / "x.npy", ARRAYS[name])
    (tensor,) = opened(tmp_path / "x.npy").tensors()
    np.testing.assert_array_equal(tensor.read(selection), ARRAYS[name][selection])
    for wrong in ((9,), (0, 0, 0, 0)):
        with pytest.raises(IndexError):
            tensor.read(wrong)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version(tmp_path: Path, opened: Any, version: tuple[int, int]) -> None:
    array = np.zeros(3, dtype=[("ü" if version[0] == 3 else "u", "<f4")])
    (tmp_path / "x.npy").write_bytes(saved(array, version=version))
    np.testing.assert_array_equal(opened(tmp_path / "x.npy").tensors()[0].read(), array)


@pytest.mark.parametrize("kind", ["S", "U"])
def test_texts_come_as_bytes(tmp_path: Path, opened: Any, kind: str) -> None:
    np.save(tmp_path / "x.npy", np.array([["one", "drei"], ["", "x"]], dtype=kind))
    (tensor,) = opened(tmp_path / "x.npy").tensors()
    assert tensor.dtype == "string"
    assert tensor.read().tolist() == [[b"one", b"drei"], [b"", b"x"]]


def test_the_offset_is_where_the_values_are(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "x.npy"
    np.save(path, ARRAYS["float32"])
    location = opened(path).tensors()[0].location
    raw = path.read_bytes()[location.offset :][: location.nbytes]
    assert raw == ARRAYS["float32"].tobytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_arrays(tmp_path: Path, opened: Any, save: Any) -> None:
    save(tmp_path / "x.npz", **ARRAYS, **{"a/b": np.arange(3)})
    artifact = opened(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as theirs:
        assert {t.path for t in artifact.tensors()} == set(theirs.files)
        for tensor in artifact.tensors():
            np.testing.assert_array_equal(tensor.read(), theirs[tensor.path])
    assert artifact.format == "npz"
    assert [node.name for node in artifact.root.children()] == [t.path for t in artifact.tensors()]
    rules = [(check.rule, check.problem) for check in artifact.checks()]
    assert sorted(rules) == sorted([("zip crc-32", ""), ("byte count", "")] * (len(ARRAYS) + 1))


def test_objects_are_a_pickle_that_is_never_loaded(tmp_path: Path, opened: Any) -> None:
    np.save(tmp_path / "x.npy", _TRAP, allow_pickle=True)
    np.savez(tmp_path / "x.npz", good=np.arange(3), bad=_TRAP)
    for path, name in ((tmp_path / "x.npy", "x"), (tmp_path / "x.npz", "bad")):
        artifact = opened(path)
        tensor = next(t for t in artifact.tensors() if t.path == name)
        assert tensor.dtype == "object"
        with pytest.raises(TensorUnreadable, match="runs whatever code it names"):
            tensor.read()
        assert [(h.kind, h.where) for h in artifact.hazards()] == [(HazardKind.PICKLE, name)]
        assert "pickle, which is not loaded" in artifact.notes[0]
    np.testing.assert_array_equal(artifact.tensors()[1].read(), np.arange(3))


def test_an_array_cut_short(tmp_path: Path, opened: Any) -> None:
    data = saved(ARRAYS["float32"])
    (tmp_path / "x.npy").write_bytes(data[:-10])
    artifact = opened(tmp_path / "x.npy")
    (check,) = artifact.checks()
    assert check.problem == "float32 (3, 4, 5) takes 240 bytes, but 230 are stored."
    with pytest.raises(TensorUnreadable, match="takes 240 bytes, but 230 are stored"):
        artifact.tensors()[0].read()
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", data[:-10])
        archive.writestr("b.npy", data)
        archive.writestr("c.npy", b"no array")
    artifact = opened(tmp_path / "x.npz")
    assert [bool(check.problem) for check in artifact.checks()][-3:] == [True, False, True]
    assert [note.partition(" ")[0] for note in artifact.notes] == ["a", "c"]
    np.testing.assert_array_equal(artifact.tensors()[1].read(), ARRAYS["float32"])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (3", "no dictionary"),
        (b"{'descr': '<f4', 'shape': (3,), }", "missing"),
        (b"{'descr': 'x9', 'fortran_order': False, 'shape': (3,), }", "its type is none"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", "no number"),
        (b"{'descr': '<f4', 'fortran_order': False, 'shape': [3], }", "no tuple"),
        (b"__import__('os').getcwd()", "no dictionary"),
        (b"(" * 9_000, "no dictionary"),
        (b"-" * 9_000 + b"1", "no dictionary"),
        (b"{'descr':" + b"[" * 4_000, "no dictionary"),
        (b"1" * 9_999, "no dictionary"),
        (b" " * 20_000, "declares a header of 20,000 bytes"),
    ],
)
def test_a_header_that_is_none(tmp_path: Path, header: bytes, said: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UnreadableArtifact, match=said):
        open_artifact(str(path))


def test_a_shape_that_takes_more_than_there_is(tmp_path: Path, opened: Any) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 1000), }"
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(99))
    with pytest.raises(TensorUnreadable, match="but 99 are stored"):
        opened(path).tensors()[0].read((0, 0))
