"""The watchdog sees a slot that blocks, and says where."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from explorer.ui.watchdog import Watchdog


def linger() -> None:
    time.sleep(0.15)


def test_a_block_is_recorded_with_its_place(qtbot: QtBot) -> None:
    watchdog = Watchdog(threshold=0.1)
    watchdog.start()
    QTimer.singleShot(20, linger)
    qtbot.waitUntil(lambda: bool(watchdog.blocks))
    watchdog.stop()
    assert watchdog.longest.seconds >= 0.15
    assert watchdog.longest.busy < watchdog.longest.seconds
    assert "linger" in watchdog.longest.stack
    assert "linger" in watchdog.report()


@pytest.mark.usefixtures("qapp")
def test_what_happens_in_a_pause_is_left_out() -> None:
    watchdog = Watchdog(threshold=0.1)
    watchdog.start()
    with watchdog.pause():
        linger()
    watchdog.stop()
    assert not any("linger" in block.stack for block in watchdog.blocks)
