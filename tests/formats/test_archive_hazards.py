"""What in an archive leads out of it, grows beyond it or can run, is named and not followed."""

from __future__ import annotations

import io
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.archives import inflate
from explorer.formats.artifact import Artifact, HazardKind, UnreadableArtifact
from explorer.formats.registry import open_artifact
from tests.formats.packing import (
    PACKERS,
    Pack,
    members_of,
    pack_targz,
    pack_zip,
    same,
)


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


def test_members_that_expand_together(
    corpus: Path, tmp_path: Path, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "ALWAYS_UNPACKED", 48 << 20)
    members = {f"{number}.bin": bytes(40 << 20) for number in range(3)}
    path = pack_zip(
        tmp_path / "a.zip", {"x.npy": (corpus / "notes_tf20/x_test.npy").read_bytes(), **members}
    )
    (hazard,) = opened(path).hazards()
    assert (hazard.kind, hazard.where) == (HazardKind.EXPANDING_MEMBER, "all members")


def test_a_gzip_that_fills_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "ALWAYS_UNPACKED", 1 << 20)
    path = pack_targz(tmp_path / "a.tar.gz", {"model.h5": bytes(64 << 20)})
    with pytest.raises(UnreadableArtifact, match=r"a\.tar\.gz would expand from"):
        open_artifact(str(path))


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


def link_in_tar(archive: tarfile.TarFile, name: str, target: str, kind: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    archive.addfile(info)


def packed_links(folder: Path, links: list[tuple[str, str]]) -> list[Path]:
    """The same symbolic links in a tar and a zip archive, in this order."""
    tar, packed = folder / "a.tar", folder / "a.zip"
    with tarfile.open(tar, "w") as archive, zipfile.ZipFile(packed, "w") as other:
        for name, target in links:
            link_in_tar(archive, name, target, tarfile.SYMTYPE)
        for name, target in dict(links).items():
            other.writestr(link_in_zip(name), target)
    return [tar, packed]


def links_out(artifact: Artifact) -> set[str]:
    return {h.where for h in artifact.hazards() if h.kind is HazardKind.SYMBOLIC_LINK}


ESCAPING_LINKS = [
    ([("a/b/c", "../.."), ("a/b/d", "c/..")], "a/b/d"),
    ([("a/b/c", "../.."), ("a/b/d", "c"), ("e", "a/b/d/../x")], "e"),
    ([("d", "a/b"), ("d/up", "../.."), ("out", "a/b/up/..")], "out"),
    ([("c", "."), ("e", "c/.."), ("c", "a")], "e"),
    ([("a/loop", "loop/x")], "a/loop"),
]


@pytest.mark.parametrize(("links", "out"), ESCAPING_LINKS)
def test_links_that_lead_out_through_others_are_named(
    links: list[tuple[str, str]], out: str, tmp_path: Path, opened: Any
) -> None:
    tar, packed = packed_links(tmp_path, links)
    assert out in links_out(opened(tar))
    if len(dict(links)) == len(links):  # a zip archive has each name once
        assert out in links_out(opened(packed))


@pytest.mark.parametrize("links", [links for links, _ in ESCAPING_LINKS[:3]])
def test_such_a_link_is_made_when_the_archive_is_unpacked(
    links: list[tuple[str, str]], tmp_path: Path
) -> None:
    tar, _ = packed_links(tmp_path, links)
    folder = tmp_path / "x/y"
    with tarfile.open(tar) as archive:
        for place in ("a/b", "x"):
            (folder / place).mkdir(parents=True, exist_ok=True)
        archive.extractall(folder, filter="fully_trusted")
    (folder / links[-1][0]).resolve().relative_to(tmp_path / "x")
    assert not (folder / links[-1][0]).resolve().is_relative_to(folder)


def test_links_through_links_that_stay_inside_are_none(tmp_path: Path, opened: Any) -> None:
    links = [
        ("m/latest", "v3"),
        ("m/v3/weights", "../../blobs/sha256:12"),
        ("model", "m/latest/weights"),
        ("m/v3/up", ".."),
        ("m/again", "latest/up/latest"),
        ("loop", "other"),
        ("other", "loop"),
    ]
    for path in packed_links(tmp_path, links):
        assert links_out(opened(path)) == set()


def test_a_hard_link_makes_another_of_a_symbolic_one(tmp_path: Path, opened: Any) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        link_in_tar(archive, "a/b/c", "../..", tarfile.SYMTYPE)
        link_in_tar(archive, "a/b/same", "a/b/c", tarfile.LNKTYPE)
        link_in_tar(archive, "a/out", "a/b/c", tarfile.LNKTYPE)
        link_in_tar(archive, "read", "a/b/c/../secret", tarfile.LNKTYPE)
    assert {(h.kind, h.where) for h in opened(path).hazards()} == {
        (HazardKind.SYMBOLIC_LINK, "a/out"),
        (HazardKind.ESCAPING_MEMBER, "read"),
    }


def test_links_without_end_are_gone_through_in_bounds(tmp_path: Path, opened: Any) -> None:
    links = [(f"d{number}", f"d{number + 1}/../" * 40) for number in range(200)]
    assert links_out(opened(packed_links(tmp_path, links)[0])) >= {"d0", "d1", "d2"}


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
