"""A few hundred damaged files of each kind; ``fuzz.py`` is the script for thousands."""

from __future__ import annotations

import sys

import pytest

from tests.formats.fuzz import fuzz
from tests.formats.fuzz_seeds import SEEDS

_COUNT = 200


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in Linux's way")
@pytest.mark.parametrize("name", SEEDS)
def test_damaged_files_end_in_a_tree_or_in_a_refusal(name: str) -> None:
    outcome = fuzz(SEEDS[name], range(_COUNT))
    assert outcome.broken == []
    assert outcome.opened + outcome.refused == _COUNT
