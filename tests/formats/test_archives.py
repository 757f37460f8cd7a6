"""Archives that hold models: opened in place, compared with the same model outside."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats import inflate, zip_storage
from explorer.formats.artifact import Artifact, HazardKind, UnreadableArtifact
from explorer.formats.inflate import DEFLATE, GZIP, Inflated
from explorer.formats.registry import open_artifact
from explorer.formats.storage import LocalStorage
from explorer.formats.tar_storage import TarStorage
from tests.formats.walking import below

Pack = Callable[[Path, "dict[str, bytes]"], Path]


def pack_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def pack_stored(path: Path, members: dict[str, bytes]) -> Path:
    return pack_zip(path, members, zipfile.ZIP_STORED)


def pack_tar(path: Path, members: dict[str, bytes], mode: Any = "w", kind: int = 2) -> Path:
    with tarfile.open(path, mode, format=kind) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def pack_targz(path: Path, members: dict[str, bytes]) -> Path:
    return pack_tar(path, members, "w:gz")


def members_of(folder: Path, above: str = "") -> dict[str, bytes]:
    """The files below a folder, named from it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {f"{above}{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


PACKERS = [
    pytest.param(pack_zip, "model.zip", id="zip"),
    pytest.param(pack_stored, "model.zip", id="stored"),
    pytest.param(pack_tar, "model.tar", id="tar"),
    pytest.param(pack_targz, "model.tar.gz", id="tar.gz"),
    pytest.param(pack_targz, "model.tgz", id="tgz"),
    pytest.param(pack_targz, "no ending", id="no ending"),
]


def same(inside: Artifact, outside: Artifact) -> None:
    """The same model: format, tensors with every value, layers, signatures."""
    assert inside.format == outside.format
    assert inside.signatures == outside.signatures
    assert inside.layers() == outside.layers()
    assert inside.size == outside.size
    theirs = {tensor.path: tensor for tensor in outside.tensors()}
    assert theirs.keys() == {tensor.path for tensor in inside.tensors()}
    for tensor in inside.tensors():
        np.testing.assert_array_equal(tensor.read(), theirs[tensor.path].read())


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("source", ["emotion_model.hdf5", "sleep_stages.keras"])
@pytest.mark.parametrize("above", ["", "some/folder/"])
def test_a_file_in_an_archive_is_the_same_model(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str, source: str, above: str
) -> None:
    data = (corpus / source).read_bytes()
    path = pack(tmp_path / name, {"README.md": b"# A model", f"{above}{source}": data})
    artifact = opened(path)
    same(artifact, opened(corpus / source))
    assert (artifact.name, artifact.archive) == (source, name)
    assert artifact.path == f"{path}/{above}{source}"
    inside = dict(artifact.root.attributes())["inside the archive"]
    assert inside == f"{name} at {above}{source}"
    assert artifact.notes[0].startswith("It lies inside the ")
    assert [member.name for member in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("above", ["", "./", "versions/1/"])
def test_a_folder_in_an_archive_is_the_same_model(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str, above: str
) -> None:
    folder = corpus / "basic_pitch_nmp"
    if pack in (pack_zip, pack_stored) and above == "./":
        pytest.skip("zip archives are written without it")
    path = pack(tmp_path / name, members_of(folder, above))
    artifact = opened(path)
    same(artifact, opened(folder))
    shown = {node.name for node in artifact.root.children()}
    assert {"variables"} <= shown


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_a_checkpoint_in_an_archive(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str
) -> None:
    folder = corpus / "notes_tf20/subclass/checkpoints"
    path = pack(tmp_path / name, members_of(folder, "run/"))
    same(opened(path), opened(folder))
    prefix = "mannal_checkpoint"
    for inner in (prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
        artifact = opened(Path(f"{path}/run/{inner}"))
        assert artifact.path == f"{path}/run/{prefix}"
        assert artifact.parameters() == opened(folder / prefix).parameters()


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_several_models_are_named_and_each_opens_by_its_path(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str
) -> None:
    members = members_of(corpus / "basic_pitch_nmp", "pitch/")
    members["pitch/notes.txt"] = b"x"
    members["faces/face.tflite"] = (corpus / "face_detection_short_range.tflite").read_bytes()
    path = pack(tmp_path / name, members)
    with pytest.raises(UnreadableArtifact) as caught:
        open_artifact(str(path))
    assert str(caught.value) == (
        f"{name} holds 2 models: faces/face.tflite, pitch. Open one by its path through the "
        f"archive, such as {path}/faces/face.tflite."
    )
    assert opened(Path(f"{path}/faces/face.tflite")).format == "tflite"
    for inner in ("pitch", "pitch/saved_model.pb"):
        artifact = opened(Path(f"{path}/{inner}"))
        assert (artifact.format, artifact.name) == ("saved_model", "pitch")
    with pytest.raises(UnreadableArtifact, match=r"There is no gone\.h5 in .*faces, pitch"):
        open_artifact(f"{path}/gone.h5")


def test_the_nearest_model_is_opened(corpus: Path, tmp_path: Path, opened: Any) -> None:
    data = (corpus / "emotion_model.hdf5").read_bytes()
    path = pack_zip(tmp_path / "a.zip", {"near/model.h5": data, "far/away/other.h5": data})
    assert opened(path).path == f"{path}/near/model.h5"
    assert opened(Path(f"{path}/far/away/other.h5")).name == "other.h5"


def test_a_model_without_an_ending_is_found_by_its_content(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    data = (corpus / "emotion_model.hdf5").read_bytes()
    path = pack_targz(tmp_path / "a.tar.gz", {"notes.txt": b"x", "weights": data})
    assert (opened(path).format, opened(path).name) == ("keras_hdf5", "weights")


def test_an_archive_in_an_archive(corpus: Path, tmp_path: Path, opened: Any) -> None:
    inner = pack_targz(tmp_path / "inner.tar.gz", members_of(corpus / "half_plus_two_tf1", "m/"))
    path = pack_zip(tmp_path / "outer.zip", {"inner.tar.gz": inner.read_bytes()})
    for named in (path, Path(f"{path}/inner.tar.gz"), Path(f"{path}/inner.tar.gz/m")):
        artifact = opened(named)
        assert (artifact.format, artifact.path) == ("saved_model", f"{path}/inner.tar.gz/m")
        same(artifact, opened(corpus / "half_plus_two_tf1"))


def test_an_archive_that_holds_itself_ends(tmp_path: Path) -> None:
    data = b""
    for _ in range(20):
        data = pack_zip(tmp_path / "a.zip", {"a": data}).read_bytes()
    artifact = open_artifact(str(tmp_path / "a.zip"))
    artifact.close()
    assert artifact.format == "unknown"


def test_a_url_leads_into_an_archive(corpus: Path, tmp_path: Path, opened: Any) -> None:
    import fsspec

    path = pack_targz(tmp_path / "m.tar.gz", members_of(corpus / "half_plus_two_tf1", "x/"))
    fsspec.filesystem("memory").pipe("/archives/m.tar.gz", path.read_bytes())
    for address in ("memory://archives/m.tar.gz", "memory://archives/m.tar.gz/x"):
        artifact = open_artifact(address)
        assert artifact.format == "saved_model"
        artifact.close()


# Names and links in tar archives


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_every_kind_of_tar(tmp_path: Path, kind: int) -> None:
    parts = ["d" * 60, "e" * 60] if kind == tarfile.USTAR_FORMAT else ["d" * 150, "ü" * 90]
    name = "/".join([*parts, "f" * 90])
    path = pack_tar(tmp_path / "a.tar", {name: b"abc", "short": b"x"}, "w", kind)
    archive = TarStorage(LocalStorage(path))
    with tarfile.open(path) as theirs:
        assert set(archive.names()) == set(theirs.getnames())
    assert archive.read(name) == b"abc"
    assert [e.name for e in archive.entries(parts[0])] == [parts[1]]
    archive.close()


def test_links_in_a_tar_are_read_or_named(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(corpus / "emotion_model.hdf5", "blobs/one")
        for name, kind, target in [
            ("snapshot/model.h5", tarfile.SYMTYPE, "../blobs/one"),
            ("hard.txt", tarfile.LNKTYPE, "blobs/one"),
            ("passwords", tarfile.SYMTYPE, "/etc/passwd"),
            ("up/up", tarfile.SYMTYPE, "../../secret"),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("../evil.sh"), io.BytesIO())
    artifact = opened(path)
    assert (artifact.name, artifact.format) == ("model.h5", "keras_hdf5")
    same(artifact, opened(corpus / "emotion_model.hdf5"))
    assert {(h.kind, h.where, h.target) for h in artifact.hazards()} == {
        (HazardKind.SYMBOLIC_LINK, "passwords", "/etc/passwd"),
        (HazardKind.SYMBOLIC_LINK, "up/up", "../../secret"),
        (HazardKind.ESCAPING_MEMBER, "../evil.sh", ""),
    }


def test_escaping_and_expanding_members_of_a_zip(
    corpus: Path, tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "ALWAYS_UNPACKED", 1 << 20)
    data = (corpus / "emotion_model.hdf5").read_bytes()
    members = {"model.h5": data, "../../up": b"x", "bomb.bin": bytes(4 << 20)}
    path = pack_zip(tmp_path / "a.zip", members)
    hazards = list(opened(path).hazards())
    assert [(h.kind, h.where) for h in hazards] == [
        (HazardKind.ESCAPING_MEMBER, "../../up"),
        (HazardKind.EXPANDING_MEMBER, "bomb.bin"),
    ]
    assert hazards[1].target.endswith("→ 4.0 MB")
    with pytest.raises(UnreadableArtifact, match="would expand from"):
        open_artifact(f"{path}/bomb.bin")


def test_a_gzip_that_fills_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "ALWAYS_UNPACKED", 1 << 20)
    path = pack_targz(tmp_path / "a.tar.gz", {"model.h5": bytes(64 << 20)})
    with pytest.raises(UnreadableArtifact, match=r"a\.tar\.gz would expand from"):
        open_artifact(str(path))


# Checks, damage


@pytest.mark.parametrize("pack", [pack_zip, pack_stored])
def test_the_crc_of_every_member_is_checked(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack
) -> None:
    members = members_of(corpus / "half_plus_two_tf1")
    path = pack(tmp_path / "a.zip", {**members, "notes.txt": b"hello world, hello world"})
    checks = list(opened(path).checks())
    crcs = {check.where: check.problem for check in checks if check.rule == "zip crc-32"}
    assert crcs == dict.fromkeys([*members, "notes.txt"], "")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"notes.txt", 0, data.index(b"PK\x01\x02")) + len("notes.txt") + 2] ^= 4
    path.write_bytes(data)
    damaged = [check for check in opened(path).checks() if check.problem]
    assert [check.where for check in damaged] == ["notes.txt"]
    assert damaged[0].problem.startswith("It cannot be unpacked whole")


def test_the_crc_of_a_gzip_is_checked(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = pack_targz(tmp_path / "a.tar.gz", members_of(corpus / "half_plus_two_tf1"))
    data = path.read_bytes()
    assert not any(check.problem for check in opened(path).checks())
    path.write_bytes(data + _wrong_crc(gzip.compress(b"what follows the last member")))
    (problem,) = [check for check in opened(path).checks() if check.problem]
    assert problem.rule == "gzip crc-32"
    assert "incorrect data check" in problem.problem
    path.write_bytes(_wrong_crc(data))
    with pytest.raises(UnreadableArtifact, match=r"incorrect data check.*download it again"):
        open_artifact(str(path))


def _wrong_crc(packed: bytes) -> bytes:
    return packed[:-8] + b"\0\0\0\0" + packed[-4:]


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_an_archive_cut_short(corpus: Path, tmp_path: Path, pack: Pack, name: str) -> None:
    data = (corpus / "emotion_model.hdf5").read_bytes()
    path = pack(tmp_path / name, {"model.h5": data})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableArtifact, match=r"Copy or download it again|cut short"):
        open_artifact(str(path))


def test_a_list_of_members_longer_than_any_is_not_read(tmp_path: Path) -> None:
    path = pack_zip(tmp_path / "a.zip", {"model.h5": b"x"})
    end = bytearray(path.read_bytes()[-22:])
    end[12:16] = (200 << 20).to_bytes(4, "little")
    path.write_bytes(b"PK\x03\x04" + end)
    with pytest.raises(UnreadableArtifact, match=r"it declares 200 MB of names"):
        open_artifact(str(path))


def test_an_encrypted_member_says_so(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = pack_zip(tmp_path / "a.zip", {"model.h5": b"x" * 100, "b.txt": b"b"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableArtifact, match="is encrypted"):
        open_artifact(str(path))


# Reading by range


@pytest.fixture(scope="module")
def numbers() -> bytes:
    """Five megabytes, of which some shrink and some do not."""
    noise = random.Random(0).randbytes(3 << 20)
    return noise[: 1 << 20] + bytes(2 << 20) + noise[1 << 20 :]


def test_any_range_of_a_gzip_stream(numbers: bytes) -> None:
    packed = gzip.compress(numbers[: 2 << 20]) + gzip.compress(numbers[2 << 20 :])
    inflated = Inflated(io.BytesIO(packed), 0, len(packed), GZIP, "numbers")
    rng = random.Random(1)
    for _ in range(60):
        offset, length = rng.randrange(len(numbers) + 9), rng.choice((1, 100, 70_000, 3 << 20))
        assert inflated.read(offset, length) == numbers[offset : offset + length]
    inflated.close()


def test_memory_stays_small_however_long_the_stream(
    numbers: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "_FIRST_SPACING", 1 << 12)
    monkeypatch.setattr(inflate, "_MOST_POINTS", 6)
    compressor = inflate.zlib.compressobj(wbits=DEFLATE)
    packed = compressor.compress(numbers) + compressor.flush()
    inflated = Inflated(io.BytesIO(b"ab" + packed + b"cd"), 2, len(packed), DEFLATE, "numbers")
    tracemalloc.start()
    for offset in (4 << 20, 0, 3 << 20, (5 << 20) - 3, 77):
        assert inflated.read(offset, 50) == numbers[offset : offset + 50]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    inflated.close()
    assert peak < 4 << 20


def test_a_large_compressed_member_is_read_without_unpacking_it(
    numbers: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_storage, "_IN_MEMORY", 1000)
    path = pack_zip(tmp_path / "a.zip", {"numbers": numbers})
    archive = zip_storage.ZipStorage(LocalStorage(path))
    assert archive.read("numbers", 3 << 20, 10) == numbers[3 << 20 :][:10]
    assert archive.read("numbers", 5, 10) == numbers[5:15]
    with archive.open("numbers") as one, archive.open("numbers") as other:
        one.seek(100)
        assert (other.read(5), one.read(5)) == (numbers[:5], numbers[100:105])
    archive.close()


def test_members_are_listed_by_folder(tmp_path: Path, opened: Any) -> None:
    path = pack_zip(tmp_path / "a.zip", {"a/b/c.txt": b"cc", "a/d.txt": b"d", "e.txt": b"e"})
    artifact = opened(path)
    assert artifact.format_name == "Zip archive without a model"
    assert "in which no model was found. It holds a, e.txt." in artifact.notes[0]
    assert [(n.name, n.kind) for n in artifact.root.children()] == [
        ("a", "2 files"),
        ("e.txt", "file"),
    ]
    assert below(artifact.root, "a", "b", "c.txt").size == 2


@pytest.mark.parametrize(
    ("method", "called"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")]
)
@pytest.mark.parametrize("source", ["basic_pitch_nmp", "sleep_stages.keras"])
def test_another_compression_says_what_to_do(
    corpus: Path, tmp_path: Path, source: str, method: int, called: str
) -> None:
    path = corpus / source
    members = {source: path.read_bytes()} if path.is_file() else members_of(path, "pitch/")
    packed = pack_zip(tmp_path / "model.zip", members, method)
    with pytest.raises(UnreadableArtifact, match="Unpack the archive and open what is in it") as c:
        open_artifact(str(packed))
    assert f"is compressed by {called}, which" in str(c.value)


def test_models_at_every_depth_are_named(corpus: Path, tmp_path: Path) -> None:
    members = members_of(corpus / "basic_pitch_nmp", "models/pitch/")
    for name in ("sleep_stages.keras", "emotion_model.hdf5"):
        members[f"models/{name}"] = (corpus / name).read_bytes()
    path = pack_zip(tmp_path / "three.zip", members)
    with pytest.raises(UnreadableArtifact) as caught:
        open_artifact(str(path))
    named = "models/emotion_model.hdf5, models/sleep_stages.keras, models/pitch"
    assert f"holds 3 models: {named}. Open one" in str(caught.value)


def link_in_zip(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def test_links_in_a_zip_that_lead_out_are_named(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(corpus / "emotion_model.hdf5", "m/model.h5")
        archive.writestr(link_in_zip("m/passwords"), "/etc/passwd")
        archive.writestr(link_in_zip("m/up"), "../../secret")
        archive.writestr(link_in_zip("m/inside"), "../m/model.h5")
    assert {(h.kind, h.where, h.target) for h in opened(path).hazards()} == {
        (HazardKind.SYMBOLIC_LINK, "m/passwords", "/etc/passwd"),
        (HazardKind.SYMBOLIC_LINK, "m/up", "../../secret"),
    }


def test_devices_in_a_tar_are_named(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "a.tar"
    kinds = {"disk": tarfile.BLKTYPE, "tty": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}
    with tarfile.open(path, "w") as archive:
        archive.add(corpus / "emotion_model.hdf5", "m/model.h5")
        for name, kind in kinds.items():
            info = tarfile.TarInfo(f"m/{name}")
            info.type = kind
            archive.addfile(info)
    artifact = opened(path)
    assert artifact.format == "keras_hdf5"
    assert {(h.kind, h.where, h.target) for h in artifact.hazards()} == {
        (HazardKind.DEVICE, "m/disk", "block device"),
        (HazardKind.DEVICE, "m/tty", "character device"),
        (HazardKind.DEVICE, "m/fifo", "pipe"),
    }


PICKLES = {
    "assets/words.pkl": b"anything",
    "assets/words.bin": pickle.dumps({"a": np.zeros(2)}),
    "old/model.joblib": b"",
    "notes.txt": b"not \x80\x04 one.",
}


def pickles(artifact: Artifact) -> list[str]:
    return sorted(h.where for h in artifact.hazards() if h.kind is HazardKind.PICKLE)


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize("source", ["basic_pitch_nmp", "emotion_model.hdf5"])
def test_pickles_beside_a_model_in_an_archive_are_named(
    corpus: Path, tmp_path: Path, opened: Any, pack: Pack, name: str, source: str
) -> None:
    path = corpus / source
    model = {source: path.read_bytes()} if path.is_file() else members_of(path)
    members = {f"m/{member}": data for member, data in {**model, **PICKLES}.items()}
    found = pickles(opened(pack(tmp_path / name, members)))
    expected = ["assets/words.bin", "assets/words.pkl", "old/model.joblib"]
    assert [place.removeprefix("m/") for place in found] == expected


def test_pickles_in_a_folder_and_among_the_assets_are_named(
    corpus: Path, tmp_path: Path, opened: Any
) -> None:
    expected = ["assets/words.bin", "assets/words.pkl", "old/model.joblib"]
    for source in ("basic_pitch_nmp", "notes_tf20/subclass/checkpoints"):
        folder = Path(shutil.copytree(corpus / source, tmp_path / Path(source).name))
        for name, data in PICKLES.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        assert pickles(opened(folder)) == expected
    keras = Path(shutil.copy(corpus / "sleep_stages.keras", tmp_path))
    with zipfile.ZipFile(keras, "a") as archive:
        for name, data in PICKLES.items():
            archive.writestr(name, data)
    assert pickles(opened(keras)) == expected
    with zipfile.ZipFile(keras) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert pickles(opened(tmp_path / "unpacked")) == expected
