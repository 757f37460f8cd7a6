"""Makes resources/data/digits.npz from scikit-learn's digits.

Run it in an environment of its own that has scikit-learn; the program itself does not need it:
``python tests/lab/make_digits.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits  # type: ignore[import-untyped]


def main() -> None:
    """Write the 1,797 images as uint8 from 0 to 16, and the digit that each one shows."""
    found = load_digits()
    target = Path(__file__).parents[2] / "resources" / "data" / "digits.npz"
    np.savez_compressed(
        target, images=found.data.astype(np.uint8), digits=found.target.astype(np.uint8)
    )


if __name__ == "__main__":
    main()
