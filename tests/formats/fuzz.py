"""Damaged files by the thousand: ``python -m tests.formats.fuzz --count 10000 [SEED …]``.

Each is opened and gone through from one end to the other. It must end in a tree or in
`UnreadableArtifact`, within 2 seconds of computing and 300 MB over what the process had before;
nothing else may escape. Every hundred of them run in a process of their own, so that even a crash
is found. Prints one line per seed, and the number of each mutant that broke a rule, by which it is
made again: ``--only NUMBER``.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from explorer.analysis.report import describe
from explorer.formats.artifact import Artifact, Node, TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import FORMATS, open_artifact
from tests.formats.fuzz_seeds import SEEDS, Seed, make_seed
from tests.formats.mutations import mutated

SECONDS = 2.0
MEMORY = 300 << 20
_BATCH = 100
_NODES = 20_000
_TENSORS_READ = 50


class TooSlow(BaseException):
    """No reader catches it."""


@dataclass
class Outcome:
    """What became of the mutants of a seed; times in seconds, memory in bytes."""

    opened: int = 0
    refused: int = 0
    slowest: float = 0.0
    largest: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Join what another batch found."""
        self.opened += other.opened
        self.refused += other.refused
        self.slowest = max(self.slowest, other.slowest)
        self.largest = max(self.largest, other.largest)
        self.broken += other.broken


def examine(path: Path) -> bool:
    """Go through everything that a person could see; whether it opened."""
    try:
        artifact = open_artifact(str(path))
    except UnreadableArtifact:
        return False
    try:
        _go_through(artifact)
    except UnreadableArtifact:
        return True
    finally:
        artifact.close()
    return True


def _go_through(artifact: Artifact) -> None:
    describe(artifact)
    for node in _nodes(artifact.root):
        node.attributes()
    for tensor in artifact.tensors()[:_TENSORS_READ]:
        try:
            tensor.read()
        except TensorUnreadable:
            continue
    for _ in artifact.checks():
        pass


def _nodes(root: Node) -> Iterator[Node]:
    pending = [root]
    for _ in range(_NODES):
        if not pending:
            return
        node = pending.pop()
        yield node
        pending += node.children(0, min(node.child_count(), _NODES))


# One batch, in a process of its own


def batch(seed: Seed, numbers: range, folder: Path) -> Outcome:
    """Examine the mutants of these numbers."""
    source = make_seed(seed, folder / "seed")
    outcome = Outcome()
    signal.signal(signal.SIGPROF, _too_slow)
    for row in FORMATS:
        row.reader()  # importing them is not what is measured
    examine(source)
    for number in numbers:
        path = _mutant(seed, source, number, folder / f"{number}")
        _examine_one(path, number, outcome)
    return outcome


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TooSlow


def _mutant(seed: Seed, source: Path, number: int, folder: Path) -> Path:
    rng = random.Random(f"{seed.name}/{number}")
    folder.mkdir()
    target = folder / source.name
    if source.is_dir():
        shutil.copytree(source, target)
        damaged = target / rng.choice(seed.damaged)
    else:
        shutil.copyfile(source, target)
        damaged = target
    damaged.write_bytes(mutated(damaged.read_bytes(), rng))
    return target


def _examine_one(path: Path, number: int, outcome: Outcome) -> None:
    base = _reset_memory()
    start = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS * 2)
    try:
        if examine(path):
            outcome.opened += 1
        else:
            outcome.refused += 1
    except TooSlow:
        outcome.broken.append(f"{number}: over {SECONDS * 2} s")
    except BaseException:
        outcome.broken.append(f"{number}: {traceback.format_exc(limit=-4)}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds, taken = time.process_time() - start, _memory("VmHWM") - base
    outcome.slowest = max(outcome.slowest, seconds)
    outcome.largest = max(outcome.largest, taken)
    if seconds > SECONDS:
        outcome.broken.append(f"{number}: {seconds:.1f} s")
    if taken > MEMORY:
        outcome.broken.append(f"{number}: {taken >> 20} MB")


def _reset_memory() -> int:
    """Start to count the peak anew; how much there is now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) << 10


# All batches


def fuzz(seed: Seed, numbers: range) -> Outcome:
    """Examine mutants, each batch in a process of its own."""
    outcome = Outcome()
    for start in range(numbers.start, numbers.stop, _BATCH):
        outcome.add(_in_process(seed, range(start, min(start + _BATCH, numbers.stop))))
    return outcome


def _in_process(seed: Seed, numbers: range) -> Outcome:
    command = [sys.executable, "-m", "tests.formats.fuzz", seed.name, "--batch"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(numbers.start), str(numbers.stop), folder]
        done = subprocess.run(
            [*command, *arguments],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=_BATCH * SECONDS * 10,
        )
    if done.returncode:
        end = f"ended with {done.returncode}: {done.stderr[-500:]}"
        return Outcome(broken=[f"{numbers.start} to {numbers.stop}: {end}"])
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Run the script; 1 where a mutant broke a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", metavar="SEED", help=", ".join(SEEDS))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER")
    parser.add_argument("--batch", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    seeds = [SEEDS[name] for name in options.seeds or SEEDS]
    if options.batch:
        start, stop, folder = options.batch
        found = batch(seeds[0], range(int(start), int(stop)), Path(folder))
        print(json.dumps(vars(found)))
        return 0
    numbers = range(options.first, options.first + options.count)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    return max(_print_outcome(seed, fuzz(seed, numbers)) for seed in seeds)


def _print_outcome(seed: Seed, outcome: Outcome) -> int:
    print(
        f"{seed.name}: {outcome.opened:,} opened, {outcome.refused:,} refused, "
        f"slowest {outcome.slowest:.2f} s, largest {outcome.largest >> 20} MB, "
        f"{len(outcome.broken):,} broke a rule",
        *outcome.broken,
        sep="\n  ",
        flush=True,
    )
    return int(bool(outcome.broken))


if __name__ == "__main__":
    sys.exit(main())
