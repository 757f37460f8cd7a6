"""Arguments that nobody means, interrupts at any time, and trees without end."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from explorer.cli import main
from tests.cli.running import in_terminal, mfx, shown


def test_an_interrupt_while_a_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", interrupted)
    assert main(["scan", "x"]) == 128 + signal.SIGINT


@pytest.mark.parametrize("text", ["--", ""])
def test_a_slice_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", values=np.arange(3))
    done = mfx("tensor", tmp_path / "a.npz", "values", f"--slice={text}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no index and no slice" in done.stderr


def test_the_rows_of_a_tree_are_bounded(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("group").attrs["lists"] = json.dumps([[0] * 29] * 900)
    rows = shown(tmp_path / "a.h5", "--tree")
    assert len(rows) == 20_002
    assert rows[-1][0] == "… and more: --depth N shows fewer levels, the window all of it"
    rows = shown(tmp_path / "a.h5", "--tree", "--depth", "3")
    assert len(rows) == 1 + 2 + 900
    assert rows[-1][0].strip() == "[899]"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_the_rows_in_a_terminal_are_bounded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **{f"array_{number}": 1 for number in range(3005)})
    status, text = in_terminal("show", tmp_path / "a.npz", "--tensors")
    assert (status, text.count("array_")) == (0, 3000)
    assert "… and 5 more, which a pipe or a file gets: | less" in text
    assert len(shown(tmp_path / "a.npz", "--tensors")) == 3005
