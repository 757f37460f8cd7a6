"""HDF5 files of any kind: links, foreign values, sizes, damage, and files that change."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from explorer.analysis.search import at_path, find, parse_query
from explorer.formats.artifact import (
    Artifact,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from tests.formats.walking import below, tensor


def reason(artifact: Artifact, path: str) -> str:
    with pytest.raises(TensorUnreadable) as caught:
        tensor(artifact, path).read()
    return str(caught.value)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Everything that a Keras file does not hold, and a source whose extent has grown since."""
    with h5py.File(tmp_path / "source.h5", "w") as source:
        source.create_dataset("d", data=np.arange(10.0), maxshape=(None,))
    layout = h5py.VirtualLayout((10,), "f8", maxshape=(None,))
    whole = h5py.VirtualSource("source.h5", "d", (10,), maxshape=(None,))
    layout[0 : h5py.h5s.UNLIMITED] = whole[0 : h5py.h5s.UNLIMITED]
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", (10,), "f8", external=[("secret.bin", 0, 80)])
        file["soft"] = h5py.SoftLink("/virtual")
        file["elsewhere"] = h5py.ExternalLink("source.h5", "/d")
        group = file.create_group("group")
        group["loop"] = file["/"]
        file["again"] = group
        group.create_dataset("scalar", data=1.5)
        file.create_dataset("bomb", (10**7, 10**7), "f4", chunks=(1000, 1000), compression="gzip")
        file.create_dataset("one_chunk", (10**5, 10**5), "f4", chunks=(10**4, 10**4))
        file.create_dataset("text", data=["a", "bcd"], dtype=h5py.string_dtype())
        file.create_dataset("fixed", data=np.array([b"a", b"bcd"]))
        file.create_dataset("big_endian", data=np.arange(6, dtype=">i2").reshape(2, 3))
        file.create_dataset("flags", data=np.array([True, False]))
        file.create_dataset("nothing", data=h5py.Empty("f4"))
        file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("f4"))
        file.create_dataset("packed", data=np.arange(20.0), chunks=(5,), compression="gzip")
        file.attrs["reference"] = group.ref
    with h5py.File(tmp_path / "source.h5", "a") as source:
        source["d"].resize((20,))
    return tmp_path / "odd.h5"


def test_plain_hdf5_counts_nothing_as_a_weight(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    assert (artifact.format, artifact.parameters(), artifact.layers()) == ("hdf5", 0, ())
    assert artifact.contents.weights is Tri.NO
    assert "Nothing in this HDF5 file says that Keras wrote it" in artifact.notes[0]


def test_links_are_shown_and_never_followed(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    shown = {n.name: (n.kind, n.summary, n.has_children) for n in artifact.root.children()}
    assert shown["soft"] == ("link, not followed", "soft link to /virtual", False)
    assert shown["elsewhere"][1] == "external link to /d in the file source.h5"
    loop = below(artifact.root, "again", "loop")
    assert (loop.kind, loop.has_children) == ("link, not followed", False)
    paths = [t.path for t in artifact.tensors()]
    assert paths.count("again/scalar") + paths.count("group/scalar") == 1
    assert not [p for p in paths if "loop" in p or p in ("soft", "elsewhere")]


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_a_second_name_is_told_and_leads_to_the_same_values(
    version: str, tmp_path: Path, opened: Any
) -> None:
    with h5py.File(tmp_path / "links.h5", "w", libver=version) as file:
        file["first"] = np.arange(3.0)
        file.create_group("group")["second"] = file["first"]
        file["group/only"] = 1
        file["same"] = file["group"]
    artifact = opened(tmp_path / "links.h5")
    assert [t.path for t in artifact.tensors()] == ["first", "group/only"]
    again = below(artifact.root, "group", "second")
    assert below(artifact.root, "first").kind == "dataset"
    assert again.kind == "dataset · same as first"
    same = below(artifact.root, "same")
    assert (same.kind, same.has_children) == ("group · same as group", False)
    assert again.tensor is not None
    assert again.tensor.read().tolist() == [0, 1, 2]
    assert at_path(artifact.root, "same/second") == again
    assert at_path(artifact.root, "same/third") is None


@pytest.mark.parametrize("counted", [True, False])
def test_what_groups_of_several_names_hold_is_shown_once(
    counted: bool, tmp_path: Path, opened: Any
) -> None:
    """Two names for each of thirty groups, one in the other: a billion ways lead to the dataset."""
    path = tmp_path / "ways.h5"
    with h5py.File(path, "w") as file:
        group, headers = file, []
        for _ in range(30):
            inner = group.create_group("a")
            group["b"] = group = inner
            headers.append(h5py.h5o.get_info(inner.id).addr)
        group["values"] = np.arange(3.0)
    if not counted:
        _count_one_link(path, headers)
    artifact = opened(path)
    way = "/".join("a" * 30)
    assert [hit.path for hit in find(artifact.root, parse_query("values")).hits] == [
        f"{way}/values"
    ]
    assert below(artifact.root, "b").kind == "group · same as a"
    one = at_path(artifact.root, way.replace("a/a", "b/a") + "/values")
    assert one is not None
    assert one.tensor is not None
    assert one.tensor.path == f"{way}/values"


def _count_one_link(path: Path, headers: list[int]) -> None:
    """As a damaged file may: old headers have the number of links to them in bytes 4 to 8."""
    data = bytearray(path.read_bytes())
    for header in headers:
        assert data[header + 4 : header + 8] == b"\2\0\0\0"
        data[header + 4] = 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["model_weights", "dense_1", "layers", "dense"])
def test_what_keras_looks_for_is_not_followed_elsewhere_either(
    tmp_path: Path, opened: Any, name: str
) -> None:
    """The groups that Keras's layouts name, as links into a file that has them all."""
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other.attrs["keras_version"] = other.create_group("vars").attrs["name"] = "elsewhere"
        other.attrs["weight_names"] = other.attrs["layer_names"] = ["secret"]
        other["secret/vars/0"] = np.arange(3.0)
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file[name] = h5py.ExternalLink("other.h5", "/")
        file.create_group("vars")
        if name == "dense_1":
            file.attrs["layer_names"] = ["dense_1"]
    artifact = opened(tmp_path / "model.h5")
    assert artifact.format.startswith("keras")
    assert artifact.tensors() == ()
    assert "secret" not in str(artifact.layers())
    assert "elsewhere" not in str((artifact.producer, artifact.layers(), artifact.notes))
    assert below(artifact.root, name).kind == "link, not followed"


def test_a_virtual_dataset_opens_no_other_file(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    with h5py.File(odd, "r", locking=False) as file:
        assert file["virtual"].shape == (20,)  # h5py looks into the source
    assert tensor(artifact, "virtual").shape == (10,)
    assert "a virtual dataset whose values are in source.h5:d" in reason(artifact, "virtual")


def test_external_storage_is_not_read(odd: Path, opened: Any) -> None:
    (odd.parent / "secret.bin").write_bytes(bytes(80))
    artifact = opened(odd)
    assert "keeps its values outside this file, in secret.bin" in reason(artifact, "external")
    assert tensor(artifact, "external").location is None


def test_declared_sizes_are_checked_before_anything_is_allocated(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    assert "declares 364 TB for this selection, but only 0 B are stored" in reason(artifact, "bomb")
    np.testing.assert_array_equal(tensor(artifact, "bomb").read((5, slice(0, 3))), np.zeros(3))
    with pytest.raises(TensorUnreadable, match="declares 381 MB"):
        tensor(artifact, "one_chunk").read((0, 0))


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="it is float64 here")
def test_long_doubles_are_those_of_this_machine(tmp_path: Path, opened: Any) -> None:
    values = np.longdouble(1) / np.arange(1, 13, dtype=np.longdouble).reshape(3, 4)
    turned = values.astype(values.dtype.newbyteorder())
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file.create_dataset("packed", data=values, chunks=(2, 2), compression="gzip")
        file["turned"] = turned
    artifact = opened(tmp_path / "long.h5")
    with h5py.File(tmp_path / "long.h5") as file:
        read = tensor(artifact, "packed").read()
        assert (read.dtype, tensor(artifact, "packed").dtype) == (values.dtype, values.dtype.name)
        np.testing.assert_array_equal(read, file["packed"][()])
    assert not any(check.problem for check in artifact.checks())
    with pytest.raises(TensorUnreadable, match="a type that NumPy does not have"):
        tensor(artifact, "turned").read()


def test_selections_are_numpys(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    table = np.arange(6, dtype="i2").reshape(2, 3)
    read = tensor(artifact, "big_endian").read
    for selection in [
        (),
        (1,),
        (-1, -2),
        (slice(None), 1),
        (slice(None, None, -1), slice(2, 0, -1)),
    ]:
        np.testing.assert_array_equal(read(selection), table[selection])
    assert read((slice(1, 1),)).shape == (0, 3)
    assert read((1, 2)).shape == ()
    with pytest.raises(IndexError):
        read((2,))
    packed = tensor(artifact, "packed")
    np.testing.assert_array_equal(packed.read((slice(3, 18, 4),)), np.arange(20.0)[3:18:4])
    assert packed.location is not None
    assert packed.location.offset is None


def test_values_of_every_kind(odd: Path, opened: Any) -> None:
    artifact = opened(odd)
    for name in ("text", "fixed"):
        assert tensor(artifact, name).dtype == "string"
        assert tensor(artifact, name).read().tolist() == [b"a", b"bcd"]
        assert tensor(artifact, name).read((1,)).item() == b"bcd"
    assert tensor(artifact, "flags").dtype == "bool"
    assert tensor(artifact, "flags").read().tolist() == [True, False]
    assert tensor(artifact, "nothing").read().shape == (0,)
    assert next(t for t in artifact.tensors() if t.path.endswith("scalar")).read() == 1.5
    assert "values of varying length" in reason(artifact, "ragged")
    assert "references" in dict(artifact.root.attributes())["reference"]


def test_a_tensor_lives_where_it_says(corpus: Path, opened: Any) -> None:
    path = corpus / "notes_tf20/functional/1_weight.h5"
    for one in opened(path).tensors():
        assert one.location is not None
        with path.open("rb") as file:
            file.seek(one.location.offset or 0)
            raw = np.frombuffer(file.read(one.location.nbytes), one.dtype).reshape(one.shape)
        np.testing.assert_array_equal(raw, one.read())


def test_a_group_of_many_is_read_by_pages(tmp_path: Path, opened: Any) -> None:
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for i in range(1200):
            file[f"many/{i}"] = np.full(i % 5, i)
    group = below(opened(tmp_path / "many.h5").root, "many")
    assert group.child_count() == 1200
    page = group.children(1000, 1003)
    assert [n.name for n in page] == ["1000", "1001", "1002"]  # by value, not as text
    assert [n.tensor.shape for n in page if n.tensor] == [(0,), (1,), (2,)]


# Files that change or are damaged


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a file that is open")
def test_a_file_replaced_while_open_still_answers(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((corpus / "notes_tf20/functional/3_model.h5").read_bytes())
    artifact = opened(path)
    new = tmp_path / "new.h5"
    new.write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    os.replace(new, path)  # noqa: PTH105 - what saving does
    assert artifact.tensors()[0].read().shape == (64,)
    assert opened(path).parameters() == 58_423


@pytest.mark.parametrize("kept", [0, 1000, 872_856])
def test_a_file_written_to_while_open_is_an_error_in_words(
    corpus: Path, tmp_path: Path, opened: Any, kept: int
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    artifact = opened(path)
    tensors = artifact.tensors()
    path.write_bytes(path.read_bytes()[:kept])
    os.utime(path, ns=(1, 1))
    with pytest.raises(TensorUnreadable, match=r"the file was written to\. .*open it again"):
        tensors[-1].read()


def test_a_closed_artifact_says_so(corpus: Path) -> None:
    artifact = open_artifact(str(corpus / "emotion_model.hdf5"))
    tensors = artifact.tensors()
    group = below(artifact.root, "model_weights")
    artifact.close()
    artifact.close()
    with pytest.raises(TensorUnreadable, match="open it again"):
        tensors[0].read()
    with pytest.raises(UnreadableArtifact, match="open it again"):
        group.child_count()
    assert artifact.root.attributes()[0][0] == "damaged"


def test_threads_read_at_once(corpus: Path, opened: Any) -> None:
    artifact = opened(corpus / "emotion_model.hdf5")
    tensors = artifact.tensors() * 3
    expected = [t.read() for t in tensors]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(expected, pool.map(lambda t: t.read(), tensors), strict=True):
            np.testing.assert_array_equal(one, other)


def test_one_damaged_object_leaves_the_others_readable(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        file["bad"], file["good"] = np.arange(3.0), np.arange(4.0)
        address = h5py.h5o.get_info(file["bad"].id).addr
    data = bytearray(path.read_bytes())
    data[address : address + 4] = b"\xff" * 4
    path.write_bytes(data)
    artifact = opened(path)
    shown = {node.name: node for node in artifact.root.children()}
    assert shown["bad"].kind == "damaged"
    assert [t.path for t in artifact.tensors()] == ["good"]


def test_names_that_are_not_text_are_shown(tmp_path: Path, opened: Any) -> None:
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file[b"caf\xe9"] = np.arange(3.0)
        file.attrs[b"na\xefve"] = 1
        file[b"caf\xe9"].attrs["text"] = b"\xff\xfe"
    artifact = opened(tmp_path / "odd.h5")
    attribute, node = artifact.root.children()
    assert (attribute.name, node.name) == ("na\ufffdve", "caf\ufffd")
    assert node.attributes() == [("text", "\ufffd\ufffd")]
    assert artifact.tensors()[0].read().tolist() == [0, 1, 2]


@pytest.mark.parametrize("keep", [40, 2000, 44_000])
def test_a_file_cut_short(corpus: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes((corpus / "notes_tf20/functional/1_weight.h5").read_bytes()[:keep])
    with pytest.raises(UnreadableArtifact) as caught:
        open_artifact(str(path))
    message = str(caught.value)
    if keep == 40:
        assert "ends in the middle of its first block" in message
    else:
        assert f"its header says 44,200 bytes, but there are only {keep:,}" in message


def test_a_user_block_before_the_signature(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "block.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["d"] = np.arange(3.0)
    assert opened(path).tensors()[0].read().tolist() == [0, 1, 2]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UnreadableArtifact, match="is cut short"):
        open_artifact(str(path))


def test_damage_after_the_header_is_refused_in_words(corpus: Path, tmp_path: Path) -> None:
    data = bytearray((corpus / "notes_tf20/functional/1_weight.h5").read_bytes())
    data[96:800] = bytes(704)
    (tmp_path / "zeros.h5").write_bytes(data)
    with pytest.raises(UnreadableArtifact, match="opy or download it again"):
        open_artifact(str(tmp_path / "zeros.h5"))
