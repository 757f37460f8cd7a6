"""TensorFlow operations that reach out of the model: to files, to Python, to other machines.

A graph runs them wherever they stand: in the main graph, or in a function that something calls.
The names are those of TensorFlow 2.21's registry of operations and of older releases.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from explorer.analysis.finding import Finding, Severity
from explorer.formats.artifact import GraphOp

_PYTHON = "It calls back into Python: running the model runs a function of the loading program."
_READS = "It reads a file of the machine that the graph or its input names."
_WRITES = "It writes a file of the machine that the graph or its input names."
_DATA = "It reads records from files that the graph or its input names."
_CACHES = "It keeps what it has read in files, if the graph or its input names a place for them."
_PRINTS = "It prints to the stream that the graph names, which can be a file."
_VOCABULARY = "It reads a vocabulary when the model is loaded, as a rule from the folder assets."
_LOGS = "It writes a log to a folder that the graph or its input names."
_REMOTE = "It sends or takes data over the network, or runs a function on another machine."
_NATIVE = "It runs native code that is not in TensorFlow and must be installed beside it."
_COMPILED = "It runs a program that was compiled into the graph, which no list of operations shows."

_SAVERS = re.compile(r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints")
"""Spared where they do their usual work."""

_DANGER = Severity.DANGER
_WARNING = Severity.WARNING
_RULES: tuple[tuple[Severity, str, str, str], ...] = (
    (_DANGER, "calls-python", r"(Eager)?PyFunc(Stateless)?", _PYTHON),
    (
        _DANGER,
        "reads-file",
        r"ReadFile|MatchingFiles|ImmutableConst|(Experimental)?MatchingFilesDataset|FileSystem\w+|"
        r"LoadAndRemapMatrix|GenerateVocabRemapping|Restore(V2|Slice)?|DTensorRestoreV2",
        _READS,
    ),
    (
        _DANGER,
        "writes-file",
        r"WriteFile|DumpTensor|(Experimental)?DatasetToTFRecord|SaveDataset(V2)?|"
        r"DistributedSave|SnapshotDataset(V2)?|Debug(Identity|NumericSummary|NanCount)(V\d)?|"
        r"CalibrationStatisticsSaver|Save(V2|Slices)?|MergeV2Checkpoints",
        _WRITES,
    ),
    (
        _DANGER,
        "reaches-network",
        r"Rpc\w+|TryRpc|RemoteCall|(Experimental)?DataServiceDataset(V\d)?|RegisterDataset(V2)?|"
        r"BigQueryReader|CreateSummaryDbWriter",
        _REMOTE,
    ),
    (
        _DANGER,
        "reads-records",
        r"(WholeFile|TextLine|FixedLengthRecord|TFRecord|LMDB)Reader(V2)?|LoadDataset|"
        r"(Experimental)?(TextLine|TFRecord|FixedLengthRecord|CSV|Sql|LMDB)Dataset(V2)?|"
        r"RecordInput|ListSnapshotChunksDataset|SnapshotChunkDataset",
        _DATA,
    ),
    (_WARNING, "keeps-files", r"CacheDataset(V2)?", _CACHES),
    (_WARNING, "prints", r"Print(V2)?", _PRINTS),
    (_WARNING, "writes-log", r"CreateSummaryFileWriter", _LOGS),
    (
        _WARNING,
        "native-code",
        r"XlaCustomCall(V2)?|TRTEngineOp|custom operator .*",
        _NATIVE,
    ),
    (Severity.NOTE, "compiled-program", r"XlaCallModule", _COMPILED),
    (Severity.NOTE, "reads-vocabulary", r"InitializeTableFromTextFile(V2)?", _VOCABULARY),
)


def op_findings(ops: Iterable[GraphOp]) -> Iterator[Finding]:
    """One finding for each kind of operation in each graph or function, with how often."""
    counts: Counter[tuple[str, str]] = Counter()
    names: dict[tuple[str, str], str] = {}
    for op in ops:
        if _rule(op.op) is not None and not (op.for_saving and _SAVERS.fullmatch(op.op)):
            counts[op.op, op.where] += 1
            names.setdefault((op.op, op.where), op.name)
    for (op_type, where), count in counts.items():
        rule = _rule(op_type)
        if rule is not None:
            severity, key, message = rule
            others = f" and {count - 1:,} more" if count > 1 else ""
            place = f"{where}: {names[op_type, where]}{others}"
            yield Finding(severity, key, place, f"{op_type}: {message}")


@lru_cache(maxsize=4096)
def _rule(op: str) -> tuple[Severity, str, str] | None:
    """What is said of an operation; Flex operators of TensorFlow Lite are TensorFlow's own."""
    name = op.removeprefix("Flex")
    found = (rule for rule in _RULES if re.fullmatch(rule[2], name))
    return next(((severity, key, message) for severity, key, _, message in found), None)
