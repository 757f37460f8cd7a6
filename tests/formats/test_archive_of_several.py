"""Nothing that an archive holds beside a model goes by in silence."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import pytest

from explorer.analysis.safety import scan
from explorer.formats.artifact import Artifact, Role
from tests.cli.running import mfx
from tests.formats.packing import PACKERS, Pack, members_of, pack_tar, pack_targz, pack_zip
from tests.formats.test_archive_hazards import link_in_zip

Open = Callable[[Path], Artifact]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good model and one that runs what its author wrote."""
    folder = tmp_path_factory.mktemp("models")
    good = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    evil = keras.Sequential([good, keras.layers.Lambda(lambda x: x + 1, name="evil")])
    good.save(folder / "good.keras")
    evil.save(folder / "evil.keras")
    return members_of(folder)


def told(artifact: Artifact) -> set[tuple[str, str, str]]:
    return {(f.severity.value, f.rule, f.where) for f in scan(artifact)}


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_each_of_several_models_is_scanned(
    pack: Pack, name: str, models: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    path = pack(tmp_path / name, {f"all/{model}": data for model, data in models.items()})
    artifact = opened(path)
    assert ("danger", "lambda-code", "all/evil.keras/config.json: evil") in told(artifact)
    assert mfx("scan", path).returncode == 1
    assert mfx("verify", path).returncode == 0
    (tmp_path / "good.keras").write_bytes(models["good.keras"])
    weights = keras.models.load_model(tmp_path / "good.keras").get_weights()
    read = [t.read() for t in artifact.tensors() if "good" in t.path and t.role is Role.WEIGHT]
    assert sorted(map(str, read)) == sorted(map(str, weights))


def test_what_several_models_lie_in_is_scanned_too(
    models: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    good = models["good.keras"]
    path = pack_zip(tmp_path / "a.zip", {"a.keras": good, "b.keras": good, "../../.bashrc": b"x"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link_in_zip("lnk"), "/etc/passwd")
    assert told(opened(path)) == {
        ("danger", "escaping-member", "../../.bashrc"),
        ("danger", "symbolic-link", "lnk"),
    }


def test_a_model_among_several_that_cannot_be_opened_is_named(
    models: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    members = {"a.keras": models["good.keras"], "b.keras": models["good.keras"][:-30]}
    artifact = opened(pack_zip(tmp_path / "a.zip", members))
    assert told(artifact) == {("warning", "not-scanned", "b.keras")}
    assert [check.where for check in artifact.checks() if check.problem] == ["b.keras"]
    assert "b.keras starts like a zip archive" in artifact.notes[1]


@pytest.mark.parametrize("pack", [pack_zip, pack_tar, pack_targz])
@pytest.mark.parametrize("name", ["inner.zip", "data.bin"])
def test_an_archive_beside_a_model_is_named(
    pack: Pack, name: str, models: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    inner = pack(tmp_path / "inner", {"evil.keras": models["evil.keras"]})
    members = {"good.keras": models["good.keras"], name: inner.read_bytes()}
    path = pack_zip(tmp_path / "a.zip", members)
    artifact = opened(path)
    assert artifact.format == "keras_archive"
    assert told(artifact) == {("warning", "not-scanned", name)}
    (finding,) = scan(artifact)
    assert finding.message.endswith(f"Scan {path}/{name}.")
    assert mfx("scan", f"{path}/{name}").returncode == 1


def test_a_model_that_lies_deeper_is_named(
    models: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    members = {"good.keras": models["good.keras"], "old/evil.keras": models["evil.keras"]}
    artifact = opened(pack_zip(tmp_path / "a.zip", members))
    assert told(artifact) == {("warning", "not-scanned", "old/evil.keras")}


def test_a_model_alone_has_nothing_beside_it(
    models: dict[str, bytes], tmp_path: Path, opened: Open
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = [1.0]
    members = {"m/a.h5": (tmp_path / "a.h5").read_bytes(), "m/notes.txt": b"x", "cover.png": b"P"}
    assert told(opened(pack_zip(tmp_path / "a.zip", members))) == set()
