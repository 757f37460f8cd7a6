"""What in an artifact can harm whoever loads or runs it, found without loading or running it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from explorer.analysis.finding import Finding, Severity, shortened
from explorer.analysis.unsafe_configs import config_findings
from explorer.analysis.unsafe_ops import op_findings
from explorer.formats.artifact import (
    Artifact,
    Hazard,
    HazardKind,
    Role,
    Tensor,
    UnreadableArtifact,
)
from explorer.formats.diagnosis import locate
from explorer.formats.selection import MOST_PACKED, UNQUESTIONED
from explorer.formats.storage import escaping_links
from explorer.formats.text import bytes_text, count_text

_BITS = re.compile(r"[a-z]+(\d+)")
"""The width in the name of a type: ``bfloat16``, ``complex64``, ``float8_e4m3fn``."""
_MOST_OF_A_RULE = 50
_LONGEST_PLACE = 200


def scan(artifact: Artifact) -> list[Finding]:
    """Every finding, the worst first; of very many of one rule the first, and how many more.

    What is no danger and true of several places, as of a custom class, is told once.
    Raises `UnreadableArtifact` where the file was changed or closed meanwhile.
    """
    found = [
        *map(_judged, artifact.hazards()),
        *config_findings(artifact.configs()),
        *op_findings(artifact.ops()),
        *_inflated(artifact.tensors()),
    ]
    if not artifact.is_known and not found:
        return [Finding(Severity.WARNING, "not-read", artifact.name, _NOT_READ)]
    order = list(Severity)
    return sorted(_listed(found), key=lambda finding: order.index(finding.severity))


def _listed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Each once, its place at a length that people read, and those beyond a number as one."""
    counts: Counter[tuple[Severity, str]] = Counter()
    for found, others in _merged(findings):
        kind = found.severity, found.rule
        counts[kind] += 1
        if counts[kind] <= _MOST_OF_A_RULE:
            where = shortened(found.where, _LONGEST_PLACE)
            more = f" and {count_text(others, 'more place')}" if others else ""
            yield replace(found, where=where + more)
    for (severity, rule), count in counts.items():
        if count > _MOST_OF_A_RULE:
            yield Finding(
                severity,
                rule,
                f"{count - _MOST_OF_A_RULE:,} more places",
                f"There it is as in the {_MOST_OF_A_RULE} places listed, which are the first.",
            )


def _merged(findings: Iterable[Finding]) -> Iterator[tuple[Finding, int]]:
    """Each finding once, with in how many other places it holds; a danger at each of its own."""
    first: dict[Finding, Finding] = {}
    others: Counter[Finding] = Counter()
    for found in dict.fromkeys(findings):
        kept = found if found.severity is Severity.DANGER else replace(found, where="")
        if first.setdefault(kept, found) is not found:
            others[kept] += 1
    return ((found, others[kept]) for kept, found in first.items())


def scan_unread(path: str) -> list[Finding]:
    """What can be told of a path that no reader opens: the links that lead out of its folder."""
    try:
        storage = locate(path).storage
    except (UnreadableArtifact, OSError):
        return []
    return [_judged(hazard) for hazard in escaping_links(storage)]


_NOT_READ = "No reader knows this file, so nothing in it was looked at: it may hold anything."

_HAZARDS = {
    HazardKind.EXTERNAL_LINK: (
        Severity.DANGER,
        "The link leads to {target}: whatever follows it reads another file of the machine.",
    ),
    HazardKind.EXTERNAL_STORAGE: (
        Severity.DANGER,
        "The values are taken from {target}: loading reads another file of the machine as weights.",
    ),
    HazardKind.VIRTUAL_DATASET: (
        Severity.DANGER,
        "The values are taken from {target}: loading reads another file of the machine as weights.",
    ),
    HazardKind.SOFT_LINK: (
        Severity.NOTE,
        "The link leads to {target} in the same file; Keras writes no such links.",
    ),
    HazardKind.SYMBOLIC_LINK: (
        Severity.DANGER,
        "The symbolic link leads to {target}, out of the folder: loading reads a file that is not "
        "part of the model.",
    ),
    HazardKind.ESCAPING_MEMBER: (
        Severity.DANGER,
        "Unpacking this member writes a file outside the folder that the archive is unpacked to.",
    ),
    HazardKind.EXPANDING_MEMBER: (
        Severity.DANGER,
        "Unpacking this member fills memory or disk: it expands {target}, and no model's weights "
        "shrink that much.",
    ),
    HazardKind.DEVICE: (
        Severity.DANGER,
        "Unpacking this member makes a device or a pipe: what reads or writes it as a file reaches "
        "the machine's hardware or another program.",
    ),
    HazardKind.PICKLE: (
        Severity.DANGER,
        "Pickled objects run code of the file's author as soon as they are loaded.",
    ),
    HazardKind.TWO_FORMATS: (
        Severity.DANGER,
        "Besides what was looked at here, there is {target} in the same file: Keras, and whatever "
        "else looks for that, reads it instead.",
    ),
    HazardKind.NOT_SCANNED: (
        Severity.WARNING,
        "{target}",
    ),
}


def _judged(hazard: Hazard) -> Finding:
    severity, message = _HAZARDS[hazard.kind]
    rule = hazard.kind.value.replace(" ", "-")
    return Finding(severity, rule, hazard.where, message.format(target=hazard.target))


def _inflated(tensors: Iterable[Tensor]) -> Iterator[Finding]:
    for tensor in tensors:
        if tensor.role is Role.CONSTANT:
            continue  # a graph may store one value that stands for all
        declared = tensor.element_count * _bits(tensor.dtype) // 8
        if declared > UNQUESTIONED and declared > tensor.stored * MOST_PACKED:
            yield Finding(
                Severity.DANGER,
                "inflated-tensor",
                tensor.path,
                f"It declares {bytes_text(declared)}, but only {bytes_text(tensor.stored)} are "
                "stored: loading it would fill the memory.",
            )


def _bits(dtype: str) -> int:
    width = _BITS.match(dtype)
    return int(width[1]) if width else 8 if dtype == "bool" else 0
