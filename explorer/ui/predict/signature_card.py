"""Which signature to run, an editor for each of its inputs, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PySide6.QtWidgets import QVBoxLayout

from explorer.analysis.inputs import first_choice, fits_test_set
from explorer.engine.messages import CallSignature
from explorer.formats.text import tuple_text
from explorer.ui.predict.input_editor import InputEditor
from explorer.ui.predict.jobs import Call, wanted_of
from explorer.ui.predict.name_box import NameBox
from explorer.ui.widgets import Card, clear_layout, label


class SignatureCard(Card):
    """Shows the signatures of what is loaded and edits the inputs of one."""

    def __init__(self) -> None:
        super().__init__(self.tr("Signature"))
        self._signatures: Sequence[CallSignature] = ()
        self._test_set: Mapping[str, np.ndarray] = {}
        self.editors: list[InputEditor] = []
        self.signature = NameBox("predict.signature", self.tr("Signature to run"))
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
        self.show_signatures((), None, {})

    def show_signatures(
        self,
        signatures: Sequence[CallSignature],
        call: Call | None,
        test_set: Mapping[str, np.ndarray],
    ) -> None:
        """Offer ``signatures``, set as in ``call``; ``test_set`` is offered where it fits."""
        self._signatures, self._test_set = signatures, test_set
        chosen = call.signature.key if call is not None else ""
        self.signature.show_names([signature.key for signature in signatures], chosen)
        self._unloaded.setVisible(not signatures)
        for widget in (self._inputs_caption, self._outputs_caption, self._outputs):
            widget.setVisible(bool(signatures))
        self._edit(call)

    def current(self) -> CallSignature | None:
        """The signature that is shown."""
        position = self.signature.currentIndex()
        return self._signatures[position] if 0 <= position < len(self._signatures) else None

    def choose(self, key: str) -> None:
        """Show another signature, if there is one of that name."""
        position = self.signature.findText(key)
        if key and position >= 0:
            self.signature.setCurrentIndex(position)

    def call(self) -> Call | None:
        """The signature that is shown, with what its editors say."""
        signature = self.current()
        if signature is None:
            return None
        passed_as = {
            editor.wanted.name: editor.passed_as()
            for editor in self.editors
            if editor.passed_as() != editor.wanted.name
        }
        return Call(signature, [editor.choice() for editor in self.editors], passed_as)

    def _show_signature(self) -> None:
        self._edit(None)

    def _edit(self, call: Call | None) -> None:
        """Editors for the signature that is shown, set as in ``call`` or as is proposed."""
        clear_layout(self._editors)
        self.editors = []
        signature = self.current()
        if signature is None:
            return
        for position, tensor in enumerate(signature.inputs):
            wanted = wanted_of(tensor)
            editor = InputEditor(wanted, fits_test_set(wanted, self._test_set))
            editor.set(
                call.choices[position] if call else first_choice(wanted, self._test_set),
                call.passed_as.get(wanted.name, "") if call else "",
            )
            self.editors.append(editor)
            self._editors.addWidget(editor)
        if not signature.inputs:
            self._editors.addWidget(label(self.tr("It takes no input."), "small"))
        self._outputs.setText(
            "\n".join(f"{t.name}: {t.dtype} {tuple_text(t.shape)}" for t in signature.outputs)
        )
