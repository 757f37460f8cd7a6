"""The members of archives: listed, checked, read by range in bounded memory."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.archives import inflate, zip_storage
from explorer.formats.archives.inflate import DEFLATE, GZIP, Inflated
from explorer.formats.archives.tar_storage import TarStorage
from explorer.formats.archives.zip_storage import ZipStorage
from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.registry import open_artifact
from explorer.formats.storage import LocalStorage
from tests.formats.packing import (
    PACKERS,
    Pack,
    members_of,
    pack_stored,
    pack_tar,
    pack_targz,
    pack_zip,
)
from tests.formats.walking import below


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


def _wrong_crc(packed: bytes) -> bytes:
    return packed[:-8] + b"\0\0\0\0" + packed[-4:]


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
    with pytest.raises(UnreadableArtifact, match=r"zip archive with 200 MB of names"):
        open_artifact(str(path))


def test_an_encrypted_member_says_so(corpus: Path, tmp_path: Path, opened: Any) -> None:
    path = pack_zip(tmp_path / "a.zip", {"model.h5": b"x" * 100, "b.txt": b"b"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableArtifact, match="is encrypted"):
        open_artifact(str(path))


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


def _without_the_flag(
    path: Path, members: dict[bytes, bytes], flagged: str = "", system: int = 3
) -> Path:
    """As ``zip`` stores names on Unix: the bytes as they are.

    A member ``flagged``, whose content is ``last``, has the flag.
    """
    stand_ins = {f"{number:0{len(name)}}": name for number, name in enumerate(members)}
    with zipfile.ZipFile(path, "w") as archive:
        for stand_in, name in stand_ins.items():
            info = zipfile.ZipInfo(stand_in)
            info.create_system = system
            archive.writestr(info, members[name])
        if flagged:
            archive.writestr(flagged, b"last")
    packed = path.read_bytes()
    for stand_in, name in stand_ins.items():
        packed = packed.replace(stand_in.encode(), name)
    path.write_bytes(packed)
    return path


def test_names_packed_on_unix_are_utf_8_without_the_flag(tmp_path: Path, opened: Any) -> None:
    names = ["assets/vocab ü.txt", "../ü.txt", "日本/a.txt"]
    members = {name.encode(): name.encode() for name in names}
    path = _without_the_flag(tmp_path / "a.zip", {**members, b"latin \xfc": b"latin 1"})
    with closing(ZipStorage(LocalStorage(path))) as archive:
        assert archive.escaping == ("../ü.txt",)
        assert set(archive.names()) == {names[0], names[2], "latin ⁿ"}
        assert archive.read(names[0]).decode() == names[0]
        assert archive.read(names[2]).decode() == names[2]
    assert not any(check.problem for check in opened(path).checks())
    path = _without_the_flag(tmp_path / "dos.zip", members, system=0)
    with closing(ZipStorage(LocalStorage(path))) as archive:
        assert "assets/vocab ├╝.txt" in archive.names()


def test_a_name_that_is_there_with_and_without_the_flag_is_one(tmp_path: Path) -> None:
    path = _without_the_flag(tmp_path / "a.zip", {"ü.txt".encode(): b"first"}, "ü.txt")
    with closing(ZipStorage(LocalStorage(path))) as archive:
        assert (archive.names(), archive.read("ü.txt")) == (["ü.txt"], b"last")


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


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(("field", "what"), [(14, "CRC-32"), (18, "packed size"), (22, "size")])
def test_a_member_whose_own_header_says_something_else(
    method: int, field: int, what: str, tmp_path: Path, opened: Any
) -> None:
    array = io.BytesIO()
    np.save(array, np.arange(9))
    path = pack_zip(tmp_path / "a.npz", {"a.npy": array.getvalue()}, method)
    data = bytearray(path.read_bytes())
    data[field] ^= 1
    path.write_bytes(data)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None  # Python goes by the list alone
    (one,) = [check for check in opened(path).checks() if check.problem]
    assert (one.rule, one.where) == ("zip crc-32", "a.npy")
    assert one.problem.startswith(f"Its {what} is ")


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("make", [io.BytesIO, _Pipe])
def test_sizes_may_follow_a_member_or_lie_in_its_extra_fields(
    make: type[io.BytesIO], wide: bool, tmp_path: Path, opened: Any
) -> None:
    written, array = make(), io.BytesIO()
    np.save(array, np.arange(9))
    with (
        zipfile.ZipFile(written, "w") as archive,
        archive.open("a.npy", "w", force_zip64=wide) as member,
    ):
        member.write(array.getvalue())
    (tmp_path / "a.npz").write_bytes(written.getvalue())
    assert [check.problem for check in opened(tmp_path / "a.npz").checks()] == ["", ""]
