"""The sound files that are damaged: small ones of every format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests import corpus


@dataclass(frozen=True)
class Seed:
    """A sound file, copied from the corpus or made.

    ``damaged`` names the files of a folder that are damaged.
    """

    name: str
    source: str | Callable[[Path], Path]
    damaged: tuple[str, ...] = ()


def make_seed(seed: Seed, folder: Path) -> Path:
    """The file or folder itself, in ``folder``."""
    folder.mkdir()
    if not isinstance(seed.source, str):
        return seed.source(folder)
    source = corpus.folder() / seed.source
    target = folder / source.name
    if source.is_file():
        shutil.copyfile(source, target)
        return target
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755)
    return target


def _npy(folder: Path) -> Path:
    np.save(folder / "x.npy", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    return folder / "x.npy"


def _npz(folder: Path) -> Path:
    np.savez_compressed(folder / "x.npz", a=np.arange(50), b=np.ones((3, 4), np.float32))
    return folder / "x.npz"


_VARIABLES = ("variables/variables.index", "variables/variables.data-00000-of-00001")

SEEDS = {
    seed.name: seed
    for seed in (
        Seed("saved_model", "notes_tf20/functional/2_model", ("saved_model.pb", *_VARIABLES)),
        Seed("saved_model_tf1", "half_plus_two_tf1", ("saved_model.pb", *_VARIABLES)),
        Seed(
            "checkpoint",
            "notes_tf20/subclass/checkpoints",
            (
                "checkpoint",
                "mannal_checkpoint.index",
                "mannal_checkpoint.data-00000-of-00001",
            ),
        ),
        Seed("keras_hdf5", "notes_tf20/functional/3_model.h5"),
        Seed("weights_hdf5", "notes_tf20/functional/1_weight.h5"),
        Seed("keras_archive", "sleep_stages.keras"),
        Seed("tflite", "face_detection_short_range.tflite"),
        Seed("npy", _npy),
        Seed("npz", _npz),
    )
}
