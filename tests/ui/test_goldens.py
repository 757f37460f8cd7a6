"""The comparison of screenshots sees one pixel, and never passes by accident."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from tests.ui import goldens
from tests.ui.goldens import assert_matches_golden

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goldens, "_FOLDER", tmp_path / "goldens")
    monkeypatch.setattr(goldens, "_OUT", tmp_path / "out")
    monkeypatch.setattr(goldens, "updating", False)


def picture(width: int = 31, height: int = 20) -> QImage:
    image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(QColor("#4256d0"))
    return image


def store(image: QImage, name: str) -> None:
    goldens.updating = True
    assert_matches_golden(image, name)
    goldens.updating = False


def test_the_same_picture_passes() -> None:
    store(picture(), "page")
    assert_matches_golden(picture(), "page")


def test_one_channel_of_one_pixel_by_one_step_fails(tmp_path: Path) -> None:
    store(picture(), "page")
    changed = picture()
    changed.setPixelColor(30, 19, QColor("#4256d1"))
    with pytest.raises(AssertionError, match=r"1 pixels differ by up to 1 of 255.* x 30–30"):
        assert_matches_golden(changed, "page")
    sheet = QImage(str(tmp_path / "out" / "page.png"))
    assert sheet.width() > 3 * 31
    assert sheet.pixelColor(sheet.width() - 1, 19) == QColor("white")


def dotted(count: int, color: str) -> QImage:
    """A page on which the edges of letters are a little different."""
    image = picture(1440, 900)
    for number in range(count):
        image.setPixelColor(number % 1440, 7 + number // 1440, QColor(color))
    return image


def test_letters_that_another_freetype_rounds_differently_pass() -> None:
    store(picture(1440, 900), "page")
    assert_matches_golden(dotted(332, "#4256d5"), "page")


@pytest.mark.parametrize(("count", "color"), [(1, "#4256da"), (1297, "#4256d1")])
def test_one_stronger_pixel_or_a_faint_area_fails(count: int, color: str) -> None:
    store(picture(1440, 900), "page")
    with pytest.raises(AssertionError, match="differ by up to"):
        assert_matches_golden(dotted(count, color), "page")


def test_another_size_fails() -> None:
    store(picture(), "page")
    with pytest.raises(AssertionError, match="expected 31 × 20 pixels, got 32 × 20"):
        assert_matches_golden(picture(32), "page")


def test_a_picture_that_was_never_stored_fails() -> None:
    with pytest.raises(AssertionError, match="--update-goldens"):
        assert_matches_golden(picture(), "unknown")


def test_no_fonts_of_the_machine_are_used(qapp: QApplication) -> None:
    from PySide6.QtGui import QFontDatabase

    from explorer.ui.theme import Theme, apply_theme

    apply_theme(qapp, Theme.LIGHT)
    aliases = {"Monospace", "Sans Serif", "Serif"}  # Qt lists them whatever there is
    assert set(QFontDatabase.families()) - aliases == {"Inter", "JetBrains Mono"}
