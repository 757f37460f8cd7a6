"""What the worker does for each request, and the models and artifacts it keeps in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from explorer.analysis.origin import artifact_size, digest
from explorer.engine.messages import (
    Load,
    Loaded,
    LoadRef,
    ModelRef,
    Predict,
    Predicted,
    Request,
    ResultValue,
    Save,
    Saved,
    TestSet,
    TestSetMade,
    Train,
    Trained,
)
from explorer.engine.transport import named_headers
from explorer.lab.data import demo_inputs
from explorer.lab.explaining import ArtifactError
from explorer.lab.loading import LoadedArtifact, load
from explorer.lab.models import INPUT, DemoModel, build
from explorer.lab.reporting import Report
from explorer.lab.running import KerasRunner, Runner, run
from explorer.lab.saving import save
from explorer.lab.training import train

_KEPT_MODELS = 8
_KEPT_ARTIFACTS = 4

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Answer = tuple[ResultValue, Sequence[np.ndarray]]


class Kept(Generic[Key, Value]):
    """The values used last, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value kept for a key, else a new one; room is made before it is made."""
        if key not in self._values:
            while len(self._values) >= self._limit:
                self._values.popitem(last=False)
            self._values[key] = make()
        self._values.move_to_end(key)
        return self._values[key]

    def drop(self, unwanted: Callable[[Key], bool]) -> None:
        """Free the values of some keys."""
        for key in [key for key in self._values if unwanted(key)]:
            del self._values[key]


_Stamp = tuple[tuple[str, int, int, int, int], ...]


class Jobs:
    """Runs requests one at a time."""

    def __init__(self) -> None:
        self._models: Kept[str, DemoModel] = Kept(_KEPT_MODELS)
        self._artifacts: Kept[tuple[LoadRef, _Stamp], LoadedArtifact] = Kept(_KEPT_ARTIFACTS)

    def run(self, request: Request, arrays: Sequence[np.ndarray], report: Report) -> Answer:
        """The result with its arrays. Raises whatever the libraries and the lab raise."""
        if isinstance(request, Train):
            return self._train(request, report), ()
        if isinstance(request, Save):
            return self._save(request), ()
        if isinstance(request, Load):
            return self._load(request.source), ()
        if isinstance(request, Predict):
            return self._predict(request, arrays)
        return _test_set(request)

    def _train(self, request: Train, report: Report) -> Trained:
        ref = request.model
        training = train(ref.settings, report)
        training.model.write_snapshot(ref.snapshot)
        self._models.drop(lambda kept: kept == ref.model_id)
        self._models.get(ref.model_id, lambda: training.model)
        return Trained(ref, dict(training.metrics), training.steps, training.seconds)

    def _save(self, request: Save) -> Saved:
        target = Path(request.target)
        demo = self._model(request.model)
        seconds = save(demo, request.method, target, replace=request.replace)
        return Saved(str(target), artifact_size(target), seconds, digest(target))

    def _model(self, ref: ModelRef) -> DemoModel:
        return self._models.get(ref.model_id, lambda: _restored(ref))

    def _artifact(self, ref: LoadRef) -> LoadedArtifact:
        key = ref, _stamp(Path(ref.path))
        self._artifacts.drop(lambda kept: kept[0] == ref and kept != key)
        return self._artifacts.get(key, lambda: _load_checked(ref, key[1]))

    def _load(self, source: LoadRef | ModelRef) -> Loaded:
        if isinstance(source, ModelRef):
            demo = self._model(source)
            return Loaded("model", KerasRunner(demo.model, demo).signatures, 0.0)
        found = self._artifact(source)
        return Loaded(found.call, found.runner.signatures, found.seconds, found.warnings)

    def _predict(self, request: Predict, arrays: Sequence[np.ndarray]) -> Answer:
        names = [header.name for header in request.inputs]
        inputs = dict(zip(names, arrays, strict=True))
        runner = self._runner(request.source)
        outputs, seconds = run(runner, request.signature, inputs, request.passed_as)
        return Predicted(named_headers(outputs), seconds), tuple(outputs.values())

    def _runner(self, source: LoadRef | ModelRef) -> Runner:
        if isinstance(source, LoadRef):
            return self._artifact(source).runner
        demo = self._model(source)
        return KerasRunner(demo.model, demo)


def _test_set(request: TestSet) -> Answer:
    arrays: Mapping[str, np.ndarray] = {INPUT: demo_inputs(request.settings)}
    return TestSetMade(named_headers(arrays)), tuple(arrays.values())


def _load_checked(ref: LoadRef, stamp: _Stamp) -> LoadedArtifact:
    """Load what has the digest that was asked for; refuse what takes its place meanwhile."""
    path = Path(ref.path)
    if ref.digest and path.exists() and digest(path) != ref.digest:
        raise _changed(path)
    loaded = load(ref.path, ref.loader, ref.demo)
    if ref.digest and _stamp(path) != stamp:
        raise _changed(path)
    return loaded


def _changed(path: Path) -> ArtifactError:
    return ArtifactError(
        f"{path.name} has changed on disk since it was checked, so it is not used. Load it again: "
        "what it is now is checked first."
    )


def _restored(ref: ModelRef) -> DemoModel:
    """The model as it was after training, from its snapshot."""
    if not Path(f"{ref.snapshot}.index").exists():
        raise ArtifactError("The trained model is gone: its snapshot was removed. Train it again.")
    demo = build(ref.settings)
    demo.read_snapshot(ref.snapshot)
    return demo


def _stamp(path: Path) -> _Stamp:
    """What changes of the artifact's files when it is written again, even by one who resets times.

    On Windows the last number is the time of creation.
    """
    if path.is_dir():
        files = sorted(found for found in path.rglob("*") if found.is_file())
    else:
        files = sorted(path.parent.glob(f"{path.name}*"))
    stats = [(file, file.stat()) for file in files]
    return tuple((f.name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for f, s in stats)
