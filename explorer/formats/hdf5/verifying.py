"""A source that compares the checksums of the metadata it reads."""

from __future__ import annotations

from explorer.formats.hdf5.lookup3 import lookup3
from explorer.formats.hdf5.source import Source
from explorer.formats.text import bytes_text

CHECKSUM = 4

_MOST_VERIFIED = 32 << 20


class VerifyingSource(Source):
    """Notes each checksum that does not hold in ``problems``, once for each block.

    At most 32 MB are verified, since this takes a second for 8 MB; ``skipped`` counts the bytes
    beyond that.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(*source.arguments)
        self.problems: list[str] = []
        self.skipped = 0
        self._unverified = _MOST_VERIFIED
        self._seen: set[int] = set()

    def verify(self, address: int, length: int, at: int | None = None) -> None:
        """Compare a block's checksum with its bytes, those of the checksum itself left out."""
        if address in self._seen:
            return
        self._seen.add(address)
        self._unverified -= length
        if self._unverified < 0:
            self.skipped += length
            return
        block = self.data(address, length)
        begin = length - CHECKSUM if at is None else at
        stored = int.from_bytes(block[begin : begin + CHECKSUM], "little")
        covered = block[:begin] if at is None else block[:at] + bytes(CHECKSUM) + block[at + 4 :]
        found = lookup3(covered)
        if found != stored:
            self.problems.append(
                f"The checksum of {bytes_text(length)} at byte {self.base + address:,} is "
                f"{stored:08x}, but the bytes there give {found:08x}."
            )

    def verify_free_space(self, address: int) -> None:
        """Compare the checksums of a free-space manager and of its list of sections (III.H)."""
        count, length = len(self.problems), 14 + 7 * self.length_size + self.offset_size
        self.verify(address, length + CHECKSUM)
        if len(self.problems) > count:
            return
        fields = self.parse(self.data(address, length))
        fields.expect(b"FSHD", 0)
        fields.skip(9 + 5 * self.length_size)
        sections, used = fields.address(), fields.length()
        if sections != self.undefined:
            self.verify(sections, used)

    def taken(self) -> list[str]:
        """The problems noted since this was last asked."""
        found, self.problems = self.problems, []
        return found
