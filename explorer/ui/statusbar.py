"""The bar at the bottom: engine state, versions, sandbox, and the last action with its time."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QWidget

from explorer.engine.client import EngineState, Phase
from explorer.ui.engine_link import EngineLink
from explorer.ui.session import Session
from explorer.ui.theme import color
from explorer.ui.widgets import ElidedLabel, label

_TITLES = {"tensorflow": "TensorFlow", "keras": "Keras", "tf_keras": "tf-keras"}
_TONES = {
    Phase.STARTING: "warning",
    Phase.READY: "ok",
    Phase.BUSY: "accent",
    Phase.STOPPED: "faint",
    Phase.BROKEN: "danger",
}


class _Dot(QWidget):
    """A small disc in the colour of the engine's state; the words beside it say the same."""

    def __init__(self) -> None:
        super().__init__()
        self._tone = "warning"
        self.setFixedSize(8, 8)

    def set_tone(self, tone: str) -> None:
        self._tone = tone
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color(self._tone))
            painter.drawEllipse(self.rect())


class StatusBar(QFrame):
    """Shows what the engine is doing and what was done last."""

    def __init__(self, engine: EngineLink, session: Session) -> None:
        super().__init__()
        self.setObjectName("statusbar")
        self.setFixedHeight(26)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 14, 0)
        row.setSpacing(6)
        self._dot = _Dot()
        self.engine_text = ElidedLabel("", "small", name="status.engine")
        self._sandbox = label(self.tr("No sandbox"), "small", name="status.sandbox")
        self._sandbox.setToolTip(
            self.tr(
                "The engine is a process of its own, but loading a model can still run code found "
                "in it. Files from elsewhere are loaded only after a question."
            )
        )
        self.action_text = ElidedLabel("", "small", name="status.action")
        self.action_text.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._dot)
        self.engine_text.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        row.addWidget(self.engine_text)
        row.addSpacing(12)
        row.addWidget(self._sandbox)
        row.addSpacing(12)
        row.addWidget(self.action_text, 1)
        engine.state_changed.connect(self.show_state)
        session.action_timed.connect(self.action_text.setText)
        self.show_state(engine.state)

    def show_state(self, state: EngineState) -> None:
        """Say in words what the engine is doing."""
        words = {
            Phase.STARTING: self.tr("Engine starting: TensorFlow is being imported"),
            Phase.READY: self.tr("Engine ready"),
            Phase.BUSY: self.tr("Engine working"),
            Phase.STOPPED: self.tr("Engine stopped"),
            Phase.BROKEN: self.tr("Engine does not start"),
        }[state.phase]
        versions = [
            f"{title} {state.versions[k]}" for k, title in _TITLES.items() if k in state.versions
        ]
        detail: list[str] = []
        if state.phase is Phase.BROKEN:
            detail = [state.detail, self.tr("the next job starts it again")]
        elif state.phase is Phase.STARTING and state.detail:
            words = self.tr("Engine starting again: TensorFlow is being imported")
            detail = [self.tr("no second worker was ready")]
        self.engine_text.setText(" · ".join([words, *versions, *detail]))
        self.engine_text.setToolTip("\n".join(filter(None, [words, *versions, state.detail])))
        self._dot.set_tone(_TONES[state.phase])
