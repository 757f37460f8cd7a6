"""The buffers of a TensorFlow Lite model: where their bytes are, in the file or in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Pages
from explorer.formats.tflite.flatbuffer import UINT32, UINT64, Budget, Table, Vector
from explorer.formats.tflite.schema import Buffer, ExternalBuffer, ExternalBufferGroup, Model


@dataclass(frozen=True, slots=True)
class External:
    """A buffer that lies in another file, from ``offset``, ``size`` bytes long."""

    number: int
    file: str
    offset: int
    size: int
    packing: str

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return f"{self.file or 'a file without a name'} from byte {self.offset:,}"


class Buffers:
    """The buffers of a model by index; what is in them is read only when asked for."""

    def __init__(self, pages: Pages, model: Table) -> None:
        self._pages = pages
        self._tables = model.tables(Model.BUFFERS)
        self._groups = model.tables(Model.EXTERNAL_BUFFER_GROUPS)
        self._externals = model.tables(Model.EXTERNAL_BUFFERS)
        self.file = pages.name

    def __len__(self) -> int:
        return len(self._tables)

    def span(self, index: int) -> Vector | None:
        """Where a buffer's bytes are, ``None`` where it is empty or not there.

        Those that lie behind the FlatBuffer, since their offsets take more than 32 bits, may end
        after the file: see `problem`. Raises `UnreadableArtifact` where others do.
        """
        if not 0 <= index < len(self._tables):
            return None
        table = self._tables[index]
        start = table.number(Buffer.OFFSET, UINT64)
        if start <= 1:  # the schema's default is 0, the converter writes 1 before it knows better
            vector = table.vector(Buffer.DATA, 1)
            return vector if vector is not None and vector.count else None
        return Vector(start, table.number(Buffer.SIZE, UINT64))

    def problem(self, span: Vector) -> str:
        """Why the bytes of a buffer cannot all be read; empty where they can."""
        end = span.start + span.count
        if end <= self._pages.size:
            return ""
        return (
            f"Its bytes end at byte {end:,} of the file, but there are {self._pages.size:,}. The "
            "file was cut short; copy or download it again."
        )

    def check(self) -> list[int]:
        """Those that end after the file.

        Raises `UnreadableArtifact` where one inside the FlatBuffer does.
        """
        spans = ((index, self.span(index)) for index in range(len(self)))
        return [index for index, span in spans if span is not None and self.problem(span)]

    def load(self, start: int, length: int) -> bytes:
        """Bytes of the file. Raises `UnreadableArtifact` where there are fewer."""
        if start + length > self._pages.size:
            raise UnreadableArtifact(self.problem(Vector(start, length)))
        return self._pages.read(start, length)

    def read(self, index: int, most: int) -> bytes:
        """The first bytes of a buffer, at most so many."""
        span = self.span(index)
        return b"" if span is None else self.load(span.start, min(span.count, most))

    @cached_property
    def externals(self) -> dict[int, External]:
        """Those that lie in other files, which are never followed, by the number they go by.

        Raises `UnreadableArtifact` where the list is longer than the file.
        """
        budget = Budget(self._pages)
        files = [self._text(table, ExternalBufferGroup.NAME, budget) for table in self._groups]
        found = (self._external(table, files, budget) for table in self._externals)
        return {external.number: external for external in found}

    def _external(self, table: Table, files: Sequence[str], budget: Budget) -> External:
        group = table.number(ExternalBuffer.GROUP, UINT32)
        return External(
            table.number(ExternalBuffer.ID, UINT32),
            files[group] if group < len(files) else "",
            table.number(ExternalBuffer.OFFSET, UINT64),
            table.number(ExternalBuffer.LENGTH, UINT64),
            self._text(table, ExternalBuffer.PACKING, budget),
        )

    def _text(self, table: Table, field: int, budget: Budget) -> str:
        text = table.text(field)
        budget.spend(1 + len(text))
        return text
