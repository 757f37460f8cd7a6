"""Messages and arrays between client and worker, whole and damaged."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe

import ml_dtypes
import msgspec
import numpy as np
import pytest

from explorer.engine.messages import (
    ArrayHeader,
    CancelJob,
    Command,
    Envelope,
    Event,
    LoadRef,
    Log,
    Predict,
    Predicted,
    Result,
)
from explorer.engine.transport import Channel, DamagedFrame, named_headers

Ends = tuple[Channel, Channel, Connection]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The client's channel, the worker's, and the worker's bare connection."""
    ours, theirs = Pipe()
    yield Channel(ours, Event), Channel(theirs, Command), theirs
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.arange(12, dtype=np.int64).reshape(3, 4).T,
        np.arange(12)[::3],
        np.array(1.5, dtype=np.float16),
        np.zeros((0, 32), dtype=np.float64),
        np.array([True, False]),
        np.array([1 + 2j], dtype=np.complex64),
        np.arange(4).astype(ml_dtypes.bfloat16),
    ],
    ids=lambda array: f"{array.dtype.name}{array.shape}",
)
def test_arrays_arrive_as_they_were_sent(ends: Ends, array: np.ndarray) -> None:
    client, worker, _ = ends
    worker.send(Result(1, Predicted(named_headers({"y": array}), 0.5)), [array])
    message, (received,) = client.receive()
    assert message.value.outputs[0].name == "y"
    assert received.dtype == array.dtype
    assert received.shape == array.shape
    np.testing.assert_array_equal(received, array)


def test_big_endian_numbers_arrive_as_the_same_numbers(ends: Ends) -> None:
    client, worker, _ = ends
    array = np.arange(5, dtype=">i4")
    worker.send(Result(1, Predicted(named_headers({"y": array}), 0.5)), [array])
    np.testing.assert_array_equal(client.receive()[1][0], array)


@pytest.mark.parametrize("count", [0, 1, 1 << 14, (1 << 14) + 1, 100_000])
def test_any_number_of_strings_arrives(ends: Ends, count: int) -> None:
    client, worker, _ = ends
    array = np.array([str(number) for number in range(count)], dtype=object).reshape(1, count)
    request = Predict(LoadRef("m", "saved_model"), "s", named_headers({"x": array}))
    sending = threading.Thread(target=client.send, args=(Envelope(1, request), [array]))
    sending.start()
    _, (found,) = worker.receive()
    sending.join()
    assert found.shape == (1, count)
    assert [text.decode() for text in found[0]] == array[0].tolist()


@pytest.mark.parametrize("dtype", [object, "U5", "S5"])
def test_strings_arrive_as_bytes(ends: Ends, dtype: object) -> None:
    client, worker, _ = ends
    array = np.array([["a", "bb"], ["", "dd"]]).astype(dtype)  # type: ignore[call-overload]
    request = Predict(LoadRef("m", "saved_model"), "s", named_headers({"x": array}))
    client.send(Envelope(1, request), [array])
    message, (received,) = worker.receive()
    assert message.request == request
    assert received.tolist() == [[b"a", b"bb"], [b"", b"dd"]]


def test_an_array_over_the_size_of_a_frame_arrives_whole(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.engine.transport._FRAME", 1000)
    client, worker, _ = ends
    array = np.arange(1001, dtype=np.uint16)
    worker.send(Result(1, Predicted(named_headers({"y": array}), 0.5)), [array])
    np.testing.assert_array_equal(client.receive()[1][0], array)


def test_arrays_that_were_not_announced_are_not_sent(ends: Ends) -> None:
    client, _, _ = ends
    with pytest.raises(ValueError, match="0 arrays announced, 1 given"):
        client.send(CancelJob(1), [np.zeros(1)])


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x93\x01",
        msgspec.msgpack.encode({"type": "Nonsense"}),
        msgspec.msgpack.encode({"type": "Log", "job": "one", "text": "x"}),
        msgspec.msgpack.encode(["Log", 1, "x"]),
        pickle.dumps(_Bomb()),
        b"\x91" * 100_000,
    ],
    ids=["empty", "unused byte", "cut short", "unknown", "wrong type", "list", "pickle", "nested"],
)
def test_a_damaged_message_is_refused(ends: Ends, frame: bytes) -> None:
    client, _, connection = ends
    connection.send_bytes(frame)
    with pytest.raises(DamagedFrame):
        client.receive()


def test_a_message_over_the_limit_is_refused(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.engine.transport._MESSAGE_LIMIT", 1000)
    client, worker, _ = ends
    worker.send(Log(1, "x" * 2000))
    with pytest.raises(DamagedFrame, match="longer than 1000 bytes"):
        client.receive()


@pytest.mark.parametrize(
    ("header", "frame"),
    [
        (ArrayHeader("y", "float32", (2, 2)), b"\0" * 15),
        (ArrayHeader("y", "float32", (2, 2)), b"\0" * 17),
        (ArrayHeader("y", "float32", (-1, 4)), b""),
        (ArrayHeader("y", "object", (2,)), b"\0" * 16),
        (ArrayHeader("y", "V8", (2,)), b"\0" * 16),
        (ArrayHeader("y", "float32", (2**40, 2**40)), b""),
        (ArrayHeader("y", "float32", (0, 2**62, 4)), b""),
        (ArrayHeader("y", "float32", (1,) * 100), b"\0" * 4),
        (ArrayHeader("y", "string", (2,)), msgspec.msgpack.encode([b"one"])),
        (ArrayHeader("y", "string", (1,)), msgspec.msgpack.encode([1])),
        (ArrayHeader("y", "string", (1,)), b"\xc1"),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, ArrayHeader) else "",
)
def test_an_array_other_than_announced_is_refused(
    ends: Ends, header: ArrayHeader, frame: bytes
) -> None:
    client, _, connection = ends
    connection.send_bytes(msgspec.msgpack.encode(Result(1, Predicted((header,), 0.5))))
    connection.send_bytes(frame)
    with pytest.raises(DamagedFrame):
        client.receive()


def test_a_closed_end_is_the_end_of_the_file(ends: Ends) -> None:
    client, worker, _ = ends
    worker.close()
    with pytest.raises((EOFError, OSError)):
        client.receive()
