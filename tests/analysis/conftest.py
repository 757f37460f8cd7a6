"""TensorFlow, which makes the models that the tests of this folder tamper with."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="session")
def tf() -> Any:
    import tensorflow

    return tensorflow
