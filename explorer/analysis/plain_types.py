"""Types that NumPy itself has, for values that leave the program or that people read."""

from __future__ import annotations

import numpy as np


def plain_dtype(dtype: np.dtype) -> np.dtype:
    """The type itself; of one that only ``ml_dtypes`` has, such as bfloat16, one that holds it.

    That is float32 or int8, which have every value of it.
    """
    if dtype.type.__module__ != "ml_dtypes":
        return dtype
    return np.dtype(np.int8 if "int" in dtype.name else np.float32)
