"""Reading by range from local folders and from anything `fsspec` knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pytest

from explorer.formats.artifact import HazardKind, Role, UnreadableArtifact
from explorer.formats.files import folder_nodes
from explorer.formats.registry import open_artifact
from explorer.formats.storage import LocalStorage, Pages, Storage, escaping_links, open_storage

FILES = {"a.txt": b"0123456789", "sub/b.bin": b"\x01" * 7, "sub/deep/c": b"z"}


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    for name, data in FILES.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(data)
    return LocalStorage(tmp_path / "model")


@pytest.fixture
def remote() -> Storage:
    filesystem = fsspec.filesystem("memory")
    for name, data in FILES.items():
        filesystem.pipe(f"/storage-test/model/{name}", data)
    return open_storage("memory://storage-test/model")


@pytest.fixture(params=["local", "remote"])
def storage(request: pytest.FixtureRequest) -> Storage:
    found: Storage = request.getfixturevalue(request.param)
    return found


def test_a_folder_lists_its_members(storage: Storage) -> None:
    assert storage.is_folder
    assert storage.name == "model"
    assert [(e.name, e.is_folder, e.size) for e in storage.entries()] == [
        ("a.txt", False, 10),
        ("sub", True, 0),
    ]
    assert [e.name for e in storage.entries("sub")] == ["b.bin", "deep"]
    assert storage.entries("nothing") == []


def test_sizes(storage: Storage) -> None:
    assert (storage.size("a.txt"), storage.size("sub"), storage.size("nothing")) == (10, None, None)
    assert storage.has("sub/deep/c")
    assert not storage.has("sub")
    assert (storage.total_size(), storage.total_size("sub")) == (18, 8)


def test_ranges(storage: Storage) -> None:
    assert storage.read("a.txt") == b"0123456789"
    assert storage.read("a.txt", 2, 3) == b"234"
    assert storage.read("a.txt", 8, 100) == b"89"
    assert storage.read("a.txt", 100, 5) == b""
    with storage.open("a.txt") as file:
        file.seek(-2, os.SEEK_END)
        assert file.read() == b"89"


@pytest.mark.parametrize("name", ["../a.txt", "sub/../../x", "/etc/passwd", "sub\\..\\x"])
def test_names_that_leave_the_folder_are_refused(storage: Storage, name: str) -> None:
    for use in (storage.read, storage.size, storage.open, storage.entries):
        with pytest.raises(UnreadableArtifact, match="points outside the model's folder"):
            use(name)


@pytest.mark.parametrize("name", ["a\0.txt", "sub/\0", "\ud800.txt"])
def test_names_that_no_file_can_have_are_refused(storage: Storage, name: str) -> None:
    for ask in (storage.size, storage.read, storage.open, storage.has, storage.below):
        with pytest.raises(UnreadableArtifact, match="that no file's name can have"):
            ask(name)


def test_a_link_out_of_the_folder_is_not_followed(local: Storage, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "model" / "inside").symlink_to("a.txt")
    (tmp_path / "model" / "outside").symlink_to(tmp_path / "secret")
    assert local.read("inside") == b"0123456789"
    with pytest.raises(UnreadableArtifact, match="leads out of model, so it is not followed"):
        local.read("outside")
    assert (
        local.total_size()
        == 18
        + (tmp_path / "model/inside").lstat().st_size
        + (tmp_path / "model/outside").lstat().st_size
    )


def test_links_out_of_the_folder_are_told_and_others_are_not(
    local: Storage, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    links = {
        "inside": "a.txt",
        "sub/up": "../a.txt",
        "absolute": tmp_path / "model" / "a.txt",
        "loop": "loop",
        "broken": "nothing",
        "outside": "../secret",
        "sub/passwords": "/etc/passwd",
        "gone": "../../gone",
    }
    for name, target in links.items():
        (tmp_path / "model" / name).symlink_to(target)
    found = [(hazard.kind, hazard.where, hazard.target) for hazard in escaping_links(local)]
    kind = HazardKind.SYMBOLIC_LINK
    assert sorted(found) == [
        (kind, "gone", "../../gone"),
        (kind, "outside", "../secret"),
        (kind, "sub/passwords", "/etc/passwd"),
    ]
    shown = {entry.name: entry.link for entry in local.entries() if entry.link}
    assert shown == {k: str(v) for k, v in links.items() if "/" not in k}
    with pytest.raises(UnreadableArtifact):
        local.read("loop")


def test_members_are_storages_of_their_own(storage: Storage) -> None:
    sub = storage.below("sub")
    assert (sub.name, sub.is_folder) == ("sub", True)
    assert sub.read("deep/c") == b"z"
    file = sub.below("b.bin")
    assert (file.size(), file.is_folder, file.read()) == (7, False, b"\x01" * 7)
    above = file.parent()
    assert above is not None
    assert [entry.name for entry in above.entries()] == ["b.bin", "deep"]
    with pytest.raises(UnreadableArtifact):
        storage.below("../a")


def test_files_folders_and_links_have_nodes(local: Storage, tmp_path: Path) -> None:
    nodes = {node.name: node for node in folder_nodes(local)}
    assert [(n.name, n.kind, n.has_children) for n in nodes.values()] == [
        ("a.txt", "file", False),
        ("sub", "2 files", True),
    ]
    assert [node.name for node in nodes["sub"].children(1, 2)] == ["deep"]
    (tmp_path / "model" / "link").symlink_to("/etc")
    link = folder_nodes(local)[1]
    assert (link.kind, link.summary, link.has_children) == ("link", "→ /etc", False)


def test_parents(storage: Storage) -> None:
    above = storage.parent()
    assert above is not None
    assert [e.name for e in above.entries()] == ["model"]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("emotion_model.hdf5", 58_423),
        ("sleep_stages.keras", 7_380),
        ("face_detection_short_range.tflite", 101_390),
        ("notes_tf20/functional/checkpoints/mannal_checkpoint.index", 6_922),
        ("basic_pitch_nmp", 16_864),
    ],
)
def test_every_reader_reads_a_url(corpus: Path, name: str, parameters: int) -> None:
    filesystem = fsspec.filesystem("memory")
    source = corpus / name
    parent = source if source.is_dir() else source.parent
    for file in parent.rglob("*") if source.is_dir() else parent.glob(f"{source.stem}*"):
        if file.is_file():
            filesystem.pipe(f"/urls/{file.relative_to(corpus)}", file.read_bytes())
    here, there = open_artifact(str(source)), open_artifact(f"memory://urls/{name}")
    try:
        assert there.parameters() == here.parameters() == parameters
        assert there.format == here.format
        first = next(t for t in there.tensors() if t.role is Role.WEIGHT)
        same = next(t for t in here.tensors() if t.path == first.path)
        np.testing.assert_array_equal(first.read(), same.read())
    finally:
        here.close()
        there.close()


def test_a_url_that_leads_nowhere() -> None:
    with pytest.raises(UnreadableArtifact, match="There is nothing at memory://urls/gone"):
        open_artifact("memory://urls/gone.h5")


def test_an_address_of_an_unknown_kind() -> None:
    with pytest.raises(UnreadableArtifact, match="cannot be reached: Protocol not known"):
        open_artifact("gopher://example/model.h5")


class Unplugged(fsspec.AbstractFileSystem):
    """A network that fails in a way of its own."""

    protocol = "unplugged"

    def info(self, path: str, **_: object) -> dict[str, object]:
        return {"name": path, "size": 100, "type": "file"}

    def cat_file(self, path: str, **_: object) -> bytes:
        raise RuntimeError("the cable is out")

    def _open(self, path: str, *_: object, **__: object) -> None:
        raise RuntimeError("the cable is out")


def test_a_network_that_fails_is_told_in_words() -> None:
    fsspec.register_implementation("unplugged", Unplugged, clobber=True)
    with pytest.raises(UnreadableArtifact, match="cannot be read: RuntimeError: the cable is out"):
        open_artifact("unplugged://host/model.h5")


# Pages


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[tuple[Pages, bytes]]:
    data = np.random.default_rng(0).bytes(300_000)
    (tmp_path / "numbers").write_bytes(data)
    pages = Pages(LocalStorage(tmp_path / "numbers"))
    yield pages, data
    pages.close()


def test_pages_give_the_bytes_of_any_range(numbers: tuple[Pages, bytes]) -> None:
    pages, data = numbers
    for offset, length in [(0, 1), (65_530, 12), (65_536, 65_536), (10, 200_000), (299_999, 1)]:
        assert pages.read(offset, length) == data[offset : offset + length]
    assert pages.read(5, 0) == b""
    with pytest.raises(UnreadableArtifact, match="became shorter"):
        pages.read(299_999, 2)


def test_pages_are_safe_between_threads(numbers: tuple[Pages, bytes]) -> None:
    pages, data = numbers
    offsets = list(range(0, 290_000, 997))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda offset: pages.read(offset, 5_000), offsets))
    assert read == [data[offset : offset + 5_000] for offset in offsets]
