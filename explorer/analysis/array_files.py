"""Values that a person gives in a file or as typed text, as arrays."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explorer.formats.text import count_text

_NPY = b"\x93NUMPY"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins an archive without members
_NUMPY_ENDINGS = (".npy", ".npz")
_KINDS = "a .npy, .npz, .csv or .txt file"
_Line = tuple[int, list[str]]


class UnusableInput(Exception):  # noqa: N818 - the name says what the person sees
    """An input that cannot be made or does not fit; says what was expected and what was found."""


def read_array(path: Path, name: str, *, texts: bool = False) -> np.ndarray:
    """The array of a NumPy, CSV or text file, told by its content and only then by its ending.

    Of several in an ``.npz`` the one called ``name`` is taken. With ``texts``, a ``.csv`` or
    ``.tsv`` file holds texts in its cells, any other text file one per line; they are ``object``
    arrays of bytes. Raises `UnusableInput`.
    """
    if not path.name:
        raise UnusableInput(f"{name}: no file is chosen. Choose {_KINDS}.")
    start = _start(path)
    if not start:
        raise UnusableInput(f"{path.name} is empty: it has 0 bytes. Choose {_KINDS} with values.")
    if start.startswith((_NPY, *_ZIP)):
        return _read_numpy(path, name)
    if path.suffix.lower() in _NUMPY_ENDINGS:
        raise UnusableInput(
            f"{path.name} is no NumPy file, whatever its name says: it begins with the bytes "
            f"{start.hex(' ')}. It is damaged or cut short; write it again with numpy.save or "
            "numpy.savez."
        )
    return _read_texts(path) if texts else parse_numbers(_text_of(path), path.name)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(_NPY))
    except OSError as error:
        raise UnusableInput(f"{path.name} cannot be read: {error.strerror}.") from error


# NumPy


def _read_numpy(path: Path, name: str) -> np.ndarray:
    try:
        with path.open("rb") as file:  # NumPy leaves a damaged one open
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            stored: np.ndarray = loaded[named_one(_members(loaded.zip), name, path.name)]
            return stored
    except zipfile.BadZipFile as error:
        raise UnusableInput(
            f"{path.name} begins as an .npz file does, but its end is missing or damaged: "
            f"{error}. Copy it again, or write it again with numpy.savez."
        ) from error
    except (ValueError, OSError, EOFError, MemoryError, zlib.error, SyntaxError) as error:
        raise UnusableInput(
            f"{path.name} is not a complete NumPy file of plain numbers: {error}"
        ) from error


def _members(archive: zipfile.ZipFile) -> list[str]:
    """The arrays of an ``.npz``; a zip archive of another kind may hold anything else."""
    names = (Path(name) for name in archive.namelist())
    return [name.with_suffix("").as_posix() for name in names if name.suffix == ".npy"]


def named_one(names: Sequence[str], wanted: str, where: str) -> str:
    """``wanted`` if it is there, else the only one of ``names``. Raises `UnusableInput`."""
    if wanted in names:
        return wanted
    if len(names) == 1:
        return names[0]
    held = ", ".join(names) or "no array"
    raise UnusableInput(f"Expected an array called {wanted}; {where} holds {held}.")


# Text


def _text_of(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        if b"\0" in data:
            text = f"{path.name} is neither a NumPy file nor text. Choose {_KINDS}."
            raise UnusableInput(text) from error
        line = data.count(b"\n", 0, error.start) + 1
        raise UnusableInput(
            f"{path.name}, line {line}: expected text in UTF-8, found the byte "
            f"0x{data[error.start]:02x}, as in Latin-1 or another old encoding. Save it again as "
            "UTF-8."
        ) from error


def _read_texts(path: Path) -> np.ndarray:
    text = _text_of(path)
    delimiter = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    if delimiter is None:
        return parse_texts(text, path.name)
    lines = _lines(text, delimiter, path.name)
    _check_widths(lines, "text", path.name)
    cells = np.array([cell.encode() for _, row in lines for cell in row], dtype=object)
    return cells.reshape(len(lines), -1) if len(lines[0][1]) > 1 else cells


def parse_texts(text: str, where: str) -> np.ndarray:
    """One text per line, as an ``object`` array of bytes. Raises `UnusableInput`."""
    if not text:
        raise UnusableInput(f"{where} holds no text. Give one text per line.")
    return np.array([line.encode() for line in text.removesuffix("\n").split("\n")], dtype=object)


def parse_numbers(text: str, where: str) -> np.ndarray:
    """One row per line, numbers separated by tabs, semicolons, commas or spaces, as float64.

    A first line of column names is left out. Raises `UnusableInput`.
    """
    delimiter = next((d for d in ("\t", ";", ",") if d in text), " ")
    lines = _lines(text, delimiter, where)
    if len(lines) > 1 and not any(_is_number(cell) for cell in lines[0][1]):
        lines = lines[1:]
    _check_widths(lines, "number", where)
    for line, cells in lines:
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                raise UnusableInput(
                    f"{where}, line {line}, column {column}: expected a number, found “{cell}”."
                )
    return np.array([[float(cell) for cell in cells] for _, cells in lines])


def _lines(text: str, delimiter: str, where: str) -> list[_Line]:
    """Line numbers and cells of the lines that are not blank."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UnusableInput(f"{where}, line {reader.line_num}: {error}.") from error
    return [(line, cells) for line, cells in rows if any(cells)]


def _check_widths(lines: Sequence[_Line], what: str, where: str) -> None:
    if not lines:
        raise UnusableInput(f"{where} holds no {what}s.")
    width = len(lines[0][1])
    for line, cells in lines:
        if len(cells) != width:
            raise UnusableInput(
                f"{where}, line {line}: expected {count_text(width, what)} as in the first line, "
                f"found {len(cells)}."
            )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
