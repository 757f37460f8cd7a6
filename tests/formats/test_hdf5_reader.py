"""Our reading of HDF5 compared with the HDF5 library's own, through h5py."""

from __future__ import annotations

import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from explorer.formats.artifact import Artifact, Node, Tensor, TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import open_artifact
from tests.formats import hdf5_seeds
from tests.formats.hdf5_seeds import CHUNKED, FILTERS, LIBVERS
from tests.formats.mutations import mutants
from tests.formats.walking import below, tensor

CONTENTS = ("kinds", "compact", "sparse", "links", "attributes")


@pytest.fixture(params=LIBVERS)
def libver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def datasets(file: Any) -> dict[str, Any]:
    """All of h5py's datasets by path, each by the first name that leads to it."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def as_read(values: Any) -> np.ndarray:
    """h5py's values as a reader gives them: text as an object array of bytes."""
    array = np.asarray(values, dtype=object) if isinstance(values, bytes) else np.asarray(values)
    return array.astype(object) if array.dtype.kind == "S" else array


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_array_equal(ours, theirs)


def check_all(path: Path, artifact: Artifact) -> int:
    """Hold every dataset against h5py's; how many there were."""
    ours = {one.path: one for one in artifact.tensors()}
    with h5py.File(path, "r", locking=False) as file:
        theirs = datasets(file)
        assert set(ours) == set(theirs)
        for name, dataset in theirs.items():
            check_one(ours[name], dataset)
    return len(ours)


def check_one(one: Tensor, dataset: Any) -> None:
    assert one.location is not None
    low = dataset.id
    assert (one.nbytes, one.location.offset) == (low.get_storage_size(), low.get_offset())
    if dataset.shape is None:
        assert one.shape == one.read().shape == (0,)
        return
    values = as_read(dataset[()])
    assert one.shape == values.shape
    same(one.read(), values)
    if values.dtype.kind not in "OV":
        assert one.dtype == values.dtype.name


@pytest.mark.parametrize("name", CONTENTS)
def test_everything_is_read_as_the_library_does(
    tmp_path: Path, opened: Any, name: str, libver: str
) -> None:
    path = hdf5_seeds.write(tmp_path / "x.h5", hdf5_seeds.SEEDS[name], libver)
    assert check_all(path, opened(path)) >= 1 or name == "attributes"


@pytest.mark.parametrize("filters", FILTERS)
def test_chunks_behind_every_index_and_filter(
    tmp_path: Path, opened: Any, filters: str, libver: str
) -> None:
    def contents(file: Any) -> None:
        hdf5_seeds.chunked(file, filters)

    path = hdf5_seeds.write(tmp_path / "x.h5", contents, libver)
    assert check_all(path, opened(path)) == len(CHUNKED)


def test_a_user_block_moves_every_address(tmp_path: Path, opened: Any, libver: str) -> None:
    for name in ("kinds", "chunked_all", "attributes"):
        contents = hdf5_seeds.SEEDS[name]
        plain = hdf5_seeds.write(tmp_path / f"{name}.h5", contents, libver)
        moved = hdf5_seeds.write(tmp_path / f"{name}_m.h5", contents, libver, userblock_size=2048)
        for one, other in zip(opened(plain).tensors(), opened(moved).tensors(), strict=True):
            assert one.location is not None
            assert other.location is not None
            if one.location.offset is not None:
                assert other.location.offset is not None
                raw = moved.read_bytes()[other.location.offset :][: other.nbytes]
                assert raw == plain.read_bytes()[one.location.offset :][: one.nbytes]
            same(other.read(), one.read())


def test_real_files(corpus: Path, opened: Any) -> None:
    for name in ("emotion_model.hdf5", "notes_tf20/functional/3_model.h5"):
        assert check_all(corpus / name, opened(corpus / name)) > 5


@pytest.fixture(scope="module")
def selectable(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Artifact, dict[str, np.ndarray]]]:
    """Arrays laid out in every way, and h5py's values of them."""
    folder = tmp_path_factory.mktemp("selectable")

    def contents(file: Any) -> None:
        hdf5_seeds.chunked(file, "shuffle")
        hdf5_seeds.compact(file)
        file.create_dataset("contiguous", data=np.arange(105).reshape(7, 5, 3))
        arrays = file.create_dataset("arrays", (9,), np.dtype(("i2", (2, 3))), chunks=(4,))
        arrays[:7] = np.arange(42).reshape(7, 2, 3)
        file.create_dataset("unwritten", (4, 5), np.dtype(("f4", (2,))), fillvalue=None)
        file.create_dataset("scalar", data=3)
        file.create_dataset("text", data=["a", "b", "c"], chunks=(2,), dtype=h5py.string_dtype())

    path = hdf5_seeds.write(folder / "x.h5", contents, "latest")
    with h5py.File(path, "r") as file:
        values = {name: as_read(dataset[()]) for name, dataset in datasets(file).items()}
    artifact = open_artifact(str(path))
    yield artifact, values
    artifact.close()


@given(data=st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_selection_is_numpys(
    selectable: tuple[Artifact, dict[str, np.ndarray]], data: st.DataObject
) -> None:
    artifact, values = selectable
    name = data.draw(st.sampled_from(sorted(values)))
    array = values[name]
    index = data.draw(basic_indices(array.shape, allow_ellipsis=False, allow_newaxis=False))
    selection = index if isinstance(index, tuple) else (index,)
    same(tensor(artifact, name).read(selection), np.asarray(array[selection], dtype=array.dtype))


def test_large_strides_of_a_large_array(tmp_path: Path, opened: Any) -> None:
    """More than is read at once, of which little is wanted."""
    values = np.arange(3 << 20, dtype="f8").reshape(1024, 3, 1024)
    path = hdf5_seeds.write(tmp_path / "x.h5", lambda file: file.create_dataset("x", data=values))
    read = tensor(opened(path), "x").read
    for selection in [(slice(None), 1, 7), (slice(1000, 3, -7), slice(None), -1), (5, 2)]:
        same(read(selection), values[selection])


def test_bfloat16_as_a_float_type_of_its_own(tmp_path: Path, opened: Any) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_precision(16)
    kind.set_size(2)
    kind.set_ebias(127)
    values = np.array([1.5, -2.25, 3e38], "f4")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((3,)))
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)
        expected = file["x"][()]
    one = opened(tmp_path / "x.h5").tensors()[0]
    assert (one.dtype, one.nbytes) == ("bfloat16", 6)
    np.testing.assert_array_equal(one.read().astype("f4"), expected)


# Groups and attributes


@pytest.mark.parametrize("count", [3, 60, 5000])
def test_names_come_in_the_librarys_order(
    tmp_path: Path, opened: Any, libver: str, count: int
) -> None:
    def contents(file: Any) -> None:
        group = file.create_group("many", track_order=count == 60)
        empty = file.create_group("empty")
        for number in range(count):
            group[f"entry_{number * 7919 % count}"] = empty

    path = hdf5_seeds.write(tmp_path / "x.h5", contents, libver)
    many = below(opened(path).root, "many")
    with h5py.File(path, "r") as file:
        names = [name.decode() for name in file["many"].id]
        children = many.children()
    assert [node.name for node in children] == names
    assert many.summary == f"{count:,} entries"


def test_links_of_every_kind(tmp_path: Path, opened: Any, libver: str) -> None:
    path = hdf5_seeds.write(tmp_path / "x.h5", hdf5_seeds.links, libver)
    root = opened(path).root
    shown = {node.name: (node.kind, node.summary) for node in root.children()}
    assert shown["soft"] == ("link, not followed", "soft link to /a/b")
    assert shown["external"][1] == "external link to /x in the file other.h5"
    assert shown["named"][0] == "named type"
    assert below(root, "a", "b", "c", "up").kind == "link, not followed"


def test_attributes_have_the_librarys_order_and_values(
    tmp_path: Path, opened: Any, libver: str
) -> None:
    def contents(file: Any) -> None:
        hdf5_seeds.attributes(file, 300)
        if libver != "earliest":
            hdf5_seeds.large_attribute(file)

    path = hdf5_seeds.write(tmp_path / "x.h5", contents, libver)
    root = opened(path).root
    with h5py.File(path, "r") as file:
        assert root.attributes() == attribute_texts(file)
        many = below(root, "many")
        assert many.attributes() == attribute_texts(file["many"])
    assert len(many.attributes()) == 300


def attribute_texts(obj: Any) -> list[tuple[str, str]]:
    names: list[bytes] = []
    h5py.h5a.iterate(obj.id, names.append)
    return [(name.decode(), attribute_text(obj.attrs[name.decode()])) for name in names]


def attribute_text(value: Any) -> str:
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, h5py.Reference):
        return "cannot be shown: references to other objects of the file are not read"
    flat = np.asarray(value).reshape(-1).tolist()
    texts = [one.decode() if isinstance(one, bytes) else str(one) for one in flat[:1000]]
    left = f", … and {len(flat) - 1000:,} more" if len(flat) > 1000 else ""
    return ", ".join(texts) + left


# Where the bytes come from


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_file_inside_an_archive(
    corpus: Path, tmp_path: Path, opened: Any, compression: int
) -> None:
    inner = hdf5_seeds.write(tmp_path / "x.h5", hdf5_seeds.SEEDS["chunked_all"], "latest")
    archive = tmp_path / "x.keras"
    with (
        zipfile.ZipFile(corpus / "sleep_stages.keras") as real,
        zipfile.ZipFile(archive, "w", compression) as made,
    ):
        made.writestr("config.json", real.read("config.json"))
        made.write(inner, "model.weights.h5")
    check_all(inner, opened(archive))


def test_reading_hdf5_needs_no_h5py() -> None:
    code = (
        "import sys; from explorer.formats.registry import open_artifact, FORMATS\n"
        "for row in FORMATS: row.reader()\n"
        "import explorer.analysis.statistics\n"
        "print('h5py' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# What is not read, and damage in places that matter


def test_other_filters_are_named(tmp_path: Path, opened: Any) -> None:
    path = hdf5_seeds.write(
        tmp_path / "x.h5",
        lambda file: file.create_dataset("x", data=np.arange(9), chunks=(3,), scaleoffset=0),
    )
    one = opened(path).tensors()[0]
    assert one.shape == (9,)
    with pytest.raises(TensorUnreadable, match="the filter scale-offset, which is not read"):
        one.read()


def test_a_chunk_that_does_not_match_its_checksum(tmp_path: Path, opened: Any) -> None:
    values = np.arange(1000, dtype="u2")
    path = hdf5_seeds.write(
        tmp_path / "x.h5",
        lambda file: file.create_dataset("x", data=values, chunks=(500,), fletcher32=True),
    )
    data = bytearray(path.read_bytes())
    data[data.index(values[600:700].tobytes())] ^= 1
    path.write_bytes(data)
    read = opened(path).tensors()[0].read
    with pytest.raises(TensorUnreadable, match="does not match its checksum"):
        read()
    same(read((slice(0, 500),)), values[:500])


def test_a_heap_that_would_hold_the_library_up_forever(corpus: Path, tmp_path: Path) -> None:
    data = bytearray((corpus / "notes_tf20/functional/1_weight.h5").read_bytes())
    data[2104] = 0xF7
    (tmp_path / "x.h5").write_bytes(data)
    artifact = open_artifact(str(tmp_path / "x.h5"))
    assert len(artifact.tensors()) > 5
    artifact.close()


def test_a_tree_that_refers_to_itself(tmp_path: Path, opened: Any) -> None:
    def contents(file: Any) -> None:
        for number in range(2000):
            file[f"many/{number}"] = 0

    path = hdf5_seeds.write(tmp_path / "x.h5", contents)
    data = bytearray(path.read_bytes())
    at = next(i for i in range(0, len(data), 8) if data[i : i + 4] == b"TREE" and data[i + 5] == 1)
    data[at + 32 : at + 40] = at.to_bytes(8, "little")
    path.write_bytes(data)
    (many,) = opened(path).root.children()
    assert many.kind == "damaged"
    assert many.summary == "its index refers to itself"


def test_a_header_that_continues_in_itself(tmp_path: Path, opened: Any) -> None:
    def contents(file: Any) -> None:
        file["x"] = 1
        for number in range(30):
            file["x"].attrs[f"a{number}"] = number

    path = hdf5_seeds.write(tmp_path / "x.h5", contents)
    data = bytearray(path.read_bytes())
    with h5py.File(path, "r") as file:
        header = h5py.h5o.get_info(file["x"].id).addr
    at = next(i for i in range(header + 16, len(data), 8) if data[i : i + 4] == b"\x10\0\x10\0")
    data[at + 8 : at + 24] = (header + 16).to_bytes(8, "little") + (64).to_bytes(8, "little")
    path.write_bytes(data)
    (node,) = opened(path).root.children()
    assert node.summary == "its object header continues in itself"


def test_chunks_that_unpack_to_far_more_are_not_unpacked(tmp_path: Path, opened: Any) -> None:
    """A chunk that declares 4 KB, with 64 MB in it."""
    path = hdf5_seeds.write(
        tmp_path / "x.h5",
        lambda file: file.create_dataset("x", (4096,), "u1", chunks=(4096,), compression="gzip"),
    )
    with h5py.File(path, "a") as file:
        file["x"].id.write_direct_chunk((0,), zlib.compress(bytes(64 << 20)))
    with pytest.raises(TensorUnreadable, match="one of its chunks is of the wrong size"):
        opened(path).tensors()[0].read()


# Damaged files


@pytest.mark.timeout(50)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("name", hdf5_seeds.SEEDS)
def test_damaged_files_end_in_a_tree_or_a_refusal(tmp_path: Path, name: str, libver: str) -> None:
    path = hdf5_seeds.write(tmp_path / "x.h5", hdf5_seeds.SEEDS[name], libver)
    examined = 0
    for data in mutants(path.read_bytes(), 25, seed=name):
        path.write_bytes(data)
        with suppress(UnreadableArtifact):
            examined += examine(path)
    assert examined > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_damaged_files_take_little_memory(tmp_path: Path) -> None:
    """A process that may not have 300 MB more goes through hundreds of them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.formats.test_hdf5_reader", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def examine(path: Path) -> int:
    """See everything there is to see; 1, or `UnreadableArtifact`."""
    artifact = open_artifact(str(path))
    try:
        artifact.layers()
        for node in all_nodes(artifact.root):
            node.attributes()
        for one in artifact.tensors():
            for selection in ((), (slice(None, None, -2),)):
                with suppress(TensorUnreadable):
                    one.read(selection[: len(one.shape or ())])
    finally:
        artifact.close()
    return 1


def all_nodes(root: Node) -> list[Node]:
    found = [root]
    for node in found:
        found += node.children()
    return found


def examine_with_little_memory(folder: Path) -> None:
    import resource

    for name, contents in hdf5_seeds.SEEDS.items():
        path = hdf5_seeds.write(folder / "x.h5", contents, "latest")
        examine(path)
        sound = path.read_bytes()
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = has + (300 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
        for data in mutants(sound, 20, seed=name):
            path.write_bytes(data)
            with suppress(UnreadableArtifact):
                examine(path)
    print("done")


if __name__ == "__main__":
    examine_with_little_memory(Path(sys.argv[1]))
