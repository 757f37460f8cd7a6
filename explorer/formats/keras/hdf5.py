"""HDF5 files: whole Keras models, Keras weights of either layout, and any other.

How Keras lays them out: ``keras/src/legacy/saving/legacy_h5_format.py`` (a group per layer) and
``keras/src/saving/saving_lib.py`` (the object tree).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial

from explorer.formats.artifact import (
    Artifact,
    Check,
    Config,
    Contents,
    Layer,
    Node,
    NodeType,
    Producer,
    Role,
    Tensor,
    UnreadableArtifact,
)
from explorer.formats.hdf5.checks import checks_of, hazards_of
from explorer.formats.hdf5.file import (
    HDF5_ERRORS,
    Hdf5File,
    check_complete,
    has_names,
    names_attribute,
    plain,
    text_attribute,
)
from explorer.formats.hdf5.objects import Hdf5Object
from explorer.formats.hdf5.superblock import superblock_offset
from explorer.formats.hdf5.tree import (
    Hdf5View,
    Links,
    attributes_of,
    links_of,
    open_group,
    root_source,
    walk,
)
from explorer.formats.json_tree import excess, parse_object, why_unparsed
from explorer.formats.keras.config import LayerConfig, architecture, read_config
from explorer.formats.keras.copies import copies
from explorer.formats.keras.group_labels import group_labels
from explorer.formats.keras.labels import StoreLabels
from explorer.formats.keras.store import (
    Places,
    groups_in,
    is_store,
    layer_groups,
    store_layers,
    store_role,
    stored_names,
)
from explorer.formats.keras.variables import SUMMARIZING
from explorer.formats.keras.weights import (
    TOP_LEVEL,
    LayerGroups,
    contents_of,
    group_layers,
    layer_of,
)
from explorer.formats.keras.weights_store import Labelled
from explorer.formats.registry import Match
from explorer.formats.storage import Storage, joined
from explorer.formats.text import count_text


def match(storage: Storage) -> Match | None:
    """Look for the signature; raises `UnreadableArtifact` where the file is cut short."""
    if storage.is_folder:
        return None
    offset = superblock_offset(storage)
    if offset is None:
        return None
    check_complete(storage, offset)
    return Match(storage)


def open(match: Match) -> Artifact:
    """Open the file and keep it open until the artifact is closed."""
    file = Hdf5File(match.storage)
    try:
        root = file.root
        return _Reading(match.storage, file, _layout_of(root), links_of(root)).artifact()
    except HDF5_ERRORS as error:
        file.close()
        raise UnreadableArtifact(
            f"{file.name} is an HDF5 file, but its root group cannot be read: {plain(error)}. "
            "Copy or download it again."
        ) from error
    except UnreadableArtifact:
        file.close()
        raise


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which of the ways to write HDF5 this is, and what its attributes say.

    ``unread`` says which configs cannot be read.
    """

    format: str
    format_name: str
    root: str = ""
    names: tuple[str, ...] = ()
    model: LayerConfig | None = None
    compiled: bool = False
    configs: tuple[Config, ...] = ()
    unread: tuple[Check, ...] = ()
    producer: Producer = field(default_factory=Producer)

    def role(self, path: str) -> Role:
        """What the dataset at a path is for."""
        if self.format == "keras_hdf5":
            return _WHOLE_ROLES.get(path.partition("/")[0], Role.OTHER)
        if self.format == "hdf5":
            return Role.OTHER
        if not self.names:
            return store_role(path)
        in_layer = layer_of(path, {*self.names, TOP_LEVEL})
        return Role.WEIGHT if in_layer else Role.OTHER


_MODEL_CONFIG = "model_config"
_WEIGHTS = "model_weights"
_ABSENT = (
    "The file lists it, but does not hold it: the save was interrupted, or the file was changed "
    "afterwards. Copy it or save the model again."
)
_WHOLE_ROLES = {_WEIGHTS: Role.WEIGHT, "optimizer_weights": Role.OPTIMIZER}


def _layout_of(root: Hdf5Object) -> _Layout:
    groups = root.links
    config = text_attribute(root, _MODEL_CONFIG)
    if config or _WEIGHTS.encode() in groups:
        return _whole_model(root, config)
    if has_names(root, "layer_names"):
        names = tuple(names_attribute(root, "layer_names"))
        return _Layout(
            "keras_weights_hdf5", "HDF5 weights", names=names, producer=_producer([root])
        )
    if is_store(root):
        return _Layout("keras_weights_hdf5", "HDF5 weights")
    return _Layout("hdf5", "HDF5")


def _whole_model(root: Hdf5Object, config: str) -> _Layout:
    holders = [root]
    with suppress(KeyError):
        holders.append(open_group(root, _WEIGHTS))
    model = parse_object(config)
    training = text_attribute(root, "training_config")
    configs = {_MODEL_CONFIG: model, "training_config": parse_object(training)}
    texts = {_MODEL_CONFIG: config, "training_config": training}
    return _Layout(
        "keras_hdf5",
        "Keras HDF5",
        root=_WEIGHTS,
        names=tuple(names_attribute(holders[-1], "layer_names")),
        model=read_config(model),
        compiled=bool(training),
        configs=tuple(Config(name, value) for name, value in configs.items() if texts[name]),
        unread=tuple(_unread(n, t) for n, t in texts.items() if t and configs[n] is None),
        producer=_producer(holders),
    )


def _unread(name: str, text: str) -> Check:
    reason = f"The attribute {name} is not the JSON of a config: it {why_unparsed(text)}."
    return Check("json", name, limit=reason) if excess(text) else Check("json", name, reason)


def _producer(holders: Sequence[Hdf5Object]) -> Producer:
    def said(name: str) -> str:
        return next((text for h in holders if (text := text_attribute(h, name))), "")

    return Producer(keras=said("keras_version"), backend=said("backend"))


class _Reading:
    """One open file on its way to an `Artifact`."""

    def __init__(self, storage: Storage, file: Hdf5File, layout: _Layout, links: Links) -> None:
        self._storage = storage
        self._file = file
        self._layout = layout
        self._links = links
        kinds = self._kinds()
        self._view = Hdf5View(file, layout.role, lambda path: kinds.get(path, ""), storage.name)
        self._labelled: Callable[[], tuple[Tensor, ...]] = cache(self._with_labels)
        self.tensors: Callable[[], tuple[Tensor, ...]] = cache(self._counted_once)
        self._place_of = Places(partial(groups_in, file)).of

    @cached_property
    def _stored(self) -> tuple[Tensor, ...]:
        return tuple(walk(self._view))

    @cached_property
    def _objects(self) -> StoreLabels | None:
        """What the weights are called where their groups are an object tree."""
        layout = self._layout
        if layout.format == "hdf5" or layout.names or layout.model is not None:
            return None
        names, groups = stored_names(self._file), layer_groups(self._file)
        return StoreLabels(
            self._stored, lambda place: names.get(place, ""), self._place_of, layer_groups=groups
        )

    def _with_labels(self) -> tuple[Tensor, ...]:
        if self._layout.format == "hdf5":
            return self._stored
        if self._objects is not None:
            return self._objects.labelled()
        labels = group_labels(self._stored, self._groups)
        return tuple(
            replace(tensor, label=labels.get(tensor.path, ""), role=self._role(tensor))
            for tensor in self._stored
        )

    def _role(self, tensor: Tensor) -> Role:
        is_summary = self._groups.split(tensor.path)[0] in self._summarizing
        return Role.OTHER if is_summary and tensor.role is Role.WEIGHT else tensor.role

    @cached_property
    def _summarizing(self) -> frozenset[str]:
        layers = self._layout.model.layers if self._layout.model else ()
        return frozenset(layer.name for layer in layers if layer.own_class == SUMMARIZING)

    def _counted_once(self) -> tuple[Tensor, ...]:
        """The tensors, of which a weight that is stored again counts as none."""
        weights = [tensor for tensor in self._labelled() if tensor.role is Role.WEIGHT]
        again = copies(weights, self._groups)
        return tuple(
            replace(tensor, role=Role.OTHER) if tensor.path in again else tensor
            for tensor in self._labelled()
        )

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        return {tensor.path: tensor.label for tensor in self.tensors()}

    def _label(self, path: str) -> str:
        return self._labels.get(path, "")

    def _kinds(self) -> dict[str, str]:
        layers = self._layout.model.layers if self._layout.model else ()
        return {f"{self._layout.root}/{layer.name}": layer.class_name for layer in layers}

    def artifact(self) -> Artifact:
        missing = self._missing()
        return Artifact(
            path=self._storage.uri,
            name=self._storage.name,
            format=self._layout.format,
            format_name=self._layout.format_name,
            size=self._file.size,
            root=self._root(),
            producer=self._layout.producer,
            contents=self._contents(not missing),
            tensors=self.tensors,
            layers=cache(self._layers),
            configs=lambda: self._layout.configs,
            hazards=lambda: hazards_of(self._file),
            checks=self._checks,
            notes=self._notes(missing),
            close=self._file.close,
        )

    def _checks(self) -> Iterator[Check]:
        yield from self._layout.unread
        yield from self._listed_checks()
        yield from checks_of(self._file)

    def _listed_checks(self) -> Iterator[Check]:
        """Whether each weight that a layer lists has a name; what it leads to, others check."""
        missing = set(self._missing())
        for path in self._groups.listed:
            is_there = path not in missing or self._has_name(path)
            yield Check("weight present", path, "" if is_there else _ABSENT)

    def _has_name(self, path: str) -> bool:
        above, _, name = path.rpartition("/")
        with suppress(KeyError, *HDF5_ERRORS):
            return name.encode() in open_group(self._file.root, above).links
        return False

    def _root(self) -> Node:
        source, is_plain = root_source(self._view, self._links), self._layout.format == "hdf5"
        return Node(
            self._storage.name,
            NodeType.FILE,
            kind=self._layout.format_name,
            size=self._file.size,
            attributes=lambda: attributes_of(self._file),
            source=source if is_plain else Labelled(source, self._label),
        )

    def _contents(self, complete: bool) -> Contents:
        if self._layout.format == "hdf5":
            return Contents()
        known = architecture(self._layout.model)
        return contents_of(self.tensors(), known, self._layout.compiled, complete)

    def _layers(self) -> tuple[Layer, ...]:
        if self._layout.format == "hdf5":
            return ()
        objects = self._objects
        if objects is None:
            return group_layers(self._layout.model, self._groups, self._labelled())
        return store_layers(
            None, self.tensors(), objects.layer_groups, objects.stored_name, self._place_of
        )

    @cached_property
    def _groups(self) -> LayerGroups:
        """The groups of the layers; one that is missing is listed as if it were a weight."""
        layout = self._layout
        listed: dict[str, str] = {}
        holder = self._holder()
        for layer in layout.names:
            above = joined(layout.root, layer)
            try:
                names = names_attribute(open_group(holder, layer), "weight_names")
                listed.update((f"{above}/{name}", layer) for name in names)
            except KeyError:
                listed[above] = layer
        return LayerGroups(layout.root, layout.names, listed)

    def _missing(self) -> list[str]:
        """Weights that the attributes list, but the file does not hold."""
        listed = self._groups.listed
        stored = {tensor.path for tensor in self.tensors()} if listed else set()
        return [path for path in listed if path not in stored]

    def _holder(self) -> Hdf5Object:
        """The group with a group per layer; the root where the one for it is missing."""
        root = self._file.root
        with suppress(KeyError):
            return open_group(root, self._layout.root)
        return root

    def _notes(self, missing: list[str]) -> tuple[str, ...]:
        if self._layout.format == "hdf5":
            return (
                "Nothing in this HDF5 file says that Keras wrote it, so its datasets are shown "
                "as they are and not counted as weights.",
            )
        unread = tuple(check.problem or check.limit for check in self._layout.unread)
        unnamed = self._objects.notes() if self._objects else ()
        if not missing:
            return (*unread, *unnamed)
        above = joined(self._layout.root, "")
        named = [path.removeprefix(above) for path in missing[:3]]
        listed = ", ".join(named) + (" …" if len(missing) > 3 else "")
        return (
            *unread,
            f"{count_text(len(missing), 'weight')} that the file lists cannot be found in it: "
            f"{listed}. The save was interrupted, or the file was changed afterwards.",
        )
