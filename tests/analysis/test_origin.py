"""The fingerprint of an artifact and the record of those written here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from explorer.analysis.origin import Ledger, digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "variables").mkdir(parents=True)
    (root / "saved_model.pb").write_bytes(b"graph")
    (root / "variables" / "variables.index").write_bytes(b"index")
    return root


def test_moving_an_artifact_keeps_its_digest(folder: Path, tmp_path: Path) -> None:
    before = digest(folder)
    assert digest(folder.rename(tmp_path / "elsewhere")) == before


def test_every_change_changes_the_digest(folder: Path) -> None:
    seen = {digest(folder)}
    (folder / "saved_model.pb").write_bytes(b"grapH")
    seen.add(digest(folder))
    (folder / "saved_model.pb").rename(folder / "saved_model.pbtxt")
    seen.add(digest(folder))
    (folder / "assets").mkdir()
    seen.add(digest(folder))
    (folder / "assets" / "saved_model.pbtxt").write_bytes(b"")
    seen.add(digest(folder))
    assert len(seen) == 5


def test_bytes_cannot_move_between_name_and_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    (one / "ab").write_bytes(b"c")
    (two / "a").write_bytes(b"bc")
    assert digest(one) != digest(two)


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_links_inside_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"1")
    (folder / "link").symlink_to(outside)
    before = digest(folder)
    outside.write_bytes(b"2")
    assert digest(folder) == before
    (folder / "link").unlink()
    (folder / "link").write_bytes(b"1")
    assert digest(folder) != before
    (folder / "loop").symlink_to(folder)
    digest(folder)


def test_a_vanished_path_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        digest(tmp_path / "gone")


def test_notes_are_kept_and_found(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "data" / "written.json"
    Ledger(path).record(digest(folder), {"method": "export"})
    assert Ledger(path).find(digest(folder)) == {"method": "export"}
    assert Ledger(path).recognise(folder) == {"method": "export"}
    assert Ledger(path).find("other") is None
    (folder / "saved_model.pb").write_bytes(b"GRAPH")
    assert Ledger(path).recognise(folder) is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b'{"a": 1}', b"[" * 100_000]
)
def test_a_damaged_record_counts_as_empty(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "written.json"
    path.write_bytes(damage)
    ledger = Ledger(path)
    assert ledger.find("a") is None
    ledger.record("a", {"method": "export"})
    assert ledger.find("a") == {"method": "export"}


def test_the_record_is_bounded_and_drops_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "written.json"
    path.write_text(json.dumps({str(n): {} for n in range(5000)}))
    ledger = Ledger(path)
    ledger.record("new", {})
    assert ledger.find("new") == {}
    assert ledger.find("4999") == {}
    assert ledger.find("0") is None


def test_a_failed_write_leaves_the_record_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "written.json"
    ledger = Ledger(path)
    ledger.record("a", {})

    def refuse(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(json, "dump", refuse)
    with pytest.raises(OSError, match="disk full"):
        ledger.record("b", {})
    assert list(tmp_path.iterdir()) == [path]
    assert ledger.find("a") == {}
