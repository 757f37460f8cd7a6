"""What the window and the worker say to each other.

Every message is a `msgspec` struct, sent as one MessagePack frame; the arrays that belong to it
follow as raw frames, described by `ArrayHeader`. Nothing is pickled in either direction.
"""

from __future__ import annotations

import msgspec

from explorer.lab.catalog import DemoSettings
from explorer.lab.records import CallSignature as CallSignature
from explorer.lab.records import CallTensor as CallTensor
from explorer.lab.records import LayerRow as LayerRow


class ArrayHeader(msgspec.Struct, frozen=True):
    """The array in one raw frame: C order; ``string`` arrays are sent as MessagePack lists."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class ModelRef(msgspec.Struct, frozen=True, tag=True):
    """A trained model: in the worker's memory, or to be restored there from ``snapshot``.

    ``snapshot`` is a checkpoint prefix in the session's scratch folder, so that a worker that
    takes over from one that died has every model still.
    """

    model_id: str
    settings: DemoSettings
    snapshot: str


class LoadRef(msgspec.Struct, frozen=True, tag=True):
    """An artifact and the loader of the catalogue to load it with.

    ``demo`` says which model to build first, for loaders that need the model's code. With a
    ``digest`` only the bytes that have it are loaded: those that the person was asked about.
    """

    path: str
    loader: str
    demo: DemoSettings | None = None
    digest: str = ""


# Requests ---------------------------------------------------------------------------------------


class Train(msgspec.Struct, frozen=True, tag=True):
    """Build and train a demo model. Answered by `Trained`."""

    model: ModelRef


class Save(msgspec.Struct, frozen=True, tag=True):
    """Save a trained model by a method of the catalogue to ``target``. Answered by `Saved`.

    Fails if the target exists and ``replace`` is false.
    """

    model: ModelRef
    method: str
    target: str
    replace: bool = False


class Load(msgspec.Struct, frozen=True, tag=True):
    """Load an artifact, or make a trained model ready. Answered by `Loaded`."""

    source: LoadRef | ModelRef


class Predict(msgspec.Struct, frozen=True, tag=True):
    """Run ``signature`` on ``inputs``; loads the source first if needed. Answered by `Predicted`.

    ``passed_as`` renames inputs in the call, to try a call the way the notes write it.
    """

    source: LoadRef | ModelRef
    signature: str
    inputs: tuple[ArrayHeader, ...]
    passed_as: dict[str, str] = {}


class TestSet(msgspec.Struct, frozen=True, tag=True):
    """Make the test set of a demo model. Answered by `TestSetMade`."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    settings: DemoSettings


Request = Train | Save | Load | Predict | TestSet


class Envelope(msgspec.Struct, frozen=True, tag=True):
    """A request with the number that its events will carry."""

    job: int
    request: Request


class CancelJob(msgspec.Struct, frozen=True, tag=True):
    """Stop a job at the next batch."""

    job: int


# Results ----------------------------------------------------------------------------------------


class Trained(msgspec.Struct, frozen=True, tag=True):
    """A model was trained; ``seconds`` is the training alone, without building."""

    model: ModelRef
    metrics: dict[str, float]
    steps: int
    seconds: float


class Saved(msgspec.Struct, frozen=True, tag=True):
    """An artifact is in place; ``size`` in bytes."""

    path: str
    size: int
    seconds: float
    digest: str


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """An artifact is loaded and can be run; ``call`` is the code that did it."""

    call: str
    signatures: tuple[CallSignature, ...]
    seconds: float
    warnings: tuple[str, ...] = ()


class Predicted(msgspec.Struct, frozen=True, tag=True):
    """Outputs, whose arrays follow; ``seconds`` is the run alone, without loading."""

    outputs: tuple[ArrayHeader, ...]
    seconds: float


class TestSetMade(msgspec.Struct, frozen=True, tag=True):
    """The test inputs, whose array follows."""

    __test__ = False

    inputs: tuple[ArrayHeader, ...]


ResultValue = Trained | Saved | Loaded | Predicted | TestSetMade

# Events -----------------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The worker has imported its libraries; their versions by package name."""

    versions: dict[str, str]
    pid: int


class Built(msgspec.Struct, frozen=True, tag=True):
    """The model to be trained exists: its layers, and how many steps there are in all.

    Told again where the layers have their variables only after the training.
    """

    job: int
    layers: tuple[LayerRow, ...]
    steps: int


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How far a job is. ``seconds_left`` is ``None`` until it can be told."""

    job: int
    text: str
    done: int
    total: int
    seconds_left: float | None = None


class Metric(msgspec.Struct, frozen=True, tag=True):
    """Training values so far. ``epoch_end`` marks the values that belong in the epoch table.

    ``step`` counts batches from the start of the training; names as Keras has them, validation
    values with the prefix ``val_``.
    """

    job: int
    epoch: int
    step: int
    values: dict[str, float]
    seconds: float
    epoch_end: bool = False


class Log(msgspec.Struct, frozen=True, tag=True):
    """A line that the job printed."""

    job: int
    text: str


class Result(msgspec.Struct, frozen=True, tag=True):
    """The job is done."""

    job: int
    value: ResultValue


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The job ended with an error.

    ``message`` is the exception's own text, ``reason`` says in plain words why and what to do next
    (empty where nothing is known), ``traceback`` is complete. A worker that died is an exception
    called ``WorkerEnded``, with what it printed last as the traceback. Job 0 is the worker's own
    start. ``plain`` marks this program's own words: the reason, or else the message, says it all.
    """

    job: int
    exception: str
    message: str
    reason: str = ""
    traceback: str = ""
    plain: bool = False


class Cancelled(msgspec.Struct, frozen=True, tag=True):
    """The job was stopped because the person asked for it."""

    job: int


Event = Ready | Built | Progress | Metric | Log | Result | Failed | Cancelled
JobEvent = Built | Progress | Metric | Log | Result | Failed | Cancelled

Command = Envelope | CancelJob
