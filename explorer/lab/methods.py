"""The save methods and loaders of the study notes, and those of today. Data alone: no TensorFlow.

What a method keeps and whether a model is accepted was measured with TensorFlow 2.21, Keras 3.15
and tf-keras 2.21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from explorer.lab.demos import Line, Variant


@dataclass(frozen=True)
class Refused:
    """A save the library refuses: its error, and why in plain words.

    It takes the same call all the same where the name has the ending of one of the methods that
    ``unless`` lists, and then does what that method does.
    """

    error: str
    message_start: str
    reason: str
    unless: tuple[str, ...] = ()


@dataclass(frozen=True)
class SaveMethod:
    """A way to save a model.

    ``call`` and ``load_call`` are shown; ``{name}`` stands for the target. ``keeps`` is what was
    measured to be in the artifact; ``refused`` says which variants the library refuses, and
    ``caution`` where a save succeeds and the artifact is not what one expects. ``notes_say`` is the
    notes' own claim, translated. ``targets`` is the notes' name for it, by demo key. The library
    writes this format where the name has one of ``endings`` and none of ``avoided``.
    """

    key: str
    number: str
    title: str
    call: str
    load_call: str
    keeps: tuple[str, ...]
    about: str
    targets: Mapping[str, str]
    is_folder: bool
    loader: str
    endings: tuple[str, ...] = ()
    avoided: tuple[str, ...] = ()
    today: bool = False
    notes_say: str = ""
    refused: Mapping[Variant, Refused] | None = None
    caution: Mapping[Variant, str] | None = None
    keeps_by_variant: Mapping[Variant, tuple[str, ...]] | None = None
    calls_by_variant: Mapping[Variant, str] | None = None

    def call_for(self, variant: Variant) -> str:
        """The call made for this variant, with ``{name}`` in it."""
        return (self.calls_by_variant or {}).get(variant, self.call)

    def call_on(self, variant: Variant, name: str) -> str:
        """The call made for this variant to save to ``name``, as Python code."""
        return self.call_for(variant).format(name=name.replace('"', '\\"'))

    def kept(self, variant: Variant) -> tuple[str, ...]:
        """What the artifact of this variant holds."""
        return (self.keeps_by_variant or {}).get(variant, self.keeps)

    def refusal(self, variant: Variant) -> Refused | None:
        """Why the library refuses this variant, or ``None``."""
        return (self.refused or {}).get(variant)

    def name_fits(self, name: str) -> bool:
        """Whether the library writes this method's format to a target of that name."""
        return name.endswith(self.endings or "") and not name.endswith(self.avoided)


_SUBCLASSES = (Variant.SUBCLASS_2, Variant.SUBCLASS_3, Variant.PORTED_3)
"""Not compiled, as in the notes: their optimizer lies beside the model and is in no artifact."""

_ENDING = Refused(
    "ValueError",
    "The filename must end in `.weights.h5`.",
    "Keras 3 writes weights only to files that end in .weights.h5. "
    "Use “Weights today”, or the Keras 2 line.",
    unless=("weights_today",),
)
_ENDING_OF_CHECKPOINT = replace(_ENDING, unless=())
_SAVE_FORMAT = Refused(
    "ValueError",
    "The `save_format` argument is deprecated in Keras 3.",
    "Keras 3 chooses the format by the file's ending and no longer writes SavedModel folders with "
    "save(). Use “Export” for a folder that serves, or .keras to go on working with the model.",
    unless=("keras_archive", "whole_h5"),
)
_NOT_FUNCTIONAL = Refused(
    "NotImplementedError",
    "Saving the model to HDF5 format requires the model to be a Functional model or a Sequential "
    "model.",
    "A whole-model HDF5 file describes the layers as data; a subclassed model has its structure "
    "in Python code. Use method 4 to run it anywhere, or method 1 to keep its weights.",
    unless=("keras_archive", "keras_saved_model"),
)
_TRACED = (
    "Saves, but goes wrong on loading without an error: with @tf.function on call, Keras 3 "
    "restores the variables and the traced function still answers with others. Predict shows by "
    "how much."
)
_FILE_ENDINGS = (".h5", ".hdf5", ".keras", ".tflite")
"""By which Keras and loaders tell files apart, so that no folder shall have them."""
_NEEDS_CLASS = "Holds the name of the class, not its code: loads only with custom_objects given."

SAVE_METHODS: Mapping[str, SaveMethod] = {
    method.key: method
    for method in (
        SaveMethod(
            key="weights_h5",
            number="1",
            title="Weights only",
            call='model.save_weights("{name}")',
            load_call='model.load_weights("{name}")',
            keeps=("weights",),
            about="One HDF5 file. Needs the model's code to load.",
            notes_say="weights alone, no structure",
            targets={"functional": "1_weight.h5", "subclass": "1_weight.h5"},
            is_folder=False,
            loader="load_weights",
            endings=(".h5", ".hdf5"),
            refused=dict.fromkeys(
                (Variant.FUNCTIONAL_3, Variant.SUBCLASS_3, Variant.PORTED_3), _ENDING
            ),
        ),
        SaveMethod(
            key="keras_saved_model",
            number="2",
            title="Keras SavedModel",
            call='model.save("{name}", save_format="tf")',
            load_call='new_model = {keras}.models.load_model("{name}")',
            keeps=("weights", "architecture", "optimizer", "compile", "graph", "signatures"),
            about="A folder: saved_model.pb, variables, assets.",
            notes_say="whole model, no optimizer; not for custom models",
            targets={"functional": "2_keras_model", "subclass": "2_selfdefined_model"},
            is_folder=True,
            loader="load_model",
            avoided=_FILE_ENDINGS,
            refused=dict.fromkeys(
                (Variant.FUNCTIONAL_3, Variant.SUBCLASS_3, Variant.PORTED_3), _SAVE_FORMAT
            ),
            keeps_by_variant={Variant.SUBCLASS_2: ("weights", "graph", "signatures")},
        ),
        SaveMethod(
            key="whole_h5",
            number="3",
            title="Whole model, HDF5",
            call='model.save("{name}")',
            load_call='new_model = {keras}.models.load_model("{name}")',
            keeps=("weights", "architecture", "optimizer", "compile"),
            about="One HDF5 file with the layers as JSON. Not for subclassed models.",
            notes_say="everything",
            targets={"functional": "3_keras_model.h5", "subclass": "3_selfdefined_model.h5"},
            is_folder=False,
            loader="load_model",
            endings=(".h5", ".hdf5"),
            refused={Variant.SUBCLASS_2: _NOT_FUNCTIONAL},
            caution=dict.fromkeys(
                (Variant.SUBCLASS_3, Variant.PORTED_3),
                "Saves the weights, but the file cannot be loaded: it holds no layers to rebuild.",
            ),
            keeps_by_variant=dict.fromkeys((Variant.SUBCLASS_3, Variant.PORTED_3), ("weights",)),
        ),
        SaveMethod(
            key="saved_model",
            number="4",
            title="TensorFlow SavedModel",
            call='tf.saved_model.save(model, "{name}")',
            load_call='tf.saved_model.load("{name}").signatures["serving_default"]',
            keeps=("weights", "optimizer", "graph", "signatures"),
            about="A folder for serving: runs without the model's Python code.",
            notes_say="whole model, no optimizer",
            targets={"functional": "4_keras_model", "subclass": "4_selfdefined_model"},
            avoided=_FILE_ENDINGS,
            is_folder=True,
            loader="saved_model",
            keeps_by_variant=dict.fromkeys(_SUBCLASSES, ("weights", "graph", "signatures")),
            calls_by_variant={
                Variant.PORTED_3: 'tf.saved_model.save(model, "{name}", '
                "signatures=tf.function(model.call, input_signature=[digits]))"
            },
        ),
        SaveMethod(
            key="checkpoint_weights",
            number="5",
            title="Checkpoint by save_weights",
            call='model.save_weights("{name}/mannal_checkpoint")',
            load_call='model.load_weights("{name}/mannal_checkpoint")',
            keeps=("weights", "optimizer"),
            about="Index and data files for resuming. Needs the model's code to load.",
            notes_say="weights alone, as method 1",
            targets={"functional": "checkpoints", "subclass": "checkpoints"},
            avoided=_FILE_ENDINGS,
            is_folder=True,
            loader="load_weights",
            keeps_by_variant={Variant.SUBCLASS_2: ("weights",)},
            refused=dict.fromkeys(
                (Variant.FUNCTIONAL_3, Variant.SUBCLASS_3, Variant.PORTED_3), _ENDING_OF_CHECKPOINT
            ),
        ),
        SaveMethod(
            key="weights_today",
            number="1",
            title="Weights today",
            call='model.save_weights("{name}")',
            load_call='model.load_weights("{name}")',
            keeps=("weights", "optimizer"),
            about="The same for Keras 3: the ending .weights.h5 is required. A compiled model's "
            "optimizer is kept too.",
            targets={"functional": "1_model.weights.h5", "subclass": "1_model.weights.h5"},
            is_folder=False,
            loader="load_weights",
            endings=(".weights.h5",),
            today=True,
            caution={Variant.SUBCLASS_3: _TRACED},
            keeps_by_variant=dict.fromkeys(_SUBCLASSES, ("weights",)),
        ),
        SaveMethod(
            key="export",
            number="2",
            title="Export",
            call='model.export("{name}")',
            load_call='tf.saved_model.load("{name}").signatures["serving_default"]',
            keeps=("weights", "graph", "signatures"),
            about="A SavedModel folder for serving, without the training parts.",
            targets={"functional": "2_exported_model", "subclass": "2_exported_model"},
            avoided=_FILE_ENDINGS,
            is_folder=True,
            loader="saved_model",
            today=True,
        ),
        SaveMethod(
            key="keras_archive",
            number="3",
            title="Keras archive",
            call='model.save("{name}")',
            load_call='new_model = {keras}.models.load_model("{name}")',
            keeps=("weights", "architecture", "optimizer", "compile"),
            about="One zip file; the format Keras 3 recommends.",
            targets={"functional": "3_model.keras", "subclass": "3_model.keras"},
            is_folder=False,
            loader="load_model",
            endings=(".keras",),
            today=True,
            caution={
                Variant.SUBCLASS_2: _NEEDS_CLASS,
                Variant.PORTED_3: _NEEDS_CLASS,
                Variant.SUBCLASS_3: f"{_NEEDS_CLASS} {_TRACED}",
            },
            keeps_by_variant=dict.fromkeys(_SUBCLASSES, ("weights",)),
        ),
        SaveMethod(
            key="checkpoint",
            number="5",
            title="Checkpoint today",
            call='tf.train.Checkpoint(model=model).save("{name}/checkpoint")',
            load_call='tf.train.Checkpoint(model=model).restore("{name}/checkpoint-1")',
            keeps=("weights", "optimizer"),
            about="Follows the objects, so it is right for every model. Needs the code to load.",
            targets={"functional": "checkpoints_today", "subclass": "checkpoints_today"},
            avoided=_FILE_ENDINGS,
            is_folder=True,
            loader="restore_checkpoint",
            today=True,
            keeps_by_variant=dict.fromkeys(_SUBCLASSES, ("weights",)),
        ),
        SaveMethod(
            key="tflite",
            number="6",
            title="TensorFlow Lite",
            call='Path("{name}").write_bytes('
            "tf.lite.TFLiteConverter.from_keras_model(model).convert())",
            load_call='tf.lite.Interpreter("{name}")',
            keeps=("weights", "graph", "signatures"),
            about="One file for phones and small devices; inference alone.",
            targets={"functional": "6_model.tflite", "subclass": "6_model.tflite"},
            endings=(".tflite",),
            is_folder=False,
            loader="tflite",
            today=True,
        ),
    )
}


def written_by(method: SaveMethod, variant: Variant, name: str) -> SaveMethod | None:
    """The method whose artifact the call of ``method`` leaves at ``name``; ``None``: refused."""
    refused = method.refusal(variant)
    if refused is None:
        return method
    others = (SAVE_METHODS[key] for key in refused.unless)
    return next((other for other in others if other.name_fits(name)), None)


@dataclass(frozen=True)
class Loader:
    """A way to load an artifact. ``needs_demo``: a model is built from its code first.

    ``call`` has ``{keras}`` for the Keras package and ``{name}`` for the artifact.
    """

    key: str
    call: str
    about: str
    line: Line | None = None
    needs_demo: bool = False


LOADERS: Mapping[str, Loader] = {
    loader.key: loader
    for loader in (
        Loader(
            "saved_model",
            'tf.saved_model.load("{name}")',
            "Runs the graphs in the folder by their signatures; needs no Python class.",
        ),
        Loader(
            "keras3",
            'keras.models.load_model("{name}")',
            "Rebuilds the Keras 3 model.",
            Line.KERAS3,
        ),
        Loader(
            "keras3_no_compile",
            'keras.models.load_model("{name}", compile=False)',
            "Rebuilds the model without its optimizer and losses.",
            Line.KERAS3,
        ),
        Loader(
            "keras3_class",
            'keras.models.load_model("{name}", custom_objects={{"MyModel": MyModel}})',
            "Rebuilds the model with the notes' class given.",
            Line.KERAS3,
            needs_demo=True,
        ),
        Loader(
            "keras2",
            'tf_keras.models.load_model("{name}")',
            "Rebuilds the Keras 2 model.",
            Line.KERAS2,
        ),
        Loader(
            "keras2_no_compile",
            'tf_keras.models.load_model("{name}", compile=False)',
            "Rebuilds the model without its optimizer and losses.",
            Line.KERAS2,
        ),
        Loader(
            "keras2_class",
            'tf_keras.models.load_model("{name}", custom_objects={{"MyModel": MyModel}})',
            "Rebuilds the model with the notes' class given.",
            Line.KERAS2,
            needs_demo=True,
        ),
        Loader(
            "load_weights",
            'model.load_weights("{name}")',
            "Puts the weights into a freshly built demo model.",
            needs_demo=True,
        ),
        Loader(
            "restore_checkpoint",
            'tf.train.Checkpoint(model=model).restore("{name}")',
            "Puts the checkpoint into a freshly built demo model.",
            needs_demo=True,
        ),
        Loader("tflite", 'tf.lite.Interpreter("{name}")', "Runs the file with TensorFlow Lite."),
    )
}


def loader_for_save(method: SaveMethod, line: Line) -> str:
    """The key of the loader that undoes ``method`` the way the notes do, on a Keras line."""
    return line.value if method.loader == "load_model" else method.loader


_KERAS_LOADERS = tuple(key for key in LOADERS if key.startswith("keras"))

LOADERS_BY_FORMAT: Mapping[str, tuple[str, ...]] = {
    "saved_model": ("saved_model", *_KERAS_LOADERS),
    "keras_archive": _KERAS_LOADERS,
    "keras_hdf5": (*_KERAS_LOADERS, "load_weights"),
    "keras_weights_hdf5": ("load_weights",),
    "tf_checkpoint": ("load_weights", "restore_checkpoint"),
    "tflite": ("tflite",),
}
"""The loaders to offer for a format of the ``show`` contract, the usual one first."""


def usual_loader(format_key: str, keras_version: str) -> str:
    """The loader to propose for an artifact from elsewhere; empty where nothing loads it.

    A Keras file goes to the line that wrote it, and to Keras 2 where it does not say: files of
    Keras 1 and early 2 have no version in them.
    """
    offered = LOADERS_BY_FORMAT.get(format_key, ())
    if offered[:1] == ("keras3",) and not keras_version.startswith("3"):
        return "keras2"
    return offered[0] if offered else ""
