"""What a small window still shows: the names of the tree, the input's name, the selected row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QModelIndex, QSize, Qt
from PySide6.QtWidgets import QTreeView

from explorer.ui.driver import Driver
from explorer.ui.predict.name_box import NameBox
from explorer.ui.theme import color

SIZES = (QSize(960, 620), QSize(1100, 700), QSize(1440, 900))
BESIDE_NAME = 30  # pixels: a row's icon and what is around it


@pytest.fixture(params=SIZES, ids=lambda size: str(size.width()))
def narrow(driver: Driver, request: pytest.FixtureRequest) -> Iterator[Driver]:
    before = driver.window.size()
    driver.window.resize(request.param)
    yield driver
    driver.window.resize(before)


def rows_in_sight(view: QTreeView) -> list[QModelIndex]:
    found, index = [], view.model().index(0, 0)
    while index.isValid() and view.viewport().rect().intersects(view.visualRect(index)):
        found.append(index)
        index = view.indexBelow(index)
    return found


def painted(view: QTreeView, index: QModelIndex) -> str:
    """The name as there is room for it."""
    room = view.visualRect(index).width() - BESIDE_NAME
    return view.fontMetrics().elidedText(index.data(), view.textElideMode(), room)


@pytest.mark.parametrize(
    "path", ["basic_pitch_nmp", "notes_tf20/functional/3_model.h5", "sleep_stages.keras"]
)
def test_names_in_the_tree_can_be_read(narrow: Driver, corpus: Path, path: str) -> None:
    narrow.open(corpus / path)
    view = narrow.find(QTreeView, "browse.tree")
    narrow.until(lambda: len(rows_in_sight(view)) > 10, "the tree")
    narrow.pause(100)
    for index in rows_in_sight(view):
        name, shown = index.data(), painted(view, index)
        assert shown == name or len(shown) >= 20, f"{name} is shown as {shown}"
    hidden = [view.isColumnHidden(column) for column in (1, 2, 4, 3)]
    assert hidden == sorted(hidden, reverse=True)  # the kind gives way first, the shape last
    assert not view.isColumnHidden(3)


def test_the_names_of_inputs_and_outputs_are_whole(narrow: Driver, corpus: Path) -> None:
    narrow.open(corpus / "notes_tf20" / "functional" / "4_model")
    narrow.click("nav.predict")
    assert narrow.run(), narrow.notice()
    for name, text in (("predict.input.shown", "digits"), ("predict.output", "predictions")):
        assert narrow.find(NameBox, name).shown_text() == text


def test_the_selected_row_is_flat_where_the_tree_has_the_keyboard(
    driver: Driver, corpus: Path
) -> None:
    driver.open(corpus / "sleep_stages.keras")
    view = driver.find(QTreeView, "browse.tree")
    driver.window.activateWindow()
    driver.until(driver.window.isActiveWindow, "the keyboard")
    view.setFocus(Qt.FocusReason.TabFocusReason)
    view.setCurrentIndex(view.model().index(0, 0))
    driver.until(view.hasFocus, "the focus")
    row = view.visualRect(view.currentIndex())
    picture = view.viewport().grab(row).toImage()
    beside = picture.width() - 2  # behind the name
    seen = {picture.pixelColor(beside, y).name() for y in range(picture.height())}
    assert seen == {color("accent_soft").name()}
