"""What `open_artifact` opens, in whatever guise, and what it says of everything else."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

from explorer.formats.artifact import Artifact, UnreadableArtifact
from explorer.formats.registry import FORMATS, open_artifact
from explorer.formats.storage import LocalStorage
from tests.formats.fuzz_seeds import SEEDS, make_seed


def refused(path: Path | str) -> UnreadableArtifact:
    with pytest.raises(UnreadableArtifact) as caught:
        open_artifact(str(path))
    return caught.value


def format_of(path: Path | str) -> str:
    artifact = open_artifact(str(path))
    artifact.close()
    return artifact.format


def opened_as_unknown(path: Path) -> Artifact:
    artifact = open_artifact(str(path))
    artifact.close()
    assert artifact.format == "unknown"
    return artifact


# By content


KINDS = {
    "keras_hdf5": "keras_hdf5",
    "keras_archive": "keras_archive",
    "tflite": "tflite",
    "npy": "numpy",
    "npz": "npz",
    "safetensors": "safetensors",
    "onnx": "onnx",
    "zip": "saved_model",
    "tar": "saved_model",
    "tar_gz": "saved_model",
}
"""For each seed that is one file, the format that it opens as."""


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("samples")
    return {name: make_seed(SEEDS[name], folder / name) for name in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_content_decides_not_the_ending(
    corpus: Path, samples: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    endings = {ending for row in FORMATS for ending in row.endings}
    for ending in (*endings, ".txt", ".H5", ".zip", ".tar.gz"):
        copy = tmp_path / f"model{ending}"
        shutil.copy(samples[kind], copy)
        assert format_of(copy) == KINDS[kind], ending


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("basic_pitch_nmp", "saved_model"),
        ("basic_pitch_nmp/", "saved_model"),
        ("basic_pitch_nmp/saved_model.pb", "saved_model"),
        ("half_plus_two_tf1", "saved_model"),
        ("notes_tf20/subclass/checkpoints/mannal_checkpoint", "tf_checkpoint"),
        ("notes_tf20/subclass/checkpoints/mannal_checkpoint.index", "tf_checkpoint"),
        ("notes_tf20/subclass/checkpoints/mannal_checkpoint.data-00000-of-00001", "tf_checkpoint"),
    ],
)
def test_any_file_of_a_model_opens_the_model(corpus: Path, path: str, expected: str) -> None:
    assert format_of(f"{corpus}/{path}") == expected


def test_a_link_to_a_model_opens_it(corpus: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.h5"
    link.symlink_to(corpus / "emotion_model.hdf5")
    artifact = open_artifact(str(link))
    artifact.close()
    assert (artifact.name, artifact.path) == ("link.h5", str(link))


def test_a_home_folder_is_expanded(corpus: Path) -> None:
    home = Path.home()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(corpus / "emotion_model.hdf5", home / "mine.h5")
    assert format_of("~/mine.h5") == "keras_hdf5"


def test_the_home_of_nobody_is_a_name_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell takes it."""
    monkeypatch.chdir(tmp_path)
    assert "~nobody-has-this-name/x.npy does not exist" in str(
        refused("~nobody-has-this-name/x.npy")
    )
    with h5py.File("~nobody-has-this-name.h5", "w") as file:
        file["values"] = 1
    assert format_of("~nobody-has-this-name.h5") == "hdf5"


def test_everything_that_a_refusal_says(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.hdf5"
    path.write_bytes((corpus / "emotion_model.hdf5").read_bytes()[:100_000])
    error = refused(path)
    assert "its header says 872,856 bytes" in str(error)
    assert error.found.startswith("89 48 44 46 0d 0a 1a 0a")
    assert error.path == str(path)
    assert set(error.reasons) == {row.name for row in FORMATS}
    assert "TFL3 at byte 4" in error.reasons["TensorFlow Lite"]


# Paths that lead nowhere


def test_no_path() -> None:
    assert "No path was given" in str(refused(" "))


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    message = str(refused(tmp_path / "no" / "model.h5"))
    assert message.startswith(f"{tmp_path}/no/model.h5 does not exist. It was moved, renamed")
    assert message.endswith(f"The folder {tmp_path} exists; look there.")


def test_a_file_that_vanished(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    shutil.copy(corpus / "emotion_model.hdf5", path)
    assert format_of(path) == "keras_hdf5"
    path.unlink()
    assert "does not exist" in str(refused(path))


def test_a_file_that_vanishes_while_it_is_opened(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.h5"
    shutil.copy(corpus / "emotion_model.hdf5", path)
    whole = LocalStorage.__init__

    def locate_then_lose(self: LocalStorage, path: Path) -> None:
        whole(self, path)
        if path.suffix == ".h5":
            path.unlink(missing_ok=True)

    monkeypatch.setattr(LocalStorage, "__init__", locate_then_lose)
    assert "vanished while it was being read" in str(refused(path))


def test_a_link_to_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "gone.h5")
    assert f"a symbolic link to {tmp_path}/gone.h5, which does not exist" in str(refused(link))


@pytest.mark.parametrize("path", ["a" * 5000, "nul\0byte"])
def test_an_impossible_path(path: str) -> None:
    assert "is not a path that this system can open" in str(refused(path))


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert "is not a path that this system can open: Not a directory" in str(
        refused(tmp_path / "file" / "model.h5")
    )


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    assert "a device or a pipe, not a file" in str(refused(tmp_path / "pipe.h5"))


@contextlib.contextmanager
def _someone_else() -> Iterator[Path]:
    """A folder that everyone may enter, and a user who owns nothing in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    as_root = os.geteuid() == 0
    try:
        if as_root:
            os.seteuid(65534)
        yield folder
    finally:
        if as_root:
            os.seteuid(0)
        for path in folder.rglob("*"):
            path.chmod(0o700)
        shutil.rmtree(folder)


@contextlib.contextmanager
def _ourselves() -> Iterator[None]:
    """The real user again while another one is acted as; needs root to matter."""
    euid = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    yield
    os.seteuid(euid)


def _owned_by_us(path: Path) -> None:
    with _ourselves():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x89HDF\r\n\x1a\n")
        path.chmod(0)


def test_a_file_that_may_not_be_read() -> None:
    with _someone_else() as folder:
        _owned_by_us(folder / "model.h5")
        error = refused(folder / "model.h5")
    assert "may not be read: this user has no permission" in str(error)
    assert "change its permissions" in str(error)


def test_variables_that_may_not_be_read_leave_the_graph(corpus: Path) -> None:
    with _someone_else() as folder:
        with _ourselves():
            shutil.copytree(corpus / "basic_pitch_nmp", folder / "nmp")
            (folder / "nmp" / "variables" / "variables.index").chmod(0)
        artifact = open_artifact(str(folder / "nmp"))
        assert artifact.signatures
        assert artifact.notes == (
            f"{folder}/nmp/variables/variables.index may not be read: this user has no permission. "
            "Ask its owner, or change its permissions.",
        )
        artifact.close()


def test_the_top_folder_has_a_name() -> None:
    top = Path(Path.cwd().anchor)
    assert LocalStorage(top).name == str(top)


def test_a_folder_that_may_not_be_entered() -> None:
    with _someone_else() as folder:
        _owned_by_us(folder / "closed" / "model.h5")
        if os.getuid() == 0:
            os.seteuid(0)
        (folder / "closed").chmod(0)
        if os.getuid() == 0:
            os.seteuid(65534)
        for path in (folder / "closed", folder / "closed" / "model.h5"):
            assert "may not be read: this user has no permission" in str(refused(path))


# Files that are no model


@pytest.mark.parametrize("ending", [".h5", ".keras", ".tflite", ".index", ""])
def test_an_empty_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"")
    error = refused(path)
    assert "is empty" in str(error)
    assert error.found == "0 bytes"


@pytest.mark.parametrize("start", [b"<!DOCTYPE html>", b"\xef\xbb\xbf\n  <html lang='en'>"])
def test_a_web_page_under_a_models_name(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(start + b"<title>Sign in</title>")
    message = opened_as_unknown(path).notes[0]
    assert "model.keras is a web page, not a model" in message
    assert "Download the file itself" in message


def test_a_git_lfs_pointer(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        "size 1234567\n"
    )
    message = opened_as_unknown(path).notes[0]
    assert "a Git LFS pointer to it: the file of 1.2 MB was never downloaded" in message
    assert "git lfs pull" in message


@pytest.mark.parametrize("length", range(1, 12))
def test_a_file_of_a_few_bytes(tmp_path: Path, length: int) -> None:
    path = tmp_path / "few"
    for start in (b"PK\x05\x06TFL3\x89HDF", b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0"):
        path.write_bytes(start[:length])
        with contextlib.suppress(UnreadableArtifact):
            assert opened_as_unknown(path).size == length


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("emotion_model.hdf5", "is cut short: its header says 872,856 bytes"),
        ("sleep_stages.keras", "its list of members at the end is missing or damaged"),
        ("face_detection_short_range.tflite", "face_detection_short_range.tflite is damaged"),
        ("notes_tf20/functional/checkpoints/mannal_checkpoint.index", "its end is missing"),
        ("basic_pitch_nmp/saved_model.pb", ""),
    ],
)
def test_a_truncated_file(corpus: Path, tmp_path: Path, name: str, said: str) -> None:
    whole = (corpus / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(whole[: len(whole) // 2])
    message = str(refused(path))
    assert said in message
    assert "again" in message  # copy, download or save it again


def test_a_shard_without_its_index(corpus: Path, tmp_path: Path) -> None:
    name = "mannal_checkpoint.data-00000-of-00001"
    shutil.copy(corpus / "notes_tf20/subclass/checkpoints" / name, tmp_path)
    message = str(refused(tmp_path / name))
    assert "its index mannal_checkpoint.index, which says what is where, is not beside" in message


# Folders


def test_an_empty_folder(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert "holds no model of its own" in str(error)
    assert "A SavedModel folder holds saved_model.pb and a folder variables" in str(error)
    assert "This one holds nothing in it (0 entries)" in str(error)
    assert error.found == "a folder with nothing in it"


def test_a_folder_says_what_is_in_it(tmp_path: Path) -> None:
    for name in "abcdefgh":
        (tmp_path / f"{name}.txt").write_bytes(b"x")
    message = str(refused(tmp_path))
    assert (
        "This one holds a.txt, b.txt, c.txt, d.txt, e.txt, f.txt and 2 more (8 entries)" in message
    )


def test_a_folder_whose_files_are_models(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "model.h5", "w"):
        pass
    assert "Open one of the files in it: model.h5." in str(refused(tmp_path))


def test_a_folder_above_a_model_says_where_it_is(corpus: Path, tmp_path: Path) -> None:
    shutil.copytree(corpus / "half_plus_two_tf1", tmp_path / "versions" / "00000123")
    assert "There is one in versions/00000123; open that." in str(refused(tmp_path))
    (tmp_path / "other").mkdir()
    shutil.copy(corpus / "emotion_model.hdf5", tmp_path / "other")
    assert "There are models in other, versions/00000123; open one" in str(refused(tmp_path))


def test_a_folder_tree_too_large_to_search_ends_soon(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"{i:03}" / "below").mkdir(parents=True)
    assert "300 entries" in str(refused(tmp_path))
