"""The right column of the Lab: the save methods, what each keeps, and which are refused."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from explorer.lab.catalog import (
    SAVE_METHODS,
    DemoSettings,
    Refused,
    SaveMethod,
    Variant,
    written_by,
)
from explorer.ui.lab.differences import differences
from explorer.ui.lab.targets import name_problem
from explorer.ui.labels import CodeLabel
from explorer.ui.session import ModelEntry
from explorer.ui.widgets import (
    ChipRow,
    ElidedLabel,
    button,
    chip,
    describe,
    label,
    page_scroll,
    restyle,
    set_tone,
)


class MethodCard(QFrame):
    """One save method. ``clicked`` is emitted on a click or on Space."""

    clicked = Signal()
    focused = Signal()

    def __init__(self, method: SaveMethod) -> None:
        super().__init__()
        self.method = method
        self._variant = Variant.FUNCTIONAL_3
        self.setProperty("role", "choice")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        describe(self, f"save.method.{method.key}", method.title, method.about)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 9, 12, 10)
        column.setSpacing(5)
        row = QHBoxLayout()
        row.setSpacing(8)
        number = chip(method.number, "accent")
        number.setAlignment(Qt.AlignmentFlag.AlignCenter)
        number.setMinimumWidth(20)
        row.addWidget(number)
        row.addWidget(ElidedLabel(self.tr(method.title), "strong"), 1)
        self._verdict = chip("", name=f"save.verdict.{method.key}")
        row.addWidget(self._verdict)
        column.addLayout(row)
        self._call = CodeLabel(name=f"save.call.{method.key}")
        column.addWidget(self._call)
        self._keeps = ChipRow(f"save.keeps.{method.key}")
        column.addWidget(self._keeps)
        self._about = label("", "small", wrap=True)
        column.addWidget(self._about)
        self._more = label("", "small", wrap=True)
        column.addWidget(self._more)
        self._more.hide()

    def show_variant(self, settings: DemoSettings) -> None:
        """What the method does with this model on this Keras line, under the notes' own name."""
        self._variant = settings.variant
        self.show_target(self.method.targets[settings.demo])

    def show_target(self, name: str) -> None:
        """The call that saves to ``name``, and what comes of it: the library goes by the ending."""
        variant = self._variant
        self._call.setText(self.method.call_on(variant, name))
        refused, written = self.method.refusal(variant), written_by(self.method, variant, name)
        if written is not None:
            self._show_accepted(written)
        elif refused is not None:
            set_tone(self._verdict, self.tr("refused"), "danger")
            self._about.setText(self.tr(refused.reason))
        self._more.setText("\n".join(self._all_there_is_to_say(None if written else refused)))
        kept = (written or self.method).kept(variant)
        self._keeps.show_texts(map(self.tr, kept), "ok" if written else "neutral")

    def _show_accepted(self, written: SaveMethod) -> None:
        caution = (written.caution or {}).get(self._variant, "")
        verdict = self.tr("with a catch") if caution else self.tr("accepted")
        set_tone(self._verdict, verdict, "warning" if caution else "ok")
        about = self.tr(caution or written.about)
        if written is not self.method:
            other = self.tr("With this ending it does what “{title}” does.")
            about = f"{other.format(title=self.tr(written.title))} {self.tr(caution)}".strip()
        self._about.setText(about)

    def _all_there_is_to_say(self, refused: Refused | None) -> list[str]:
        lines = [f"{refused.error}: {refused.message_start}"] if refused else []
        if self.method.notes_say:
            says = self.tr("The notes say: {text}.")
            lines.append(says.format(text=self.tr(self.method.notes_say)))
        return lines

    def set_chosen(self, chosen: bool) -> None:
        """Mark it; the chosen one says all there is to say."""
        self.setProperty("chosen", "true" if chosen else "false")
        self._call.set_whole(chosen)
        self._more.setVisible(chosen and bool(self._more.text()))
        restyle(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)


class SavePanel(QWidget):
    """Lists the methods and names the target. ``save_asked`` carries method key and target name."""

    save_asked = Signal(str, str)
    save_all_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._cards: dict[str, MethodCard] = {}
        self._chosen = "saved_model"
        self._settings: DemoSettings | None = None
        self._has_model = False
        self._busy = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        row = QHBoxLayout()
        row.addWidget(label(self.tr("Save as"), "cardTitle"))
        row.addStretch(1)
        self.save_all = button(
            self.tr("Save with every method"),
            "save.all",
            tip=self.tr("Save this model by every method that accepts it"),
        )
        self.save_all.clicked.connect(self.save_all_asked)
        row.addWidget(self.save_all)
        column.addLayout(row)
        column.addWidget(self._list(), 1)
        self._model = ElidedLabel("", "small", name="save.model")
        column.addWidget(self._model)
        self._differs = label("", "warning", wrap=True, name="save.differs")
        column.addWidget(self._differs)
        column.addWidget(self._target_row())
        self.save = button(
            self.tr("Save"), "save.run", role="primary", shortcut="Ctrl+S", elided=True
        )
        self.save.clicked.connect(self._ask)
        column.addWidget(self.save)
        self.hint = label("", "small", wrap=True, name="save.hint")
        column.addWidget(self.hint)

    def _list(self) -> QScrollArea:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(8)
        for today, heading in ((False, self.tr("IN THE NOTES")), (True, self.tr("TODAY"))):
            column.addWidget(label(heading, "section"))
            for method in SAVE_METHODS.values():
                if method.today is today:
                    column.addWidget(self._card(method))
        column.addStretch(1)
        self._area = page_scroll(body)
        self._area.setObjectName("save.methods")
        return self._area

    def _card(self, method: SaveMethod) -> MethodCard:
        card = MethodCard(method)
        card.clicked.connect(lambda: self.choose(method.key))
        card.focused.connect(lambda: self._area.ensureWidgetVisible(card))
        self._cards[method.key] = card
        return card

    def _target_row(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        caption: QLabel = label(self.tr("Name"), "small")
        self.target = QLineEdit()
        describe(
            self.target, "save.target", self.tr("Name of the artifact"), self.tr("In the workspace")
        )
        caption.setBuddy(self.target)
        self.target.textChanged.connect(self._name_changed)
        row.addWidget(caption)
        row.addWidget(self.target, 1)
        return holder

    # State

    def show_model(self, model: ModelEntry | None, shown: DemoSettings) -> None:
        """The model that would be saved; without one, the settings to train it with."""
        settings = model.ref.settings if model else shown
        changed = self._settings is None or settings.variant is not self._settings.variant
        self._settings = settings
        self._has_model = model is not None
        self._say_which(model, shown)
        if changed:
            for card in self._cards.values():
                card.show_variant(settings)
            self.choose(self._chosen)
        self._refresh_button()

    def _say_which(self, model: ModelEntry | None, shown: DemoSettings) -> None:
        differing = differences(model.ref.settings, shown) if model else []
        self._differs.setText(
            self.tr("Trained with other settings: {list}.").format(list=", ".join(differing))
        )
        self._differs.setVisible(bool(differing))
        self._model.setVisible(model is not None)
        if model is not None:
            self._model.setText(
                self.tr("Saves {model}, {detail}").format(model=model.title, detail=model.detail)
            )

    def set_busy(self, busy: bool) -> None:
        """No save can be asked for while a job runs."""
        self._busy = busy
        self._refresh_button()

    def choose(self, key: str) -> None:
        """Make a method the chosen one."""
        before, self._chosen = self._chosen, key
        for other, card in self._cards.items():
            card.set_chosen(other == key)
        if self._settings is not None:
            self._cards[before].show_variant(self._settings)
            self.target.setText(SAVE_METHODS[key].targets[self._settings.demo])
        self._refresh_button()
        QTimer.singleShot(0, self._cards[key], self._show_chosen)  # once it has its new height

    def _show_chosen(self) -> None:
        self._area.ensureWidgetVisible(self._cards[self._chosen], 0, 12)

    def _name_changed(self, name: str) -> None:
        if self._settings is not None:
            notes_name = SAVE_METHODS[self._chosen].targets[self._settings.demo]
            self._cards[self._chosen].show_target(name.strip() or notes_name)
        self._refresh_button()

    def chosen(self) -> str:
        """The key of the chosen method."""
        return self._chosen

    def _refresh_button(self) -> None:
        if self._settings is None:
            return
        method, variant = SAVE_METHODS[self._chosen], self._settings.variant
        name = self.target.text().strip()
        if written_by(method, variant, name) is None:
            text = self.tr("Try it all the same")
        else:
            text = self.tr("Save · {name}").format(name=name) if name else self.tr("Save")
        self.save.setText(text)
        ready = self._has_model and not self._busy
        self.save.setEnabled(ready and bool(name))
        self.save_all.setEnabled(ready)
        self._show_hint(name_problem(name, method, variant))

    def _show_hint(self, problem: str) -> None:
        hint = problem if self._has_model else self.tr("Train this model first, then save it.")
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))

    def _ask(self) -> None:
        self.save_asked.emit(self._chosen, self.target.text().strip())
