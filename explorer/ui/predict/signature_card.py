"""Which signature to run, an editor for each of its inputs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PySide6.QtWidgets import QComboBox, QVBoxLayout

from explorer.analysis.inputs import Choice, Wanted
from explorer.engine.messages import CallSignature, CallTensor
from explorer.formats.text import tuple_text
from explorer.ui.predict.input_editor import InputEditor
from explorer.ui.widgets import Card, clear_layout, describe, label


class SignatureCard(Card):
    """Shows the signatures of what is loaded and edits the inputs of one."""

    def __init__(self) -> None:
        super().__init__(self.tr("Signature"))
        self._signatures: Sequence[CallSignature] = ()
        self._test_set: Mapping[str, np.ndarray] = {}
        self.editors: list[InputEditor] = []
        self.signature = QComboBox()
        describe(self.signature, "predict.signature", self.tr("Signature to run"))
        self.signature.currentIndexChanged.connect(self._show_signature)
        self._unloaded = label(
            self.tr("Load it to see what it takes and what it gives."), "small", wrap=True
        )
        self._inputs_caption = label(self.tr("Inputs"), "small")
        self._editors = QVBoxLayout()
        self._editors.setSpacing(8)
        self._outputs_caption = label(self.tr("Outputs"), "small")
        self._outputs = label("", "mono", wrap=True, name="predict.outputs")
        self.body.addWidget(self.signature)
        self.body.addWidget(self._unloaded)
        self.body.addWidget(self._inputs_caption)
        self.body.addLayout(self._editors)
        self.body.addWidget(self._outputs_caption)
        self.body.addWidget(self._outputs)
        self.clear()

    def clear(self) -> None:
        """Nothing is loaded."""
        self.show_signatures((), "", {})

    def show_signatures(
        self,
        signatures: Sequence[CallSignature],
        wanted: str,
        test_set: Mapping[str, np.ndarray],
    ) -> None:
        """Offer ``signatures``, ``wanted`` first; ``test_set`` is offered where it fits."""
        self._signatures, self._test_set = signatures, test_set
        self.signature.blockSignals(True)
        self.signature.clear()
        self.signature.addItems([signature.key for signature in signatures])
        self.signature.setCurrentIndex(max(self.signature.findText(wanted), 0))
        self.signature.blockSignals(False)
        self._unloaded.setVisible(not signatures)
        for widget in (self.signature, self._inputs_caption, self._outputs_caption, self._outputs):
            widget.setVisible(bool(signatures))
        self._show_signature()

    def current(self) -> CallSignature | None:
        """The signature that is shown."""
        position = self.signature.currentIndex()
        return self._signatures[position] if 0 <= position < len(self._signatures) else None

    def choose(self, key: str) -> None:
        """Show another signature, if there is one of that name."""
        position = self.signature.findText(key)
        if key and position >= 0:
            self.signature.setCurrentIndex(position)

    def choices(self) -> list[tuple[Wanted, Choice]]:
        """What is wanted and chosen, input by input."""
        return [(editor.wanted, editor.choice()) for editor in self.editors]

    def passed_as(self) -> dict[str, str]:
        """The inputs that are passed by another keyword than their own name."""
        return {
            editor.wanted.name: editor.passed_as()
            for editor in self.editors
            if editor.passed_as() != editor.wanted.name
        }

    def summary(self) -> str:
        """What the history calls these inputs."""
        return " · ".join(editor.summary() for editor in self.editors) or self.tr("no input")

    def _show_signature(self) -> None:
        clear_layout(self._editors)
        self.editors = []
        signature = self.current()
        if signature is None:
            return
        for tensor in signature.inputs:
            editor = InputEditor(tensor, self._fits(tensor))
            self.editors.append(editor)
            self._editors.addWidget(editor)
        if not signature.inputs:
            self._editors.addWidget(label(self.tr("It takes no input."), "small"))
        self._outputs.setText(
            "\n".join(f"{t.name}: {t.dtype} {tuple_text(t.shape)}" for t in signature.outputs)
        )

    def _fits(self, tensor: CallTensor) -> bool:
        if len(self._test_set) != 1:
            return False
        (rows,) = self._test_set.values()
        shape = tensor.shape
        return shape is None or (
            len(shape) == rows.ndim
            and all(d in (None, there) for d, there in zip(shape[1:], rows.shape[1:], strict=True))
        )
