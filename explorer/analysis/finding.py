"""One thing that a safety scan found."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """How bad a finding is: ``danger`` can harm by itself, ``warning`` needs a look, ``note``
    is good to know.
    """

    DANGER = "danger"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. ``where`` is the layer, operation, link, member or tensor; ``message``
    says in one sentence why it matters.
    """

    severity: Severity
    rule: str
    where: str
    message: str


Judgement = tuple[Severity, str, str]
"""How bad something is, by which rule, and why: a `Finding` whose place is known elsewhere."""


def leads_outside(path: str) -> bool:
    """Whether a path that a file names is certain to be none of the model's own files."""
    absolute = path.startswith(("/", "\\", "~")) or "://" in path or ":" in path[:3]
    return absolute or ".." in path


def shortened(value: object, longest: int = 80) -> str:
    """A text of the file, cut where it is too long for one sentence."""
    text = str(value)
    return text if len(text) <= longest else f"{text[:longest]} …"
