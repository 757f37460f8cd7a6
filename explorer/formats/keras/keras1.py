"""Layers of Keras 1 as Keras 2 writes them, as far as shapes go.

Source: ``keras/legacy/interfaces.py`` of Keras 2, which converts the arguments when code calls them
by their old names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_ARGUMENTS = {
    "atrous_rate": "dilation_rate",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "filter_length": "kernel_size",
    "length": "size",
    "nb_filter": "filters",
    "output_dim": "units",
    "pool_length": "pool_size",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
_VALUES = {"tf": "channels_last", "th": "channels_first"}
_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_CLASS = re.compile(r"(Separable)?(?:Atrous)?Convolution(\dD)")
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"}
_MERGES |= {"concat": "Concatenate", "dot": "Dot", "cos": "Dot"}


def modern(class_name: str, config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The class and config that a layer would have since Keras 2; others stay as they are."""
    if class_name == "Merge":
        return _merge(config)
    found = _CLASS.fullmatch(class_name)
    name = f"{found[1] or ''}Conv{found[2]}" if found else class_name
    renamed = {new: config[old] for old, new in _ARGUMENTS.items() if old in config}
    if not renamed:
        return name, config
    if isinstance(ordering := renamed.get("data_format"), str):
        renamed["data_format"] = _VALUES.get(ordering, ordering)
    sizes = next((keys for keys in _SIZES if all(key in config for key in keys)), ())
    if sizes:
        renamed["kernel_size"] = [config[key] for key in sizes]
    return name, {**config, **renamed}


def shared_config(configs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The dimension ordering of a model, which padding and upsampling layers do not write."""
    orderings = (config["dim_ordering"] for config in configs if "dim_ordering" in config)
    return {"dim_ordering": ordering} if (ordering := next(orderings, None)) else {}


def _merge(config: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    mode = config.get("mode")
    name = _MERGES.get(mode, "Merge") if isinstance(mode, str) else "Merge"
    axis = config.get("dot_axes" if name == "Dot" else "concat_axis", -1)
    return name, {"axis": axis, "axes": axis}
