"""Whether the state file beside checkpoints says what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from explorer.formats.artifact import Check
from explorer.formats.checkpoint.folder import STATE_FILE, CheckpointFolder
from explorer.formats.storage import Storage

_LARGEST_STATE = 1 << 20
_LINE = re.compile(
    r"""\s*((all_)?model_checkpoint_paths?\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(all_model_checkpoint_timestamps|last_preserved_timestamp)\s*:\s*[-+.\w]+)?\s*"
)
"""A line of ``CheckpointState`` (``tensorflow/python/training/checkpoint_state.proto``)."""


def state_checks(folder: CheckpointFolder) -> Iterator[Check]:
    """Whether the state file, where there is one, says what the checkpoints are."""
    if any(entry.name == STATE_FILE for entry in folder.entries):
        yield Check("state file", STATE_FILE, _state_problem(folder.storage))


def _state_problem(storage: Storage) -> str:
    size = storage.size(STATE_FILE)
    if size is None:
        return "It is no file, but TensorFlow keeps its list of checkpoints in a file so called."
    if size > _LARGEST_STATE:
        return f"It has {size:,} bytes, far more than a list of checkpoints takes."
    lines = storage.read(STATE_FILE).decode("utf-8", "replace").splitlines()
    if not any(line.lstrip().startswith("model_checkpoint_path") for line in lines):
        return "It does not name the latest checkpoint: it is empty or damaged."
    damaged = (n for n, line in enumerate(lines, 1) if not _LINE.fullmatch(line))
    number = next(damaged, 0)
    return f"Its line {number} is cut short or damaged." if number else ""
