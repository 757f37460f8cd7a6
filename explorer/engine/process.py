"""A worker process seen from the client: starting it, hearing from it, and how it ended."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any

import numpy as np

import explorer
from explorer.engine.messages import Command, Event
from explorer.engine.transport import Channel, DamagedFrame

_TAIL = 16 << 10
_EXIT_SECONDS = 5.0
_WINDOWS_ENDS = {
    0xC0000005: "an access violation",
    0xC0000017: "no memory left",
    0xC000001D: "an illegal instruction",
    0xC00000FD: "a stack overflow",
    0xC0000409: "an abort",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a worker ended: a few words, the same as a sentence, and what it printed last."""

    how: str
    text: str
    tail: str


EventHandler = Callable[["WorkerProcess", Event, Sequence[np.ndarray]], None]
EndHandler = Callable[["WorkerProcess", Ending], None]


class WorkerProcess:
    """A started worker. Both handlers are called on a thread of its own, ``on_end`` once and last.

    ``versions`` and ``pid`` are for the client to set when the worker says that it is ready.
    Raises `OSError` where the process cannot be started.
    """

    def __init__(self, folder: Path, on_event: EventHandler, on_end: EndHandler) -> None:
        self.ready = False
        self.versions: Mapping[str, str] = {}
        self.pid: int | None = None
        self._on_event, self._on_end = on_event, on_end
        self._outbox: queue.SimpleQueue[tuple[Command, Sequence[np.ndarray]] | None]
        self._outbox = queue.SimpleQueue()
        self._tail = bytearray()
        ours, theirs = Pipe()
        try:
            self._process = _start(folder, theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = Channel(ours, Event)
        self._printing = self._thread(self._collect, self._process.stdout)
        self._thread(self._send)
        self._reading = self._thread(self._read)

    def _thread(self, run: Callable[..., None], *arguments: Any) -> threading.Thread:
        name = f"worker-{self._process.pid}{run.__name__}"
        thread = threading.Thread(target=run, args=arguments, name=name, daemon=True)
        thread.start()
        return thread

    def send(self, command: Command, arrays: Sequence[np.ndarray] = ()) -> None:
        """Hand over a command; it is sent in the background, and lost if the worker is gone."""
        self._outbox.put((command, arrays))

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def join(self, seconds: float) -> None:
        """Wait until the process is gone."""
        self._reading.join(seconds)

    def _send(self) -> None:
        while (item := self._outbox.get()) is not None:
            try:
                self._channel.send(*item)
            except OSError:
                return  # the reading thread sees it too and tells how the worker ended

    def _read(self) -> None:
        damage = ""
        try:
            while True:
                event, arrays = self._channel.receive()
                self._on_event(self, event, arrays)
        except DamagedFrame as error:
            damage = str(error)
            self.kill()
        except (EOFError, OSError):
            pass
        code = self._exit_code()
        self._outbox.put(None)
        self._channel.close()
        self._printing.join(1.0)  # a child of the worker may still hold the pipe
        how, text = _how(code) if not damage else ("damaged message", damage)
        self._on_end(self, Ending(how, text, self._tail.decode(errors="replace").strip()))

    def _exit_code(self) -> int:
        try:
            return self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def _collect(self, output: IO[bytes]) -> None:
        with output:
            while chunk := output.read1(4096):  # type: ignore[attr-defined]
                self._tail += chunk
                del self._tail[:-_TAIL]


def _start(folder: Path, connection: Connection) -> subprocess.Popen[bytes]:
    handle = connection.fileno()
    source = [] if getattr(sys, "frozen", False) else ["-m", "explorer"]
    return subprocess.Popen(
        [sys.executable, *source, "--worker", str(handle)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,  # never where the person is: python -m looks for modules there
        env=_environment(folder),
        **_inherit(handle),
    )


def _inherit(handle: int) -> dict[str, Any]:
    """The arguments of `subprocess.Popen` that hand ``handle`` to the child and nothing else."""
    if sys.platform == "win32":
        os.set_handle_inheritable(handle, True)
        info = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})
        return {"startupinfo": info, "creationflags": subprocess.CREATE_NO_WINDOW}
    return {"pass_fds": (handle,)}


def _environment(folder: Path) -> dict[str, str]:
    """The client's, but the same Keras, its own settings folder, and this very package."""
    found = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
    package = str(Path(explorer.__file__).resolve().parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return found | {
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder / "keras"),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",
    }


def _how(code: int) -> tuple[str, str]:
    """How a process with this exit code ended, in a few words and as a sentence."""
    if code < 0:
        return _by_signal(-code)
    if code in _WINDOWS_ENDS:
        how = _WINDOWS_ENDS[code]
        return how, f"The worker process was ended by {how} in a library (code {code:#x})."
    return f"exit code {code}", f"The worker process ended by itself with exit code {code}."


def _by_signal(number: int) -> tuple[str, str]:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    text = f"The worker process was ended by signal {name}."
    if name == "SIGKILL":
        text += " Nothing in the program sends it by itself: often the system ran out of memory."
    elif name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"):
        text += " A library crashed in native code."
    return f"signal {name}", text
