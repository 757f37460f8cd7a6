"""What the commands print: tables for people in a terminal, plain lines for other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, TextIO

from explorer.cli.columns import broken, column_widths, longest_piece
from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.registry import FORMATS
from explorer.formats.text import visible

if TYPE_CHECKING:
    from rich.console import Console

_STATUS_OF_SIGPIPE = 141
"""As a shell tells it of a command whose reader, such as ``head``, has seen enough."""

_STYLES = {"danger": "bold red", "warning": "yellow", "note": "dim"}


class Output:
    """Prints to ``stream``: tables with headings in a terminal, else cells with tabs between."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.is_terminal = self._stream.isatty()

    def line(self, text: str = "") -> None:
        """One line of the program's own words, control characters of files taken out."""
        print(self._carried(text), file=self._stream)

    def block(self, text: str) -> None:
        """Several lines that are the program's own from beginning to end."""
        print(self._encoded(text), file=self._stream)

    def heading(self, text: str) -> None:
        """The title of a section, with an empty line before it."""
        if self.is_terminal:
            self._console().print(f"\n{self._carried(text)}", style="bold")
        else:
            self.block(f"\n{visible(text)}")

    def table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, graded: bool = False
    ) -> None:
        """Rows of cells; a column whose title begins with ``>`` holds numbers.

        A terminal gets no column that is empty but for its title.
        The first cell of ``graded`` rows says how bad or how weighty it is, by its colour too.
        """
        cells = [[self._carried(cell) for cell in row] for row in rows]
        if self.is_terminal and any(map(any, cells)):
            self._rich_table(columns, cells, _STYLES if graded else {})
        else:
            for row in cells:
                print("\t".join(row), file=self._stream)

    def _rich_table(
        self, columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Mapping[str, str]
    ) -> None:
        from rich.table import Table
        from rich.text import Text

        filled = [cells for cells in zip(columns, *rows, strict=True) if any(cells[1:])]
        titles, *lines = zip(*filled, strict=True)
        widths = _widths(filled, self._console().width)
        headed = any(title.strip(">") for title in titles)
        table = Table(box=None, pad_edge=False, header_style="dim", show_header=headed)
        for title, width in zip(titles, widths, strict=True):
            justify: Literal["left", "right"] = "right" if title.startswith(">") else "left"
            table.add_column(title.removeprefix(">"), justify=justify, overflow="fold", width=width)
        for line in lines:
            first, *others = map(broken, line, widths)
            table.add_row(Text(first, style=styles.get(first, "")), *map(Text, others))
        self._console().print(table)

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Shows ``what`` in a terminal as long as it lasts."""
        from rich.text import Text

        return self._console().status(Text(self._carried(what)))

    def _console(self) -> Console:
        from rich.console import Console

        return Console(file=self._stream, highlight=False, markup=False)

    def _carried(self, text: str) -> str:
        return self._encoded(visible(text))

    def _encoded(self, text: str) -> str:
        """The text in characters that the stream can carry."""
        encoding = self._stream.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)


def _widths(columns: Sequence[Sequence[str]], total: int) -> list[int]:
    """Of columns with their titles; numbers are not parted."""
    natural, least = [], []
    for title, *cells in columns:
        lines = [title.removeprefix(">"), *cells]
        natural.append(max(map(len, lines)))
        is_number = title.startswith(">")
        least.append(natural[-1] if is_number else max(map(longest_piece, lines)))
    return column_widths(natural, least, total)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Say on stderr, where that is a terminal, that something takes its time."""
    output = Output(sys.stderr)
    if not output.is_terminal:
        yield
        return
    with output.waiting(what):
        yield


def aside(text: str) -> None:
    """A word to the person on stderr, where it is in no program's way."""
    Output(sys.stderr).line(f"mfx: {text}")


def report_unreadable(error: UnreadableArtifact) -> None:
    """Say on stderr why a path was not opened: the cause, what was found, reasons of readers.

    What one reader knows and finds damaged, the others have nothing to say of; nor has one that
    found nothing of its own.
    """
    output = Output(sys.stderr)
    output.line(f"mfx: {error}")
    if error.damaged:
        return
    if error.found:
        output.line(f"found: {error.found}")
    told = {str(error), *(row.absence for row in FORMATS)}
    for reader, reason in error.reasons.items():
        if reason not in told:
            output.line(f"{reader}: {reason}")


def printed(work: Callable[[], int]) -> int:
    """The exit status of ``work``, or what a shell expects where its output cannot be written."""
    try:
        status = work()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        _silence_output()
        return _STATUS_OF_SIGPIPE
    except OSError as error:  # the readers turn theirs into the above
        aside(f"the output cannot be written: {error.strerror or error}.")
        _silence_output()
        return 2


def _silence_output() -> None:
    """Let the interpreter end without a word where its output goes nowhere any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
