"""The Python binding of Qt keeps its hands off `None`.

PySide6 6.12.0 on CPython 3.11 drops a reference to `None` in every call that returns nothing, until
the process aborts. From Python 3.12 on `None` is immortal and its count says nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

CALLS = 5000


def _name_objects() -> None:
    thing = QObject()
    for _ in range(CALLS):
        thing.setObjectName("name")


def _set_data() -> None:
    item = QStandardItem()
    for _ in range(CALLS):
        item.setData("value", Qt.ItemDataRole.UserRole)


def _read_absent_data() -> None:
    model = QStandardItemModel(1, 1)
    index = model.index(0, 0)
    for _ in range(CALLS):
        assert model.data(index, Qt.ItemDataRole.UserRole) is None


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal from Python 3.12 on")
@pytest.mark.parametrize("calls", [_name_objects, _set_data, _read_absent_data])
def test_calls_that_return_nothing_leave_none_alone(calls: Callable[[], None]) -> None:
    calls()  # once before, so that what is kept on first use does not count
    before = sys.getrefcount(None)
    calls()
    assert abs(sys.getrefcount(None) - before) < CALLS // 100
