"""Real workers: what they say, and how the client fares when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from explorer.engine.client import EngineClient, Job, Phase
from explorer.engine.messages import (
    Built,
    Cancelled,
    Failed,
    JobEvent,
    LoadRef,
    Log,
    Metric,
    Predict,
    Progress,
    Result,
    Save,
    TestSet,
    Train,
)
from explorer.engine.transport import named_headers
from explorer.lab.catalog import DEMOS, DemoSettings, LayerSpec, Line
from tests.engine.bench import PATIENCE, Bench, working
from tests.engine.processes import is_running, worker_pids

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")

SHORT = DEMOS["functional"].settings(Line.KERAS3)
LONG = msgspec.structs.replace(SHORT, epochs=100_000)
LONG_LOOP = msgspec.structs.replace(DEMOS["subclass"].settings(Line.KERAS2), epochs=100_000)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with working(tmp_path_factory.mktemp("scratch")) as bench:
        yield bench


def begin(bench: Bench, settings: DemoSettings) -> tuple[Job, list[JobEvent]]:
    """A training that is past its first batches, and the events so far and to come."""
    events: list[JobEvent] = []
    job = bench.client.submit(
        Train(bench.ref(settings)), listener=lambda event, _arrays: events.append(event)
    )
    end = time.monotonic() + PATIENCE
    while not any(isinstance(event, Metric) for event in events):
        assert not job.ended, events
        assert time.monotonic() < end
        time.sleep(0.01)
    return job, events


def works(bench: Bench) -> bool:
    return isinstance(bench.ask(TestSet(SHORT)), Result)


def test_the_state_tells_versions_and_pid(bench: Bench) -> None:
    assert [state.phase for state in bench.states][:1] == [Phase.READY]
    state = bench.client.state
    assert set(state.versions) == {"tensorflow", "keras", "tf_keras"}
    assert state.versions["tf_keras"].startswith("2.")
    assert state.pid not in (None, os.getpid())


def test_a_training_tells_everything_in_order(bench: Bench) -> None:
    events: list[JobEvent] = []
    settings = msgspec.structs.replace(SHORT, epochs=3)
    job = bench.client.submit(
        Train(bench.ref(settings)), listener=lambda event, _arrays: events.append(event)
    )
    end = job.wait(PATIENCE)
    assert isinstance(end, Result)
    assert events[-1] is end
    built = next(event for event in events if isinstance(event, Built))
    assert [(row.name, row.class_name, row.output_shape) for row in built.layers] == [
        ("digits", "InputLayer", (None, 32)),
        ("dense_1", "Dense", (None, 64)),
        ("dense_2", "Dense", (None, 64)),
        ("predictions", "Dense", (None, 10)),
    ]
    assert sum(row.parameters for row in built.layers) == 6922
    assert built.steps == end.value.steps == 3 * 32
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[0].seconds_left is None
    assert (progress[-1].done, progress[-1].total, progress[-1].seconds_left) == (96, 96, 0.0)
    epochs = [event for event in events if isinstance(event, Metric) and event.epoch_end]
    assert [(event.epoch, event.step) for event in epochs] == [(0, 32), (1, 64), (2, 96)]
    names = {"loss", "sparse_categorical_accuracy"}
    assert all(set(event.values) == names | {f"val_{n}" for n in names} for event in epochs)
    assert end.value.metrics == epochs[-1].values
    assert any(isinstance(event, Log) and event.text == "Epoch 1/3" for event in events)


def test_the_loop_prints_what_the_notes_print(bench: Bench) -> None:
    lines: list[str] = []
    job = bench.client.submit(
        Train(bench.ref(DEMOS["subclass"].settings(Line.KERAS2))),
        listener=lambda event, _arrays: lines.append(getattr(event, "text", "")),
    )
    assert isinstance(job.wait(PATIENCE), Result)
    for start in (
        "Start of epoch 2",
        "Training loss (for one batch) at step 0: ",
        "Seen so far: 64 samples",
        "Training acc over epoch: ",
        "Validation acc: ",
    ):
        assert any(line.startswith(start) for line in lines), start


def test_jobs_run_in_order(bench: Bench) -> None:
    ended: list[int] = []
    jobs = [
        bench.client.submit(TestSet(SHORT), listener=lambda event, _arrays: ended.append(event.job))
        for _ in range(5)
    ]
    jobs[-1].wait(PATIENCE)
    assert ended == [job.id for job in jobs]


def test_a_listener_that_raises_stops_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: JobEvent, arrays: object) -> None:
        raise RuntimeError("not my day")

    assert isinstance(bench.client.submit(TestSet(SHORT), listener=fail).wait(PATIENCE), Result)
    assert "not my day" in caplog.text
    assert works(bench)


def test_waiting_for_a_job_can_time_out(bench: Bench) -> None:
    job, _ = begin(bench, LONG)
    with pytest.raises(TimeoutError):
        job.wait(0.01)
    bench.client.cancel(job)
    assert isinstance(job.wait(PATIENCE), Cancelled)


@pytest.mark.parametrize("settings", [LONG, LONG_LOOP], ids=["fit", "loop"])
def test_a_cancelled_training_ends_as_cancelled(bench: Bench, settings: DemoSettings) -> None:
    job, _ = begin(bench, settings)
    bench.client.cancel(job)
    assert job.wait(PATIENCE) == Cancelled(job.id)
    assert works(bench)


def test_a_waiting_job_is_cancelled_without_running(bench: Bench) -> None:
    running, _ = begin(bench, LONG)
    waiting = bench.client.submit(TestSet(SHORT))
    bench.client.cancel(waiting)
    assert waiting.wait(PATIENCE) == Cancelled(waiting.id)
    assert not running.ended
    bench.client.cancel(running)
    running.wait(PATIENCE)


def test_cancelling_an_ended_job_does_nothing(bench: Bench) -> None:
    job = bench.client.submit(TestSet(SHORT))
    job.wait(PATIENCE)
    bench.client.cancel(job)
    assert works(bench)
    assert isinstance(job.wait(0), Result)


@posix
def test_a_killed_worker_fails_its_job_and_the_next_one_works(bench: Bench) -> None:
    model = bench.train(SHORT)
    x = bench.test_set(SHORT)
    before = bench.predict(model, "predict", {"digits": x})["predictions"]
    job, _ = begin(bench, LONG)
    queued = bench.client.submit(TestSet(SHORT))
    pid = bench.client.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    failed = job.wait(PATIENCE)
    assert isinstance(failed, Failed)
    assert failed.exception == "WorkerEnded"
    assert failed.message == "signal SIGKILL"
    assert "memory" in failed.reason
    assert isinstance(queued.wait(PATIENCE), Result)
    assert bench.client.state.pid not in (None, pid)
    after = bench.predict(model, "predict", {"digits": x})["predictions"]
    np.testing.assert_array_equal(after, before)


@posix
def test_a_job_that_does_not_listen_is_cancelled_with_its_worker(bench: Bench) -> None:
    job, _ = begin(bench, LONG)
    pid = bench.client.state.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    bench.client.cancel(job)
    assert job.wait(PATIENCE) == Cancelled(job.id)
    assert works(bench)
    assert bench.client.state.pid != pid


ABORTING = """
    import sys
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
        def serve(self, x):
            with tf.control_dependencies([tf.raw_ops.Abort(error_msg="model gives up")]):
                return {"y": tf.identity(x)}

    model = Model()
    tf.saved_model.save(model, sys.argv[1], signatures=model.serve)
"""


@posix
def test_a_model_that_crashes_the_process_fails_its_job_alone(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "aborting"
    subprocess.run([sys.executable, "-c", textwrap.dedent(ABORTING), str(path)], check=True)
    x = {"x": np.array(1, dtype=np.float32)}
    request = Predict(LoadRef(str(path), "saved_model"), "serving_default", named_headers(x))
    failed = bench.failure(request, *x.values())
    assert (failed.exception, failed.message) == ("WorkerEnded", "signal SIGABRT")
    assert "model gives up" in failed.traceback
    assert works(bench)


def test_an_error_of_a_library_leaves_the_worker_alive(bench: Bench, tmp_path: Path) -> None:
    pid = bench.client.state.pid
    model = bench.train(SHORT)
    target = tmp_path / "1_weight.h5"
    failed = bench.failure(Save(model, "weights_h5", str(target)))
    assert failed.exception == "ValueError"
    assert failed.traceback.startswith("Traceback (most recent call last):")
    assert bench.client.state.pid == pid
    assert works(bench)


def test_settings_that_cannot_be_are_refused_in_plain_words(bench: Bench) -> None:
    huge = msgspec.structs.replace(SHORT, layers=(LayerSpec("huge", 2**40, "relu"),))
    failed = bench.failure(Train(bench.ref(huge)))
    assert failed.exception == "SettingsError"
    assert failed.plain
    assert failed.message.startswith("The weights would not fit the memory.")
    assert failed.traceback == ""
    assert works(bench)


@posix
def test_a_standby_takes_over(tmp_path: Path) -> None:
    others = worker_pids()
    with working(tmp_path, standby=True) as bench:
        end = time.monotonic() + PATIENCE
        while len(found := worker_pids() - others) < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        job, _ = begin(bench, LONG)
        killed = bench.client.state.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert isinstance(job.wait(PATIENCE), Failed)
        assert works(bench)
        assert {bench.client.state.pid, killed} == found
        assert [state.phase for state in bench.states].count(Phase.STARTING) <= 1


BROKEN = "raise ImportError('libtensorflow_cc.so.2: cannot open shared object file')"
DYING = "import os; print('out of luck', flush=True); os._exit(7)"
GARBAGE = """
import sys
from multiprocessing.connection import Connection
Connection(int(sys.argv[-1])).send_bytes(b"\\xc1 not a message")
import time; time.sleep(60)
"""


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (BROKEN, "ImportError: libtensorflow_cc.so.2: cannot open shared object file"),
        (DYING, "exit code 7"),
        (GARBAGE, "damaged message"),
    ],
    ids=["broken library", "dying worker", "damaged message"],
)
def test_a_worker_that_cannot_start_breaks_the_engine_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, expected: str
) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "tensorflow.py").write_text(module)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "shadow"))
    bench = Bench(tmp_path)
    early = bench.client.submit(TestSet(SHORT))
    state = bench.wait_for(Phase.BROKEN)
    assert state.detail == expected
    for failed in (early.wait(PATIENCE), bench.ask(TestSet(SHORT))):
        assert isinstance(failed, Failed)
        assert expected.endswith(failed.message)
        assert failed.reason
        assert "Another worker takes over" not in failed.reason
    monkeypatch.delenv("PYTHONPATH")
    assert works(bench)
    bench.client.close()


def test_closing_ends_every_job_and_later_ones_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    jobs = [bench.client.submit(TestSet(SHORT)) for _ in range(3)]
    bench.client.close()
    late = bench.client.submit(TestSet(SHORT))
    assert [job.wait(0) for job in (*jobs, late)] == [Cancelled(j.id) for j in (*jobs, late)]
    assert bench.client.state.phase is Phase.STOPPED
    bench.client.close()


def test_arrays_other_than_announced_are_refused_at_once(bench: Bench) -> None:
    with pytest.raises(ValueError, match="another number of arrays"):
        bench.client.submit(TestSet(SHORT), [np.zeros(1)])


CLIENT = """
    import os, sys, time
    from pathlib import Path
    from explorer.engine.client import EngineClient, Phase

    client = EngineClient(Path(sys.argv[1]), standby=False)
    client.start()
    while client.state.phase is not Phase.READY:
        time.sleep(0.05)
    print(client.state.pid, flush=True)
    os._exit(0)
"""


@posix
def test_a_worker_does_not_outlive_its_client(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CLIENT), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    pid = int(found.stdout)
    end = time.monotonic() + PATIENCE
    while is_running(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_client_imports_neither_tensorflow_nor_qt() -> None:
    code = (
        "import sys, explorer.engine.client;"
        "print([n for n in ('tensorflow', 'keras', 'tf_keras', 'PySide6') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_legacy_switch_of_keras_does_not_reach_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with working(tmp_path) as bench:
        model = bench.train(SHORT)
        bench.save(model, "tflite", tmp_path / "model.tflite")
        failed = bench.failure(Save(model, "keras_saved_model", str(tmp_path / "folder")))
        assert failed.message.startswith("The `save_format` argument is deprecated in Keras 3.")


def test_client_close_from_its_own_thread_does_not_hang(tmp_path: Path) -> None:
    client = EngineClient(tmp_path, standby=False)
    job = client.submit(TestSet(SHORT), listener=lambda _event, _arrays: client.close())
    client.cancel(job)
    assert job.wait(PATIENCE) == Cancelled(job.id)
    client.close()
