"""Which demo models, datasets, save methods and loaders there are. Data alone: no TensorFlow."""

from explorer.lab.demos import (
    ACTIVATIONS,
    DATASETS,
    DEMOS,
    LOSSES,
    OPTIMIZERS,
    Dataset,
    Demo,
    DemoSettings,
    LayerSpec,
    Line,
    Variant,
)
from explorer.lab.methods import (
    LOADERS,
    LOADERS_BY_FORMAT,
    SAVE_METHODS,
    Loader,
    Refused,
    SaveMethod,
    loader_for_save,
    usual_loader,
    written_by,
)

__all__ = [
    "ACTIVATIONS",
    "DATASETS",
    "DEMOS",
    "LOADERS",
    "LOADERS_BY_FORMAT",
    "LOSSES",
    "OPTIMIZERS",
    "SAVE_METHODS",
    "Dataset",
    "Demo",
    "DemoSettings",
    "LayerSpec",
    "Line",
    "Loader",
    "Refused",
    "SaveMethod",
    "Variant",
    "loader_for_save",
    "usual_loader",
    "written_by",
]
