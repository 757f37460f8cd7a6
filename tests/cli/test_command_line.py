"""What all commands have in common: terminals, closed outputs, interrupts, names and values."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest

from explorer.cli import main
from tests.cli.running import in_terminal, mfx, shown

_NO_TERMINAL = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@_NO_TERMINAL
def test_a_terminal_gets_headings(corpus: Path) -> None:
    status, text = in_terminal("show", corpus / "sleep_stages.keras", "--layers")
    assert status == 0
    assert "Output shape" in text
    assert "\t" not in text


@_NO_TERMINAL
def test_a_terminal_of_plain_letters_gets_them(corpus: Path) -> None:
    plain = {"PYTHONIOENCODING": "ascii"}
    status, text = in_terminal("show", corpus / "half_plus_two_tf1", "--tree", **plain)
    assert status == 0
    assert "1 in \\u2192 1 out" in text


@_NO_TERMINAL
def test_a_name_that_is_no_text_is_shown_in_a_terminal(corpus: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(corpus / "sleep_stages.keras") as source:
        members = {name: source.read(name) for name in source.namelist()}
    members["config.json"] = members["config.json"].replace(b'"masking"', b'"mask\\udc00ing"')
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as target:
        for name, content in members.items():
            target.writestr(name, content)
    status, text = in_terminal("show", tmp_path / "model.keras", "--layers")
    assert status == 0
    assert "mask\\udc00ing" in text


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is a signal on Unix alone")
def test_output_that_nobody_reads_any_more_ends_as_by_its_signal(corpus: Path) -> None:
    command = [sys.executable, "-m", "explorer", "show", str(corpus / "emotion_model.hdf5")]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_a_command_that_is_misspelt_is_told(tmp_path: Path) -> None:
    done = mfx("scna", tmp_path / "x.h5")
    assert (done.returncode, done.stdout) == (2, "")
    assert "scna is no command" in done.stderr
    assert f"Did you mean mfx scan {tmp_path / 'x.h5'}?" in done.stderr


def test_standard_input_is_refused_with_what_to_do() -> None:
    done = mfx("show", "-")
    assert done.returncode == 2
    assert "Write it to a file first" in done.stderr


def test_an_interrupt_ends_as_a_shell_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("explorer.cli.scan.run", interrupted)
    assert main(["scan", "x"]) == 128 + signal.SIGINT


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is a Unix one")
@pytest.mark.parametrize("arguments", ["formats", "show {}", "scan {}", "verify {}"])
@pytest.mark.parametrize(("target", "status"), [("&-", 0), (" /dev/full", 2)])
def test_output_that_goes_nowhere(corpus: Path, arguments: str, target: str, status: int) -> None:
    command = arguments.format(corpus / "emotion_model.hdf5")
    line = f"{sys.executable} -m explorer {command} >{target}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    expected = 0 if command.startswith("scan") else status  # a clean file prints nothing
    assert done.returncode == expected, done.stderr


def test_a_slice_may_begin_with_a_minus(corpus: Path) -> None:
    x = corpus / "notes_tf20" / "x_test.npy"
    done = mfx("tensor", x, "x_test", "--slice", "-1,-1")
    assert done.returncode == 0
    assert float(done.stdout.splitlines()[-1]) == pytest.approx(np.load(x)[-1, -1])


@pytest.mark.parametrize("target", [".", ""])
def test_a_folder_to_write_to_is_refused(corpus: Path, target: str) -> None:
    done = mfx("tensor", corpus / "notes_tf20" / "x_test.npy", "x_test", "--out", target)
    assert done.returncode == 2
    assert "is a folder. Name a file in it" in done.stderr


def test_statistics_and_a_file_may_be_asked_for_together(corpus: Path, tmp_path: Path) -> None:
    x = corpus / "notes_tf20" / "x_test.npy"
    done = mfx("tensor", x, "x_test", "--out", tmp_path / "x.npy", "--stats")
    assert done.returncode == 0
    assert "maximum" in done.stdout
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.load(x))


def test_a_name_in_the_tree_with_slashes_leads_to_its_tensor(corpus: Path) -> None:
    path = "saved_model.pb/MetaGraph [serve]/functions/__inference__traced_restore_1852/RestoreV2"
    done = mfx("tensor", corpus / "notes_tf20/functional/2_model", f"{path}/shape_and_slices")
    assert done.returncode == 0
    assert "string (19,)" in done.stdout


@_NO_TERMINAL
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_table_fits_the_terminal_and_loses_nothing(corpus: Path, width: int) -> None:
    path = corpus / "sleep_stages.keras"
    _, text = in_terminal("show", path, "--layers", COLUMNS=str(width), NO_COLOR="1")
    plain = re.sub("\x1b\\[\\d*m", "", text)
    assert max(map(len, plain.splitlines())) <= width
    cells = [cell for row in shown(path, "--layers") for cell in row]
    head = "Layer Class Output shape Parameters Inbound"
    assert Counter("".join(plain.split())) == Counter("".join([head, *cells]).replace(" ", ""))


@_NO_TERMINAL
def test_short_cells_stay_whole_and_names_part_where_they_are_put_together(corpus: Path) -> None:
    path = corpus / "sleep_stages.keras"
    _, text = in_terminal("show", path, "--layers", COLUMNS="80", NO_COLOR="1")
    assert "BatchNormalization" in text
    assert any(line.rstrip().endswith("  batch_") for line in text.splitlines())


@_NO_TERMINAL
def test_names_of_a_signature_part_at_their_marks_and_empty_columns_are_left_out(
    corpus: Path,
) -> None:
    path = corpus / "notes_tf20/functional/2_model"
    _, text = in_terminal("show", path, "--signatures", COLUMNS="80", NO_COLOR="1")
    pieces = {"serving_", "default", "__saved_", "init_op", "StatefulPartitionedCall:0"}
    assert pieces <= set(text.split())
    assert "Default" not in text


@_NO_TERMINAL
def test_numbers_are_never_parted(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "long.h5", "w") as file:
        for number in range(1, 4):
            file["/".join([f"a_long_name_{number}"] * 5)] = np.zeros(10**number)
    path = tmp_path / "long.h5"
    _, text = in_terminal("show", path, "--tensors", COLUMNS="40", NO_COLOR="1")
    sizes = [row[3] for row in shown(path, "--tensors")]
    assert [word for word in text.split() if word in sizes] == sizes


@_NO_TERMINAL
def test_a_name_is_no_markup_and_no_command_to_the_terminal(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.zeros(2))
    path = tmp_path / "a\x1b]0;title\x07.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w[/b]\x1b[2J.npy", array.getvalue())
    for command in (["scan", path], ["verify", path], ["tensor", path, "w[/b]\x1b[2J", "--stats"]):
        status, text = in_terminal(*command)
        assert status == 0, text
        assert "\x1b]0;" not in text
        assert "\x1b[2J" not in text
