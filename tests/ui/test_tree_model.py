"""The tree's model obeys Qt's rules, lists off the GUI thread and survives damage."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from explorer.formats.artifact import Node, NodeList, NodeType
from explorer.ui.browse.tree_model import DTYPE, KIND, NAME, SHAPE, SIZE, ArtifactTreeModel
from tests.ui.trees import folder, sample_artifact

WARN = QAbstractItemModelTester.FailureReportingMode.Warning  # which fails the test


@pytest.fixture
def model(qtbot: QtBot) -> ArtifactTreeModel:
    return ArtifactTreeModel()


def list_all(qtbot: QtBot, model: ArtifactTreeModel, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
    """List everything below ``parent``; how many rows there are."""
    model.fetchMore(parent)
    qtbot.waitUntil(lambda: not model.hasChildren(parent) or model.rowCount(parent) > 0)
    rows = model.rowCount(parent)
    return rows + sum(list_all(qtbot, model, model.index(row, 0, parent)) for row in range(rows))


@pytest.mark.parametrize("fetching", [True, False])
def test_it_obeys_the_rules_of_qt(qtbot: QtBot, model: ArtifactTreeModel, fetching: bool) -> None:
    tester = QAbstractItemModelTester(model, WARN)
    tester.setUseFetchMore(fetching)
    model.show([sample_artifact().root])
    assert list_all(qtbot, model) == 11
    model.show([])
    assert model.rowCount() == 0
    model.show([Node("a", NodeType.FILE), sample_artifact().root])
    list_all(qtbot, model)


def test_a_row_shows_what_its_node_says(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    model.show([sample_artifact().root])
    list_all(qtbot, model)
    variables = model.index(1, 0, model.index(0, 0))
    texts = [
        model.index(0, column, variables).data() for column in (NAME, KIND, DTYPE, SHAPE, SIZE)
    ]
    assert texts == ["conv/kernel", "variable", "float32", "3 × 39 × 8 × 8", "29.2 KB"]
    signature = model.index(0, SHAPE, model.index(0, 0, model.index(0, 0)))
    assert signature.data() == "1 in → 2 out"


def test_damage_is_a_row_that_says_so(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    model.show([sample_artifact().root])
    list_all(qtbot, model)
    graph = model.index(1, 0, model.index(0, 0, model.index(0, 0)))
    assert graph.data() == "object graph"
    assert model.rowCount(graph) == 1
    row = model.index(0, 0, graph)
    assert row.data() == "This part cannot be listed: a length of 4,000,000,000 at byte 12"
    assert not model.hasChildren(row)


def test_children_are_listed_off_the_gui_thread(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    listed_on: list[threading.Thread] = []

    def children() -> Sequence[Node]:
        listed_on.append(threading.current_thread())
        return [Node("leaf", NodeType.TENSOR)]

    model.show([folder("root", children)])
    list_all(qtbot, model)
    assert listed_on
    assert threading.main_thread() not in listed_on


def test_nothing_is_listed_before_it_is_asked_for(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    def children() -> Sequence[Node]:
        raise AssertionError("listed")

    model.show([folder("root", children)])
    root = model.index(0, 0)
    assert model.hasChildren(root)
    assert model.rowCount(root) == 0
    assert model.canFetchMore(root)


def test_an_empty_folder_loses_its_arrow_once_listed(
    qtbot: QtBot, model: ArtifactTreeModel
) -> None:
    model.show([folder("root", [])])
    list_all(qtbot, model)
    assert not model.hasChildren(model.index(0, 0))


def test_rows_that_arrive_after_another_artifact_was_opened_are_dropped(
    qtbot: QtBot, model: ArtifactTreeModel
) -> None:
    gate = threading.Event()

    def children() -> Sequence[Node]:
        gate.wait(5)
        return [Node("late", NodeType.TENSOR)]

    model.show([folder("old", children)])
    model.fetchMore(model.index(0, 0))
    model.show([folder("new", [Node("own", NodeType.TENSOR)])])
    gate.set()
    list_all(qtbot, model)
    assert model.index(0, 0, model.index(0, 0)).data() == "own"
    assert model.rowCount(model.index(0, 0)) == 1


def test_a_hundred_thousand_children_come_in_groups(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    nodes = [Node(f"dataset_{i}", NodeType.TENSOR) for i in range(100_000)]
    model.show([Node("root", NodeType.GROUP, source=NodeList(nodes))])
    root = model.index(0, 0)
    with qtbot.waitSignal(model.listed):
        model.fetchMore(root)
    assert model.rowCount(root) == 200
    last = model.index(199, 0, root)
    assert last.data() == "99,501 – 100,000"
    with qtbot.waitSignal(model.listed):
        model.fetchMore(last)
    assert model.index(499, 0, last).data() == "dataset_99999"


def test_persistent_indexes_follow_their_rows(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    model.show([sample_artifact().root])
    root = QPersistentModelIndex(model.index(0, 0))
    list_all(qtbot, model)
    assert root.isValid()
    model.show([])
    assert not root.isValid()


def test_a_row_has_an_icon_and_a_tip(qtbot: QtBot, model: ArtifactTreeModel) -> None:
    model.show([sample_artifact().root])
    index = model.index(0, 0)
    assert not index.data(Qt.ItemDataRole.DecorationRole).isNull()
    assert index.data(Qt.ItemDataRole.ToolTipRole) == "sample"
