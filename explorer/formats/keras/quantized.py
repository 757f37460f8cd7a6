"""Quantized layers of Keras 3: their variables in the order of storing.

Source: ``variable_serialization_spec`` and ``save_own_variables`` in ``keras/src/layers/core``, and
``keras/src/dtype_policies/dtype_policy.py``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

Names = tuple[str, ...]

_KERNEL = ("kernel", "bias", "kernel_scale")
_PACKED = ("bias", "quantized_kernel", "kernel_scale", "kernel_zero")
_EMBEDDINGS = ("embeddings", "embeddings_scale")
_GROUPED = (*_EMBEDDINGS, "embeddings_zero", "g_idx")
_REVERSE = ("reverse_embeddings", "reverse_embeddings_scale")
FLOAT8 = tuple(
    f"{what}_{kept}"
    for what, history in (("inputs", ""), ("kernel", ""), ("outputs", "grad_"))
    for kept in (f"{history}scale", f"{history}amax_history")
)
"""What is kept to compute with 8-bit floating point; its gradients take its place."""

_DENSE: dict[str, tuple[Names, ...]] = {
    "int8": (_KERNEL,),
    "int4": (_KERNEL, (*_KERNEL, "kernel_zero", "g_idx")),
    "float8": (("kernel", "bias", *FLOAT8),),
    "gptq": ((*_PACKED, "g_idx"),),
    "awq": ((*_PACKED, "awq_scales", "g_idx"),),
}
"""Of 4 bits with one scale for each output, or one for each block of a kernel's values."""

_BY_CLASS: dict[str, dict[str, tuple[Names, ...]]] = {
    "Dense": _DENSE,
    "EinsumDense": _DENSE,
    "Embedding": {
        "int8": (_EMBEDDINGS,),
        "int4": (_EMBEDDINGS, _GROUPED),
    },
    "ReversibleEmbedding": {
        "int8": ((*_EMBEDDINGS, *_REVERSE),),
        "int4": (
            (*_EMBEDDINGS, *_REVERSE),
            (*_GROUPED, *_REVERSE, "reverse_embeddings_zero"),
        ),
    },
}
_BY_DTYPE = {"int8": ("int8", "int4"), "uint8": ("gptq", "awq")}
"""Which modes keep values of a type; packed values of 4 bits are stored as whole bytes."""


def possible_names(
    class_name: str, plain: Names, config: Mapping[str, Any], dtypes: Container[str]
) -> tuple[Names, ...]:
    """All variables that a layer may have, ``plain`` where it is not quantized.

    ``dtypes`` are the types that its variables are stored in, which tell where the config does not.
    """
    by_mode = _BY_CLASS.get(class_name, {})
    if "dtype" in config:
        return by_mode.get(_mode(config["dtype"]), (plain,))
    modes = [mode for dtype, modes in _BY_DTYPE.items() if dtype in dtypes for mode in modes]
    if modes and by_mode:
        return tuple(names for mode in modes for names in by_mode.get(mode, ()))
    return (plain, *by_mode.get("float8", ()))


def _mode(policy: Any) -> str:
    """``int4`` of the policy ``int4/128``, written with its parts or as ``int4_from_float32``."""
    if isinstance(policy, dict):
        config = policy.get("config")
        policy = config.get("mode") if isinstance(config, dict) else ""
    return policy.partition("_from_")[0].partition("/")[0] if isinstance(policy, str) else ""
