"""The Browse page, used as a person uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QSpinBox,
    QTabBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from explorer.formats.artifact import Artifact, Node, NodeList, NodeType
from explorer.formats.registry import open_artifact
from explorer.ui.browse.page import BrowsePage
from explorer.ui.browse.tree_model import KIND, SHAPE
from explorer.ui.browse.tree_view import TreeView
from explorer.ui.notices import Notice
from explorer.ui.session import Session
from explorer.ui.theme import Theme, apply_theme, color, dress
from explorer.ui.widgets import ElidedLabel
from tests.ui.trees import KERNEL, entry_of, sample_artifact, session_in


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path) -> Session:
    return session_in(tmp_path)


@pytest.fixture
def page(qtbot: QtBot, qapp: QApplication, session: Session) -> Iterator[BrowsePage]:
    apply_theme(qapp, Theme.LIGHT)
    page = BrowsePage(session)
    dress(page)
    qtbot.addWidget(page)
    page.resize(1128, 812)
    with qtbot.waitExposed(page):
        page.show()
    yield page
    apply_theme(qapp, Theme.LIGHT)


def named(page: QWidget, kind: type[QWidget], name: str) -> QWidget:
    found = page.findChild(kind, name)
    assert found is not None, f"there is no {name}"
    return found


def shown_rows(view: TreeView, parent: QModelIndex = QModelIndex()) -> list[str]:  # noqa: B008
    """The names of the rows that are expanded into sight."""
    names = []
    for row in range(view.tree.rowCount(parent)):
        index = view.tree.index(row, 0, parent)
        names.append(index.data())
        if view.isExpanded(index):
            names += shown_rows(view, index)
    return names


def open_sample(qtbot: QtBot, page: BrowsePage) -> Artifact:
    artifact = sample_artifact()
    page.show_entry(entry_of(artifact))
    qtbot.waitUntil(lambda: "words" in shown_rows(page.tree.view))
    return artifact


def select(qtbot: QtBot, page: BrowsePage, path: str) -> None:
    page.reveal(path)
    title = named(page, QLabel, "inspector.title")
    assert isinstance(title, ElidedLabel)
    qtbot.waitUntil(lambda: title.full_text() == path)


def press(qtbot: QtBot, page: BrowsePage, name: str) -> None:
    qtbot.mouseClick(named(page, QAbstractButton, name), Qt.MouseButton.LeftButton)


def texts(widget: QWidget) -> list[str]:
    """Everything that labels in sight say."""
    labels = widget.findChildren(QLabel)
    return [
        text.full_text() if isinstance(text, ElidedLabel) else text.text()
        for text in labels
        if text.isVisible()
    ]


# The page


def test_without_an_artifact_it_says_what_to_do(qtbot: QtBot, page: BrowsePage) -> None:
    assert any(text.startswith("Drop a saved model") for text in texts(page))
    with qtbot.waitSignal(page.open_asked):
        press(qtbot, page, "browse.open")


def test_the_header_says_what_it_is(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    said = texts(page.header)
    for text in ("sample", "SavedModel", "TensorFlow 2.4.1", "Keras 2.4.0", "from elsewhere"):
        assert text in said
    assert "5 variables" in said
    assert "1.3 MB on disk" in said
    assert "variables.data-00001-of-00002 is missing: 3 tensors have no values." in said


def test_the_tree_is_open_as_far_as_it_fits(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    assert shown_rows(page.tree.view)[:4] == [
        "sample",
        "saved_model.pb",
        "serving_default",
        "object graph",
    ]
    assert page.tree.view.currentIndex().data() == "sample"


def test_a_deep_file_is_opened_to_a_few_levels(
    qtbot: QtBot, page: BrowsePage, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "deep.h5", "w") as file:
        file["/".join(str(depth) for depth in range(60))] = 1
    artifact = open_artifact(str(tmp_path / "deep.h5"))
    page.show_entry(entry_of(artifact))
    view = page.tree.view
    qtbot.waitUntil(lambda: shown_rows(view) == ["deep.h5", *"012345"])
    deepest = view.tree.index(0, 0)
    while view.isExpanded(deepest):
        deepest = view.tree.index(0, 0, deepest)
    assert view.tree.canFetchMore(deepest)
    assert not view.isColumnHidden(SHAPE)
    artifact.close()


def test_control_characters_of_a_file_are_shown_as_such(qtbot: QtBot, page: BrowsePage) -> None:
    name = "red\x1b[31m\u202egnp\n"
    shown = "red\\x1b[31m\\u202egnp\\x0a"
    inside = Node(name, NodeType.GROUP, f"kind {name}", summary=name)
    root = Node(name, NodeType.FILE, source=NodeList([inside]))
    artifact = Artifact("/file", name, "hdf5", "HDF5", 10, root, notes=(name, name))
    page.show_entry(entry_of(artifact))
    qtbot.waitUntil(lambda: shown_rows(page.tree.view) == [shown, shown])
    row = page.tree.view.tree.index(0, 0, page.tree.view.tree.index(0, 0))
    assert [row.siblingAtColumn(c).data() for c in (KIND, SHAPE)] == [f"kind {shown}", shown]
    assert {shown, f"{shown}\n{shown}"} <= set(texts(page))
    assert not any("\x1b" in text for text in texts(page))


def test_the_first_row_sums_the_artifact_up(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    qtbot.waitUntil(lambda: "What it holds" in texts(page.inspector))
    assert "/models/sample" in texts(page.inspector)


def test_load_and_predict_asks_with_the_entry(qtbot: QtBot, page: BrowsePage) -> None:
    artifact = open_sample(qtbot, page)
    with qtbot.waitSignal(page.predict_asked) as asked:
        press(qtbot, page, "browse.predict")
    assert asked.args[0].artifact is artifact
    assert asked.args[1] == ""


def test_every_control_can_be_named(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    for key in ("values", "image", "attributes"):
        press(qtbot, page, f"inspector.tabs.{key}")
    for control in page.findChildren(QWidget):
        if isinstance(control, (QAbstractButton, QLineEdit, QSpinBox, QComboBox)) and (
            control.isVisible() and not control.objectName().startswith("qt_")
        ):
            if isinstance(control.parent(), (QSpinBox, QLineEdit, TreeView)):
                continue  # Qt's own inner parts
            assert control.objectName(), control
            assert control.accessibleName(), control.objectName()
            assert control.toolTip(), control.objectName()


# The inspector


def test_the_summary_of_a_tensor(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    qtbot.waitUntil(lambda: "mean" in texts(page.inspector))
    said = texts(page.inspector)
    assert "variable · float32 · 3 × 39 × 8 × 8 · 7,488 values" in said
    assert said[said.index("mean") + 1] == f"{KERNEL.mean(dtype=float):.4g}"
    assert said[said.index("std") + 1] == f"{KERNEL.std(dtype=float):.4g}"
    assert said[said.index("NaN / Inf") + 1] == "0 / 0"
    assert said[said.index("offset") + 1] == "0x1A2F0 · 29,952 bytes"
    assert said[said.index("crc32c") + 1] == "3f9b1c02"
    assert "[0, :, 0, :]" in said


def test_a_scalar_is_shown_as_its_value(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "step")
    qtbot.waitUntil(lambda: "Value" in texts(page.inspector))
    assert "7" in texts(page.inspector)


def test_damage_is_said_where_the_values_would_be(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "damaged")
    reason = "The block at byte 99 is damaged. Save the model again."
    for key in ("summary", "values", "image"):
        press(qtbot, page, f"inspector.tabs.{key}")
        qtbot.waitUntil(lambda: reason in texts(page.inspector))


def test_values_of_another_slice(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    press(qtbot, page, "inspector.tabs.values")
    table = page.inspector.values.table
    index = named(page, QSpinBox, "inspector.values.slice.axis1")
    assert isinstance(index, QSpinBox)
    index.setValue(38)
    model = page.inspector.values.model
    qtbot.waitUntil(lambda: model.index(4, 5).data() != "…")
    assert float(model.index(4, 5).data()) == pytest.approx(float(KERNEL[0, 38, 4, 5]), rel=1e-5)
    assert table.isVisible()


def test_axes_of_the_picture_can_be_chosen(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    press(qtbot, page, "inspector.tabs.image")
    about = named(page, QLabel, "inspector.image.about")
    assert isinstance(about, QLabel)
    qtbot.waitUntil(lambda: about.text().startswith("[0, :, 0, :] · 39 × 8 · "))
    rows = named(page, QComboBox, "inspector.image.slice.rows")
    assert isinstance(rows, QComboBox)
    rows.activated.emit(3)
    qtbot.waitUntil(lambda: about.text().startswith("[0, :, 0, :] · 8 × 39 · "))


def test_text_has_no_picture(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "words")
    assert not named(page, QAbstractButton, "inspector.tabs.image").isVisible()
    qtbot.waitUntil(lambda: any("no statistics" in text for text in texts(page.inspector)))


def test_a_long_attribute_is_readable_and_can_be_copied(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    press(qtbot, page, "inspector.tabs.attributes")
    panel = page.inspector.attributes
    qtbot.waitUntil(lambda: panel.model.rowCount() == 1)
    qtbot.waitUntil(lambda: '"filters": 8' in panel.text.toPlainText())
    press(qtbot, page, "inspector.attributes.copy")
    copied = QGuiApplication.clipboard().text()
    assert copied.startswith('{"class_name": "Conv2D"')


def test_a_signature_shows_its_tensors(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    view = page.tree.view
    view.setCurrentIndex(view.tree.index(0, 0, view.tree.index(0, 0, view.tree.index(0, 0))))
    qtbot.waitUntil(lambda: "digits" in texts(page.inspector))
    assert "float32 (?, 10)" in texts(page.inspector)
    assert "float32 unknown" in texts(page.inspector)


# Searching


def test_the_filter_finds_by_name_and_shape(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    qtbot.keyClicks(named(page, QLineEdit, "browse.filter"), "float32 [*,39,...]")
    qtbot.waitUntil(page.tree.is_searching)
    assert shown_rows(page.tree.results) == ["conv/kernel"]
    said = "1 match. A part was left out. a length of 4,000,000,000 at byte 12"
    assert said in texts(page.tree)


def test_enter_goes_to_the_results_and_to_the_row_in_the_tree(
    qtbot: QtBot, page: BrowsePage
) -> None:
    open_sample(qtbot, page)
    field = named(page, QLineEdit, "browse.filter")
    qtbot.keyClicks(field, "bias")
    qtbot.waitUntil(page.tree.is_searching)
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert page.tree.results.currentIndex().data() == "dense/bias"
    qtbot.keyClick(page.tree.results, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not page.tree.is_searching())
    assert page.tree.view.currentIndex().data() == "dense/bias"


def test_escape_shows_everything_again(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    field = named(page, QLineEdit, "browse.filter")
    field.setFocus()
    qtbot.keyClicks(field, "nothing like it")
    qtbot.waitUntil(page.tree.is_searching)
    assert any(text.startswith("Nothing that can be read here") for text in texts(page.tree))
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not page.tree.is_searching())
    assert "words" in shown_rows(page.tree.view)


def test_kinds_show_tensors_or_files(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    press(qtbot, page, "browse.kinds.tensors")
    qtbot.waitUntil(lambda: len(shown_rows(page.tree.results)) == 5)
    press(qtbot, page, "browse.kinds.files")
    qtbot.waitUntil(lambda: shown_rows(page.tree.results) == ["saved_model.pb", "variables"])
    press(qtbot, page, "browse.kinds.all")
    qtbot.waitUntil(lambda: not page.tree.is_searching())


# Rows


def test_the_menu_of_a_tensor_copies(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    node = page.tree.view.tree.node(page.tree.view.currentIndex())
    assert node is not None
    menu = page.tree.menu_for(node)
    actions = {action.text(): action for action in menu.actions()}
    for title, copied in (("Copy shape", "(3, 39, 8, 8)"), ("Copy path", "conv/kernel")):
        actions[title].trigger()
        assert QGuiApplication.clipboard().text() == copied
    assert "Export as .npy…" in actions


def test_a_tensor_is_exported(
    qtbot: QtBot, page: BrowsePage, session: Session, tmp_path: Path
) -> None:
    artifact = open_sample(qtbot, page)
    with qtbot.waitSignal(session.notice) as told:
        page.tree.export_to(artifact.tensors()[0], tmp_path / "kernel.npy")
    assert told.args[0] == Notice("info", "Exported to kernel.npy", str(tmp_path / "kernel.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "kernel.npy"), KERNEL)


def test_an_export_that_fails_says_why(
    qtbot: QtBot, page: BrowsePage, session: Session, tmp_path: Path
) -> None:
    artifact = open_sample(qtbot, page)
    with qtbot.waitSignal(session.notice) as told:
        page.tree.export_to(artifact.tensors()[0], tmp_path / "missing" / "kernel.npy")
    assert told.args[0].level == "error"
    assert told.args[0].title == "conv/kernel was not exported"
    assert "missing" in told.args[0].text


# Signatures


def test_the_signatures_tab(qtbot: QtBot, page: BrowsePage) -> None:
    open_sample(qtbot, page)
    named(page, QTabBar, "browse.tabs").setCurrentIndex(1)  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: page.signatures.functions.isVisible())
    qtbot.waitUntil(lambda: "serving_default" in texts(page.signatures))
    assert "tensorflow/serving/predict" in texts(page.signatures)
    outputs = page.findChild(QWidget, "signatures.serving_default.outputs")
    assert outputs is not None
    assert outputs.model().rows() == [  # type: ignore[attr-defined]
        ("predictions", "float32", "(?, 10)", "StatefulPartitionedCall:0"),
        ("scores", "float32", "unknown", "StatefulPartitionedCall:1"),
    ]
    assert page.signatures.functions.model.rows() == [
        ("__call__", "inputs: float32 (?, 32), training: bool = False", "out"),
        ("__call__", "inputs: float32 (?, 32), training: bool = True", "out"),
    ]
    with qtbot.waitSignal(page.predict_asked) as asked:
        press(qtbot, page, "signatures.serving_default.predict")
    assert asked.args[1] == "serving_default"


def test_an_artifact_without_signatures_has_no_such_tab(qtbot: QtBot, page: BrowsePage) -> None:
    plain = Artifact("/m.h5", "m.h5", "keras_hdf5", "Keras HDF5", 10, Node("m.h5", NodeType.FILE))
    page.show_entry(entry_of(plain))
    tabs = named(page, QTabBar, "browse.tabs")
    assert isinstance(tabs, QTabBar)
    assert not tabs.isTabVisible(1)


# Behaviour under load and in the dark


def test_a_huge_group_is_reached_to_its_end(qtbot: QtBot, page: BrowsePage) -> None:
    nodes = [Node(f"dataset_{i}", NodeType.TENSOR, "dataset") for i in range(100_000)]
    huge = Node("huge", NodeType.GROUP, source=NodeList(nodes))
    artifact = Artifact("/huge.h5", "huge.h5", "hdf5", "HDF5", 10, huge)
    page.show_entry(entry_of(artifact))
    qtbot.waitUntil(lambda: len(shown_rows(page.tree.view)) == 201)
    page.tree.view.go_to([199, 499])
    qtbot.waitUntil(lambda: page.tree.view.currentIndex().data() == "dataset_99999")
    qtbot.keyClicks(named(page, QLineEdit, "browse.filter"), "dataset_7777")
    qtbot.waitUntil(lambda: len(shown_rows(page.tree.results)) == 11)


def test_the_dark_theme_reaches_every_part(
    qtbot: QtBot, qapp: QApplication, page: BrowsePage
) -> None:
    open_sample(qtbot, page)
    select(qtbot, page, "conv/kernel")
    qtbot.waitUntil(lambda: "mean" in texts(page.inspector))
    apply_theme(qapp, Theme.DARK)
    image = page.grab().toImage()
    points = ((x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3))
    colours = {image.pixelColor(x, y).name() for x, y in points}
    assert {color(token).name() for token in ("tensor", "surface", "raised", "accent")} <= colours
    apply_theme(qapp, Theme.LIGHT)
    light = {color(token).name() for token in ("surface", "raised")}
    assert not light & colours
