"""What a file may write into a terminal or a label, against Unicode's own categories."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from explorer.formats.text import shape_text, tuple_text, visible

_SHAPELESS = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_BLANK = re.compile("(HALFWIDTH )?HANGUL .*FILLER|COMBINING GRAPHEME JOINER")


def test_every_character_without_a_shape_is_written_as_its_escape() -> None:
    kept = {"\u200c", "\u200d"}
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        shown = visible(character)
        is_blank = _BLANK.fullmatch(unicodedata.name(character, ""))
        is_shapeless = is_blank or unicodedata.category(character) in _SHAPELESS
        if is_shapeless and character not in kept:
            assert (shown[0], shown.isascii(), shown.isprintable()) == ("\\", True, True), hex(code)
            assert shown.encode().decode("unicode_escape") == character
        else:
            assert shown == character


@pytest.mark.parametrize(
    "text",
    [
        "dense_1/kernel:0",
        "слой 1",
        "層\u3000一",
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d💻️",
        "a\xa0b",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_what_hides_or_turns_text_is_seen() -> None:
    hidden = "a\u200bb\u200fc\u061cd\ufeffe\U000e0041f\u202eg\x1b[31m\n"
    expected = r"a\u200bb\u200fc\u061cd\ufeffe\U000e0041f\u202eg\x1b[31m\x0a"
    assert visible(hidden) == expected


def test_a_shape_of_very_many_dimensions_is_shortened() -> None:
    assert tuple_text((1,) * 32) == str((1,) * 32)
    assert tuple_text((None,) * 254) == f"({'?, ' * 32}… 222 more)"
    assert shape_text((2,) * 33) == "2 × " * 32 + "… 1 more"
