"""``mfx show``, ``tensor``, ``verify``, ``scan`` and ``formats``, as processes of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.cli.running import mfx, report, shown

KEYS = {
    "path",
    "format",
    "size_bytes",
    "producer",
    "contains",
    "parameters",
    "tensors",
    "signatures",
    "layers",
    "loaders",
    "findings",
}


def datasets(path: Path) -> dict[str, h5py.Dataset]:
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: (str(item.dtype), item.shape, item[()])})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


# show


def test_json_keeps_the_contract_and_agrees_with_h5py(corpus: Path) -> None:
    path = corpus / "emotion_model.hdf5"
    found = report(path)
    assert found.keys() >= KEYS
    assert found["format"] == "keras_hdf5"
    assert found["size_bytes"] == path.stat().st_size
    assert found["producer"] == {
        "tensorflow": None,
        "keras": "2.0.5",
        "backend": "tensorflow",
        "program": None,
    }
    assert found["parameters"] == 58_423
    original = datasets(path)
    assert {t["path"]: (t["dtype"], tuple(t["shape"])) for t in found["tensors"]} == {
        name: (dtype, shape) for name, (dtype, shape, _) in original.items()
    }
    assert sum(t["bytes"] for t in found["tensors"]) == sum(
        values.nbytes for _, _, values in original.values()
    )


def test_json_writes_unknown_dimensions_as_null(corpus: Path) -> None:
    (signature,) = [
        s for s in report(corpus / "basic_pitch_nmp")["signatures"] if s["key"] == "serving_default"
    ]
    assert signature["tag_set"] == ["serve"]
    assert signature["inputs"] == [
        {
            "name": "input_2",
            "dtype": "float32",
            "shape": [None, 43844, 1],
            "graph_tensor": "serving_default_input_2:0",
        }
    ]


def test_the_overview_names_what_there_is(corpus: Path) -> None:
    rows = shown(corpus / "sleep_stages.keras")
    assert ["written by", "Keras 3.3.3"] in rows
    assert ["Layers"] in rows
    assert ["dense", "Dense", "(?, ?, 64)", "2,368", "batch_normalization"] in rows
    assert any(row[0] == "layers/dense/vars/0" for row in rows)


def test_a_section_in_a_pipe_is_lines_with_tabs(corpus: Path) -> None:
    path = corpus / "emotion_model.hdf5"
    rows = shown(path, "--tensors")
    assert {row[0]: row[1] for row in rows} == {
        name: dtype for name, (dtype, _, _) in datasets(path).items()
    }


def test_depth_bounds_the_tree(corpus: Path) -> None:
    path = corpus / "emotion_model.hdf5"
    one = shown(path, "--tree", "--depth", "1")
    everything = shown(path, "--tree")
    assert {len(row[0]) - len(row[0].lstrip()) for row in one} == {0, 2}
    assert len(one) < len(everything)
    with h5py.File(path) as file:
        assert {row[0].strip() for row in one[1:]} == {*file.attrs, *file}


def test_the_signature_that_a_loader_runs_comes_last_and_has_no_type(corpus: Path) -> None:
    path = corpus / "notes_tf20/functional/2_model"
    rows = shown(path, "--signatures")
    key = "__saved_model_init_op"
    assert [row[1] for row in rows] == ["serving_default"] * 3 + [key] * 2
    assert rows[-1] == ["output", key, key, "op", "", "NoOp", ""]
    kept = {s["key"]: s["outputs"][0]["dtype"] for s in report(path)["signatures"]}
    assert kept == {"serving_default": "float32", key: "invalid"}


def test_a_section_without_rows_says_so_to_the_person_alone(corpus: Path) -> None:
    done = mfx("show", corpus / "emotion_model.hdf5", "--signatures")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "mfx: emotion_model.hdf5 has no signatures.\n"


def test_an_archive_of_models_says_which_of_them_to_ask_for_layers(
    corpus: Path, tmp_path: Path
) -> None:
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("sleep_stages.keras", "emotion_model.hdf5"):
            archive.write(corpus / name, name)
    done = mfx("show", path, "--layers")
    assert done.stdout == ""
    assert "both.zip has no layers. both.zip holds 2 models" in done.stderr
    assert shown(Path(f"{path}/sleep_stages.keras"), "--layers")


def test_the_overview_counts_the_notes_that_are_too_many(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", **{f"a{n}": np.array([None]) for n in range(30)})
    notes = [row for row in shown(tmp_path / "objects.npz") if row[0] == "note"]
    assert len(notes) == 13
    assert notes[-1][1] == "… and 18 more: mfx show --json"


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "names.h5", "w") as file:
        file["red\x1b[31m\u202egnp"] = np.zeros(2)
    done = mfx("show", tmp_path / "names.h5", "--tensors")
    assert done.stdout.startswith("red\\x1b[31m\\u202egnp\t")


# tensor


def test_a_tensor_is_written_as_it_is_stored(corpus: Path, tmp_path: Path) -> None:
    path, name = corpus / "emotion_model.hdf5", "model_weights/conv2d_1/conv2d_1_1/kernel:0"
    original = datasets(path)[name][2]
    done = mfx("tensor", path, name, "--out", tmp_path / "kernel.npy")
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.load(tmp_path / "kernel.npy"), original)
    part = mfx("tensor", path, name, "--slice", "0,:,0,::3", "--out", tmp_path / "part.npy")
    assert part.returncode == 0
    np.testing.assert_array_equal(np.load(tmp_path / "part.npy"), original[0, :, 0, ::3])


def test_a_tensor_is_found_by_each_of_its_names(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["first"] = np.arange(3)
        file.create_group("group")["second"] = file["first"]
    printed = [mfx("tensor", tmp_path / "links.h5", name) for name in ("first", "group/second")]
    assert [done.stdout.splitlines()[1] for done in printed] == ["[0 1 2]"] * 2


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4"])
def test_numbers_of_types_that_numpy_lacks_read_like_others(tmp_path: Path, dtype: str) -> None:
    import tensorflow as tf

    numbers = [1.0, -2.0, 0.5, 7.0] if dtype != "int4" else [1, -2, 0, 7]
    stored = tf.cast(tf.constant(numbers), dtype)
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "c"), tensor_names=["v"], shape_and_slices=[""], tensors=[stored]
    )
    done = mfx("tensor", tmp_path / "c", "v")
    assert done.stdout.splitlines()[1] == str(np.array(numbers))


def test_strings_are_text_and_bytes_only_where_they_are_none(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "words.h5", "w") as file:
        words = [b"one", "größer".encode(), b"\xff\x00\x01", b"\x1b[31m\n"]
        file["words"] = np.array(words, h5py.string_dtype(length=9))
        file["word"] = "größer"
    found = [mfx("tensor", tmp_path / "words.h5", name) for name in ("words", "word")]
    printed = [done.stdout.splitlines()[1] for done in found]
    assert printed == [r"['one' 'größer' b'\xff\x00\x01' '\x1b[31m\n']", "'größer'"]


def test_statistics_agree_with_numpy(corpus: Path) -> None:
    path, name = corpus / "emotion_model.hdf5", "model_weights/conv2d_1/conv2d_1_1/kernel:0"
    values = datasets(path)[name][2].astype(np.float64)
    done = mfx("tensor", path, name, "--stats")
    rows = dict(line.split("\t") for line in done.stdout.splitlines()[1:])
    assert int(rows["count"]) == values.size
    for key, expected in {
        "minimum": values.min(),
        "maximum": values.max(),
        "mean": values.mean(),
        "std": values.std(),
    }.items():
        assert float(rows[key]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("nothing:0",), "has no tensor nothing:0"),
        (("model_weights/conv2d_1/conv2d_1_1/kernel",), "Did you mean"),
        (("model_weights/conv2d_1/conv2d_1_1/kernel:0", "--slice", "9"), "outside the shape"),
        (("model_weights/conv2d_1/conv2d_1_1/kernel:0", "--slice", "a"), "is no index"),
        (("model_weights/conv2d_1/conv2d_1_1/kernel:0", "--slice", "::0"), "is no index"),
        (
            ("model_weights/conv2d_1/conv2d_1_1/kernel:0", "--out", "/nowhere/x.npy"),
            "was not written",
        ),
    ],
)
def test_what_a_tensor_command_cannot_do_is_told(
    corpus: Path, options: tuple[str, ...], said: str
) -> None:
    done = mfx("tensor", corpus / "emotion_model.hdf5", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# verify


@pytest.mark.parametrize(
    "name",
    [
        "basic_pitch_nmp",
        "half_plus_two_tf1",
        "sleep_stages.keras",
        "emotion_model.hdf5",
        "face_detection_short_range.tflite",
        "notes_tf20/functional/checkpoints",
        "notes_tf20/functional/2_model",
    ],
)
def test_the_corpus_verifies(corpus: Path, name: str) -> None:
    done = mfx("verify", corpus / name)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("basic_pitch_nmp", "variables/variables.data-00000-of-00001"),
        ("sleep_stages.keras", ""),
    ],
)
def test_a_changed_byte_is_found(corpus: Path, tmp_path: Path, name: str, file: str) -> None:
    target = tmp_path / name
    copy = shutil.copytree if (corpus / name).is_dir() else shutil.copyfile
    copy(corpus / name, target)
    damaged = target / file if file else target
    damaged.chmod(0o644)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 0x01
    damaged.write_bytes(content)
    done = mfx("verify", target)
    assert done.returncode == 1
    assert "1 failed" in done.stdout


def test_a_missing_shard_is_found(corpus: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    shutil.copytree(corpus / "basic_pitch_nmp", target)
    (target / "variables").chmod(0o755)
    (target / "variables" / "variables.data-00000-of-00001").unlink()
    done = mfx("verify", target)
    assert done.returncode == 1
    assert "variables.data-00000-of-00001" in done.stdout


# scan


@pytest.mark.parametrize(
    "name",
    [
        "basic_pitch_nmp",
        "half_plus_two_tf1",
        "sleep_stages.keras",
        "emotion_model.hdf5",
        "face_detection_short_range.tflite",
        "notes_tf20/functional/checkpoints",
        "notes_tf20/functional/1_weight.h5",
        "notes_tf20/functional/2_model",
        "notes_tf20/functional/3_model.h5",
        "notes_tf20/functional/4_model",
        "notes_tf20/subclass/1_weight.h5",
        "notes_tf20/subclass/4_model",
        "notes_tf20/subclass/checkpoints",
        "notes_tf20/x_test.npy",
    ],
)
def test_the_corpus_holds_no_danger(corpus: Path, name: str) -> None:
    done = mfx("scan", corpus / name)
    assert (done.returncode, done.stderr) == (0, "")
    assert "danger\t" not in done.stdout


def test_links_that_keep_a_folder_from_being_read_are_dangers(tmp_path: Path) -> None:
    """So the cache of the Hugging Face Hub keeps models: as links to files elsewhere."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "0a1b").write_bytes(b"")
    snapshot = tmp_path / "snapshots" / "main"
    snapshot.mkdir(parents=True)
    (snapshot / "saved_model.pb").symlink_to("../../blobs/0a1b")
    done = mfx("scan", snapshot)
    assert done.returncode == 1
    assert done.stdout.startswith("danger\tsymbolic-link\tsaved_model.pb\t")
    assert "Copy the folder with its links resolved, as “cp -rL” does" in done.stderr


def test_an_external_link_is_a_danger(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "trap.h5", "w") as file:
        file["weights"] = h5py.ExternalLink("/etc/passwd", "/x")
    done = mfx("scan", tmp_path / "trap.h5")
    assert done.returncode == 1
    assert done.stdout.split("\t")[:3] == ["danger", "external-link", "weights"]
    assert "/etc/passwd" in done.stdout


# All of them


@pytest.mark.parametrize("command", ["show", "verify", "scan"])
def test_what_cannot_be_opened_is_told_on_stderr(tmp_path: Path, command: str) -> None:
    (tmp_path / "empty.h5").touch()
    done = mfx(command, tmp_path / "empty.h5")
    assert (done.returncode, done.stdout) == (2, "")
    assert "empty.h5 is empty" in done.stderr
    missing = mfx(command, tmp_path / "missing.h5")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "does not exist" in missing.stderr


def test_formats_lists_endings() -> None:
    done = mfx("formats")
    assert done.returncode == 0
    rows = {line.split("\t")[0]: line.split("\t")[1] for line in done.stdout.splitlines()}
    assert ".keras" in rows["Keras archive"]
    assert ".tflite" in rows["TensorFlow Lite"]


@pytest.mark.parametrize("command", ["show", "verify", "scan"])
@pytest.mark.parametrize(
    "name", ["basic_pitch_nmp", "sleep_stages.keras", "emotion_model.hdf5", "notes_tf20/x_test.npy"]
)
def test_it_works_where_tensorflow_is_not_installed(
    corpus: Path, tmp_path: Path, command: str, name: str
) -> None:
    for package in ("tensorflow", "keras", "tf_keras", "PySide6", "h5py"):
        (tmp_path / f"{package}.py").write_text(f"raise ImportError('{package} is not here')")
    done = mfx(command, corpus / name, changes={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")


def test_damage_that_keeps_a_file_from_opening_is_damage_to_verify(
    corpus: Path, tmp_path: Path
) -> None:
    whole = (corpus / "emotion_model.hdf5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    done = mfx("verify", tmp_path / "cut.h5")
    assert (done.returncode, done.stdout) == (1, "")
    assert "cut.h5 is cut short" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's device that is always full")
def test_output_that_cannot_be_written_is_told(corpus: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "explorer", "show", str(corpus / "sleep_stages.keras")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("mfx: the output cannot be written")
    assert "Traceback" not in done.stderr


def test_a_file_that_nobody_knows_is_not_called_clean(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(bytes(range(256)))
    done = mfx("scan", tmp_path / "x.bin")
    assert done.returncode == 2
    assert done.stdout.split("\t")[:2] == ["warning", "not-read"]
    done = mfx("verify", tmp_path / "x.bin")
    assert done.returncode == 2
    assert "nothing was checked" in done.stdout


@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_config_that_is_nested_too_deep_to_look_at_is_a_danger(
    corpus: Path, tmp_path: Path, kind: str
) -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    path = tmp_path / f"deep.{kind}"
    if kind == "h5":
        shutil.copyfile(corpus / "emotion_model.hdf5", path)
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = deep
    else:
        with zipfile.ZipFile(corpus / "sleep_stages.keras") as source:
            members = {name: source.read(name) for name in source.namelist()}
        with zipfile.ZipFile(path, "w") as target:
            for name, content in (members | {"config.json": deep.encode()}).items():
                target.writestr(name, content)
    done = mfx("scan", path)
    assert done.returncode == 1
    assert done.stdout.split("\t")[:2] == ["danger", "not-scanned"]
