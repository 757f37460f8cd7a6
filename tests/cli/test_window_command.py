"""The command line, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import explorer

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="about Linux's libraries and displays")
NO_DISPLAY = {"QT_QPA_PLATFORM": None, "DISPLAY": None, "WAYLAND_DISPLAY": None}


def run(
    *arguments: str, changes: Mapping[str, str | None] | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -m explorer …`` with the environment changed; `None` removes a variable."""
    environment = dict(os.environ)
    for name, value in (changes or {}).items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    return subprocess.run(
        [sys.executable, "-m", "explorer", *arguments],
        env=environment,
        cwd=Path(explorer.__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def stand_in_for_qt(folder: Path, widgets: str) -> Mapping[str, str | None]:
    """An environment in which PySide6 is a package whose QtWidgets holds ``widgets``."""
    package = folder / "PySide6"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "QtWidgets.py").write_text(widgets)
    return {
        "PYTHONPATH": str(folder),
        "QT_QPA_PLATFORM": None,
        "WAYLAND_DISPLAY": None,
        "DISPLAY": ":0",
    }


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"mfx {explorer.__version__}\n")


def test_help_names_the_commands() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "mfx tour --screenshots DIR" in done.stdout
    assert "--workspace DIR" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--theme", "pink"), "invalid choice: 'pink'"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
        (("tour",), "required: --screenshots"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@LINUX
def test_without_a_display_it_says_so() -> None:
    done = run(changes=NO_DISPLAY)
    assert done.returncode == 2
    assert "there is no display" in done.stderr
    assert "mfx tour --screenshots DIR" in done.stderr


@LINUX
@pytest.mark.parametrize("arguments", [("./tour",), ("--", "tour")])
def test_a_path_named_like_a_command_is_a_path(arguments: tuple[str, ...]) -> None:
    done = run(*arguments, changes=NO_DISPLAY)
    assert "there is no display" in done.stderr


@LINUX
def test_a_missing_library_is_answered_with_the_packages_to_install(tmp_path: Path) -> None:
    # The name is of our making, so that it is missing on every machine that runs this test.
    error = "libEGL-absent.so.1: cannot open shared object file: No such file or directory"
    done = run(changes=stand_in_for_qt(tmp_path, f"raise ImportError({error!r})"))
    assert done.returncode == 2
    assert "libEGL-absent.so.1" in done.stderr
    assert "Traceback" not in done.stderr


@LINUX
def test_a_display_plugin_that_cannot_be_loaded_does_not_abort(tmp_path: Path) -> None:
    environment = stand_in_for_qt(tmp_path, "")
    plugin = tmp_path / "PySide6" / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    plugin.parent.mkdir(parents=True)
    plugin.write_bytes(b"no library")
    done = run(changes=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("mfx: Qt")
    assert "Traceback" not in done.stderr
