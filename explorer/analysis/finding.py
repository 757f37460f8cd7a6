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
