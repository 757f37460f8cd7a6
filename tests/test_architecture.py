"""What the layout of the program promises, seen from outside."""

from __future__ import annotations

import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import explorer
import explorer.ui

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {"explorer", "resources", "tests", "pyproject.toml", "README.md", "build.spec"}


def _modules_after(import_line: str) -> set[str]:
    """The top-level packages that a new Python holds after ``import_line``."""
    script = f"{import_line}; import sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_window_and_the_client_import_no_tensorflow() -> None:
    names = [module.name for module in pkgutil.walk_packages(explorer.ui.__path__, "explorer.ui.")]
    modules = _modules_after(f"import {', '.join(names)}, explorer.engine.client")
    assert "PySide6" in modules
    assert not modules & {"tensorflow", "keras", "tf_keras"}


def test_the_command_line_imports_no_qt() -> None:
    assert not _modules_after("import explorer.cli, explorer.__main__") & {"PySide6", "numpy"}


@pytest.mark.parametrize("package", ["formats", "analysis"])
def test_reading_imports_neither_qt_nor_tensorflow(package: str) -> None:
    folder = Path(explorer.__file__).parent / package
    names = [m.name for m in pkgutil.walk_packages([str(folder)], f"explorer.{package}.")]
    modules = _modules_after(f"import {', '.join(names)}")
    assert not modules & {"PySide6", "tensorflow", "keras", "tf_keras"}


def test_the_worker_imports_no_qt() -> None:
    modules = _modules_after("import explorer.engine.worker")
    assert "PySide6" not in modules


def test_every_package_is_installed() -> None:
    """What is not listed would be missing from an installation, not from a checkout."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.findall(r'^    "(explorer[.\w]*)",$', text, re.MULTILINE)
    present = {"explorer"} | {
        module.name
        for module in pkgutil.walk_packages(explorer.__path__, "explorer.")
        if module.ispkg
    }
    assert set(listed) == present | {"explorer._bundled"}


def test_the_top_level_holds_only_what_is_allowed() -> None:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout, or no git here: what belongs to it cannot be told")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    top = {Path(name).parts[0] for name in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= ALLOWED
