"""``model.weights.npz``: per object a pickled dictionary of its variables.

Keras (``NpzIOStore`` in ``keras/src/saving/saving_lib.py``) gives NumPy a dictionary per object,
which NumPy pickles; newer versions of both write such files and refuse to load them. The arrays are
found without unpickling, and get the paths that they have in a ``.weights.h5`` file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from explorer.formats.archives.zip_storage import ZipStorage
from explorer.formats.artifact import (
    Check,
    Hazard,
    Location,
    NodeSource,
    Role,
    Selection,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.keras.pickled_arrays import Global, Made, PickleReader, as_array
from explorer.formats.keras.store import CONTAINERS, Places, store_role
from explorer.formats.keras.weights import parts_of
from explorer.formats.nodes import tensor_nodes
from explorer.formats.npy import ENDING, read_array
from explorer.formats.pickles import pickle_hazard
from explorer.formats.raw_tensor import RawValues
from explorer.formats.storage import Pages, Storage
from explorer.formats.text import dtype_text

_ROOT = "__root__"
_CONVERT = Global("tensorflow.python.framework.ops", "convert_to_tensor")
_UNKNOWN = (
    "it is pickled as an object whose values only unpickling would give, and that may run anything."
)


@dataclass
class NpzWeights:
    """The ``.npz`` archive in a member. Raises `UnreadableArtifact` where it cannot be opened."""

    storage: Storage
    member: str
    kind: str = "NumPy weights"
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._archive = ZipStorage(self.storage.below(self.member))
        self._pickles: list[str] = []
        self._values: dict[str, RawValues] = {}
        try:
            self._tensors = self._read_all()
            groups = _groups([tensor.path for tensor in self._tensors])
            self._places = Places(lambda place: groups.get(place, ()))
        except BaseException:
            self._archive.close()
            raise

    def tensors(self) -> list[Tensor]:
        """Every array."""
        return self._tensors

    def layer_groups(self) -> list[str]:
        """The groups of the layers, each at the top or in a list, which has no member itself."""
        objects = {name.removesuffix(ENDING) for name in self._archive.names()}
        paths = [parts_of(tensor.path) for tensor in self._tensors if tensor.role is Role.WEIGHT]
        places = ("/".join(parts[: 1 if parts[0] in objects else 2]) for parts in paths)
        return list(dict.fromkeys(place for place in places if not place.startswith("vars/")))

    def stored_name(self, place: str) -> str:
        """None is stored."""
        return ""

    def place_of(self, path: str) -> str:
        """Where a config has what is stored at a path."""
        return self._places.of(path)

    def nodes(self, kind: Callable[[str], str]) -> NodeSource:
        """The arrays one after the other."""
        return tensor_nodes(self._tensors)

    def hazards(self) -> Iterator[Hazard]:
        """Every pickle, and what a zip archive can do."""
        yield from self._archive.hazards()
        for name in self._pickles:
            yield pickle_hazard(f"{self.member}/{name}")

    def checks(self) -> Iterator[Check]:
        """The CRC-32 of each member, and whether each array's bytes are as many as it takes."""
        yield from self._archive.checks()
        for path, values in self._values.items():
            yield Check("byte count", path, values.problem)

    def close(self) -> None:
        """Close the archive."""
        self._archive.close()

    def _read_all(self) -> list[Tensor]:
        reader = PickleReader()
        names = [name for name in sorted(self._archive.names()) if name.endswith(ENDING)]
        return [tensor for name in names for tensor in self._read(name, reader)]

    def _read(self, name: str, reader: PickleReader) -> list[Tensor]:
        place = name.removesuffix(ENDING)
        try:
            array = read_array(self._archive, name, place, store_role(place))
            if not array.is_pickle or array.values is None:
                return [array.tensor]
            self._pickles.append(name)
            with closing(Pages(self._archive, name)) as pages:
                pickle = reader.read(pages, array.values.start)
            found = [self._tensor(name, place, *item) for item in _variables(pickle)]
        except (UnreadableArtifact, OSError, ValueError) as error:
            self.notes.append(f"{name} in {self.member} cannot be read: {error}.")
            return []
        return found

    def _tensor(self, name: str, place: str, key: str, value: Any) -> Tensor:
        above = "" if place == _ROOT else f"{place}/"
        path = f"{above}vars/{key}"
        array = as_array(value) or as_array(_converted(value)) or as_array(_value_of(value))
        if array is None:
            self.notes.append(f"{path} cannot be read: {_UNKNOWN}")
            return Tensor(path, "unknown", None, 0, store_role(path), reader=partial(_refuse, path))
        values = RawValues(
            self._archive,
            name,
            array.stored.offset,
            array.stored.length,
            array.dtype,
            array.shape,
            array.fortran_order,
        )
        self._values[path] = values
        return Tensor(
            path=path,
            dtype=dtype_text(array.dtype),
            shape=array.shape,
            nbytes=array.stored.length,
            role=store_role(path),
            location=Location(f"{self.member}/{name}", array.stored.offset, array.stored.length),
            reader=partial(values.read, path),
        )


def _groups(paths: Iterable[str]) -> dict[str, set[str]]:
    """For each list of layers the names of the groups in it."""
    found: dict[str, set[str]] = {}
    for parts in map(parts_of, paths):
        for end, part in enumerate(parts[:-1], 1):
            if part in CONTAINERS:
                found.setdefault("/".join(parts[:end]), set()).add(parts[end])
    return found


def _variables(pickle: Any) -> Iterable[tuple[str, Any]]:
    """The dictionary in an array of one object. Raises ``ValueError`` where it holds none."""
    state = pickle.state if isinstance(pickle, Made) else None
    objects = state[4] if isinstance(state, tuple) and len(state) == 5 else None
    variables = objects[0] if isinstance(objects, list) and len(objects) == 1 else None
    if not isinstance(variables, dict):
        raise ValueError("it does not hold the variables of one object")
    return ((str(key), value) for key, value in variables.items())


def _refuse(path: str, _selection: Selection) -> np.ndarray:
    raise TensorUnreadable(f"{path} cannot be read: {_UNKNOWN}")


def _converted(value: Any) -> Any:
    """TensorFlow pickles a tensor of its own as an array with the function that converts it."""
    is_tensor = isinstance(value, Made) and value.called == _CONVERT
    arguments = value.arguments if is_tensor else None
    return arguments[0] if isinstance(arguments, tuple) and len(arguments) == 1 else None


def _value_of(variable: Any) -> Any:
    """Keras 3 pickles its own variables around TensorFlow's, whose ``initial_value`` is stored."""
    inside = _attribute(variable, "_value")
    called = inside.called if isinstance(inside, Made) else None
    state = called.state if isinstance(called, Made) else None
    arguments = state[2] if isinstance(state, tuple) and len(state) > 2 else None
    return arguments.get("initial_value") if isinstance(arguments, dict) else None


def _attribute(value: Any, name: str) -> Any:
    state = value.state if isinstance(value, Made) else None
    return state.get(name) if isinstance(state, dict) else None
