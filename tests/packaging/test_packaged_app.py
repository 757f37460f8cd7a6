"""The packaged app: built as a release is, then run where it can see nothing but itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from shutil import rmtree

import pytest

import explorer
from tests.packaging import confine

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The executable of a fresh build, which is removed afterwards: it is large."""
    folder = tmp_path_factory.mktemp("packaged")
    start = time.perf_counter()
    build(folder)
    seconds = time.perf_counter() - start
    size = sum(file.lstat().st_size for file in (folder / "dist").rglob("*") if file.is_file())
    print(f"\nbuilt in {seconds:.0f} s, {size / 1e9:.2f} GB", file=sys.__stderr__)
    yield folder / "dist" / "mfx" / ("mfx.exe" if sys.platform == "win32" else "mfx")
    rmtree(folder)


def build(folder: Path) -> None:
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "WARN", "build.spec"]
    places = ["--distpath", folder / "dist", "--workpath", folder / "work"]
    environment = os.environ | {"PYINSTALLER_CONFIG_DIR": str(folder / "cache")}
    done = subprocess.run(
        [*command, *places], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-5000:]


def bare_environment(folder: Path) -> Mapping[str, str]:
    """A home and a temporary folder, and on Windows what no program starts without."""
    (folder / "home").mkdir()
    (folder / "tmp").mkdir()
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "PATHEXT") if name in os.environ}
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder / "tmp"))
    return kept | temporary | {"HOME": str(folder / "home"), "USERPROFILE": str(folder / "home")}


def confined(*folders: Path) -> list[str]:
    """What to put before a command so that it reads ``folders`` and the system's alone."""
    return [sys.executable, confine.__file__, *map(str, folders), "--"]


@cache
def can_confine() -> bool:
    return sys.platform == "linux" and not subprocess.call([*confined(Path("/")), "/bin/true"])


def run(program: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in ``folder``, without any variable or file of the machine's Python."""
    confinement = confined(program.parent, folder) if can_confine() else []
    return subprocess.run(
        [*confinement, str(program), *arguments],
        cwd=folder,
        env=bare_environment(folder),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_it_starts(program: Path, tmp_path: Path) -> None:
    done = run(program, tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"mfx {explorer.__version__}\n"), done.stderr


def test_the_tour_works_with_its_own_files_alone(program: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    done = run(program, tmp_path, "tour", "--screenshots", str(pictures))
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    assert "AutoGraph could not transform" not in done.stderr
    taken = list(pictures.glob("*.png"))
    assert taken
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in taken)


def test_the_confinement_would_show_a_file_that_is_missing(program: Path, tmp_path: Path) -> None:
    if not can_confine():
        pytest.skip("this system has no Landlock: no proof that the app needs no other file")
    command = [*confined(tmp_path), str(program), "--version"]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
