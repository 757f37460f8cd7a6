"""A save is there as a whole or not at all, whatever happens in between."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import pytest

from explorer.lab.explaining import TargetError
from explorer.lab.placing import staged


def write_model(folder: Path, content: str) -> None:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content)


def write_weights(file: Path) -> None:
    with h5py.File(file, "w") as weights:
        weights["vars/0"] = [1.0, 2.0]


def content_of(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_written_beside_the_target_under_its_own_name(tmp_path: Path) -> None:
    target = tmp_path / "new folder" / "model.weights.h5"
    with staged(target, replace=False) as path:
        assert path.name == target.name
        assert path != target
        path.write_text("weights")
        assert not target.exists()
    assert target.read_text() == "weights"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("old", ["file", "folder"])
@pytest.mark.parametrize("new", ["file", "folder"])
def test_files_and_folders_replace_each_other(tmp_path: Path, old: str, new: str) -> None:
    target = tmp_path / "model"
    if old == "file":
        write_weights(target)
    else:
        write_model(target, "old")
    with staged(target, replace=True) as path:
        if new == "file":
            path.write_text("new")
        else:
            write_model(path, "new")
    assert (target.read_text() if new == "file" else content_of(target)) in ("new", {"new"})
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_replaced_without_being_asked(tmp_path: Path) -> None:
    target = tmp_path / "model.h5"
    write_weights(target)
    old = target.read_bytes()
    with (
        pytest.raises(TargetError, match="exists already"),
        staged(target, replace=False) as path,
    ):
        path.write_text("new")
    assert target.read_bytes() == old
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("replace", [True, False])
def test_what_appears_while_the_model_is_written_is_not_lost(tmp_path: Path, replace: bool) -> None:
    target = tmp_path / "model.h5"

    def save_slowly() -> None:
        with staged(target, replace=replace) as path:
            path.write_text("new")
            target.write_text("notes of somebody else")

    with pytest.raises(TargetError):
        save_slowly()
    assert target.read_text() == "notes of somebody else"


def test_a_file_that_is_no_model_is_not_replaced(tmp_path: Path) -> None:
    notes, table = tmp_path / "notes.h5", tmp_path / "table.h5"
    notes.write_text("years of work")
    with h5py.File(table, "w") as file:
        file["measured"] = [1.0, 2.0]
    measured = table.read_bytes()
    for target, reason in ((notes, "cannot be read as a model"), (table, "holds no Keras model")):
        with pytest.raises(TargetError, match=reason), staged(target, replace=True):
            pytest.fail("nothing may be written")
    assert notes.read_text() == "years of work"
    assert table.read_bytes() == measured


def test_a_folder_without_a_model_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "holiday"
    target.mkdir()
    (target / "photo.jpg").write_text("dear")
    with pytest.raises(TargetError, match="holds no saved model"), staged(target, replace=True):
        pytest.fail("nothing may be written")
    assert (target / "photo.jpg").read_text() == "dear"


def test_a_folder_that_holds_more_than_a_model_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "documents"
    target.mkdir()
    (target / "saved_model.pb").write_text("old")
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(TargetError, match="also holds thesis"), staged(target, replace=True):
        pytest.fail("nothing may be written")
    assert (target / "thesis.txt").read_text() == "years of work"


def test_a_failed_save_leaves_the_old_artifact(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write_model(target, "old")

    def fail_half_way() -> None:
        with staged(target, replace=True) as path:
            write_model(path, "half")
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail_half_way()
    assert content_of(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_move_puts_the_old_artifact_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    write_model(target, "old")
    rename = Path.rename

    def refuse(self: Path, to: Path) -> Path:
        if self.parent.name == "new":
            raise OSError("disk gone")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="disk gone"), staged(target, replace=True) as path:
        write_model(path, "new")
    assert content_of(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]


def test_a_call_that_writes_something_else_is_said_so(tmp_path: Path) -> None:
    target = tmp_path / "model.txt"
    with (
        pytest.raises(TargetError, match=r"wrote model\.txt\.index in place of model\.txt"),
        staged(target, replace=False) as path,
    ):
        path.with_name("model.txt.index").write_text("")
    assert list(tmp_path.iterdir()) == []


def test_errors_speak_of_the_path_that_was_given(tmp_path: Path) -> None:
    target = tmp_path / "model.h5"
    with pytest.raises(ValueError, match="bad name") as caught:  # noqa: SIM117
        with staged(target, replace=False) as path:
            raise ValueError(f"bad name: {path}")
    assert str(caught.value) == f"bad name: {target}"


DYING = """
    import os, sys
    from pathlib import Path
    from explorer.lab.placing import staged

    target, moment = Path(sys.argv[1]), sys.argv[2]
    rename = Path.rename
    def die(self, to):
        rename(self, to)
        os._exit(9)
    if moment == "moving":
        Path.rename = die
    with staged(target, replace=True) as path:
        path.mkdir()
        (path / "saved_model.pb").write_text("half")
        if moment == "writing":
            os._exit(9)
"""


@pytest.mark.parametrize("moment", ["writing", "moving"])
def test_a_process_that_dies_loses_nothing_and_the_next_save_tidies_up(
    tmp_path: Path, moment: str
) -> None:
    target, other = tmp_path / "model", tmp_path / "other.h5"
    write_model(target, "old")
    command = [sys.executable, "-c", textwrap.dedent(DYING), str(target), moment]
    assert subprocess.run(command, check=False).returncode == 9
    assert target.exists() == (moment == "writing")
    with staged(other, replace=False) as path:
        path.write_text("other")
    assert sorted(tmp_path.iterdir()) == [target, other]
    assert content_of(target) == {"old"}


def test_a_save_leaves_another_one_that_is_still_running_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with staged(one, replace=False) as slow:
        slow.write_text("1")
        with staged(two, replace=False) as fast:
            fast.write_text("2")
    assert (one.read_text(), two.read_text()) == ("1", "2")
    assert sorted(tmp_path.iterdir()) == [one, two]


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_a_link_that_looks_like_a_leftover_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("1")
    place = tmp_path / "place"
    place.mkdir()
    (place / ".mfx-saving-link").symlink_to(elsewhere)
    with staged(place / "model", replace=False) as path:
        path.write_text("m")
    assert [path.name for path in elsewhere.iterdir()] == ["precious"]
