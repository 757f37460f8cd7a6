"""The Browse page."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from explorer.ui.background import Background
from explorer.ui.browse.header import SIGNATURES, TREE, Header
from explorer.ui.browse.inspector import Inspector
from explorer.ui.browse.signatures import SignaturesTab
from explorer.ui.browse.tree_pane import TreePane
from explorer.ui.session import ArtifactEntry, Session
from explorer.ui.widgets import button, label

_INSPECTOR_SHARE = 0.335
_INSPECTOR_WIDTHS = (336, 480)
_LARGEST_SHARE = 0.43  # of a narrow page


class BrowsePage(QWidget):
    """Shows the current artifact. ``predict_asked`` carries its entry and a signature's key."""

    predict_asked = Signal(object, str)
    open_asked = Signal(QPoint)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("page.browse")
        self.setProperty("role", "page")
        self._entry: ArtifactEntry | None = None
        self.header = Header()
        self.tree = TreePane(session)
        self.inspector = Inspector()
        self.signatures = SignaturesTab()
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split_moved = False
        self._lookup = Background(self)
        self._lay_out()
        self.header.tab_chosen.connect(self._show_tab)
        self.header.predict_asked.connect(lambda: self._ask_predict(""))
        self.signatures.predict_asked.connect(self._ask_predict)
        self.tree.node_selected.connect(self.inspector.show_node)
        session.counted.connect(self._show_counts)
        session.origin_changed.connect(self._show_origin)
        self.show_entry(None)

    def _show_counts(self, entry: ArtifactEntry) -> None:
        if entry is self._entry:
            self.header.show_counts(entry)

    def _show_origin(self, entry: ArtifactEntry) -> None:
        if entry is self._entry:
            self.header.show_chips(entry)

    def _lay_out(self) -> None:
        self._split.setObjectName("browse.split")
        self._split.setHandleWidth(1)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self.tree)
        self._split.addWidget(self.inspector)
        self._split.setStretchFactor(0, 1)
        self._split.splitterMoved.connect(self._keep_split)
        self.tree.setMinimumWidth(360)
        self.inspector.setMinimumWidth(280)
        self._tabs = QStackedWidget()
        self._tabs.addWidget(self._split)
        self._tabs.addWidget(self.signatures)
        shown = QWidget()
        inner = QVBoxLayout(shown)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(self.header)
        inner.addWidget(self._tabs, 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty_page())
        self._stack.addWidget(shown)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)

    def _empty_page(self) -> QWidget:
        page = QWidget()
        page.setObjectName("browse.empty")
        column = QVBoxLayout(page)
        column.addStretch(2)
        centre = Qt.AlignmentFlag.AlignHCenter
        column.addWidget(label(self.tr("No artifact is open"), "title"), 0, centre)
        text = self.tr(
            "Drop a saved model anywhere on this window: a SavedModel or checkpoint folder, an "
            ".h5, .keras or .tflite file. Or save one in the Lab."
        )
        about = label(text, "muted", wrap=True)
        about.setAlignment(centre)
        about.setFixedWidth(420)
        row = QHBoxLayout()  # an aligned label would get one line, whatever its text needs
        row.addStretch(1)
        row.addWidget(about)
        row.addStretch(1)
        column.addLayout(row)
        column.addSpacing(8)
        open_button = button(
            self.tr("Open…"),
            "browse.open",
            role="primary",
            tip=self.tr("Open a file or folder (Ctrl+O)"),
        )
        open_button.clicked.connect(
            lambda: self.open_asked.emit(open_button.mapToGlobal(open_button.rect().bottomLeft()))
        )
        column.addWidget(open_button, 0, centre)
        column.addStretch(3)
        return page

    def show_entry(self, entry: ArtifactEntry | None) -> None:
        """Show another artifact, or how to open one."""
        if entry is self._entry and entry is not None:
            return
        self._entry = entry
        self._stack.setCurrentIndex(0 if entry is None else 1)
        self.signatures.show_artifact(None)
        if entry is not None:
            self.header.show_entry(entry)
        artifact = entry.artifact if entry else None
        self.inspector.show_artifact(artifact)
        self.tree.show_artifact(artifact)
        self._look_for_functions()

    def _look_for_functions(self) -> None:
        """Offer the Signatures tab also where there are functions alone."""
        self._lookup.drop()
        if self._entry is not None and not self._entry.artifact.signatures:
            self._lookup.run(
                self._entry.artifact.functions,
                lambda functions: self.header.offer_signatures() if functions else None,
                lambda _error: None,  # the tree shows what is damaged
            )

    def reveal(self, tensor_path: str) -> None:
        """Select a tensor of the artifact in the tree."""
        self.header.tabs.setCurrentIndex(0)
        self.tree.reveal(tensor_path)

    def _show_tab(self, key: str) -> None:
        self._tabs.setCurrentIndex((TREE, SIGNATURES).index(key))
        if key == SIGNATURES and self._entry is not None:
            self.signatures.show_artifact(self._entry.artifact)

    def _ask_predict(self, signature: str) -> None:
        if self._entry is not None:
            self.predict_asked.emit(self._entry, signature)

    def _keep_split(self) -> None:
        """The person chose how wide the inspector is."""
        self._split_moved = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self._split_moved:
            narrowest, widest = _INSPECTOR_WIDTHS
            width = event.size().width()
            narrowest = min(narrowest, round(width * _LARGEST_SHARE))
            inspector = min(max(round(width * _INSPECTOR_SHARE), narrowest), widest)
            self._split.setSizes([width - inspector - 1, inspector])
