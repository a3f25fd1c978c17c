"""Settings files beside a run: what is read of each kind, and that it reaches the measures of settings."""

from __future__ import annotations

import io
import pickle
import sys
import types
import zipfile
from pathlib import Path

import pytest

from postmortem.discover import find_runs
from postmortem.measure.settings import BATCH_SIZE, RATE, number_of, settings
from postmortem.model import FoundFile, Plain, ReadOptions
from postmortem.read.run import reading
from postmortem.read.tables.settings import read_settings
from postmortem.read.tables.settings_texts import settings_in_text


def read(folder: Path, name: str, content: str) -> dict[str, Plain]:
    """Settings of a file with this content; there must be no problem."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    found, problems = read_settings(FoundFile(path, name, "config", path.stat().st_size))
    assert problems == ()
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.toml", 'lr = 1e-3\nname = "a"\n[optim]\nbetas = [0.9, 0.5]\nnesterov = false\n'),
        ("config.json", '{"lr": 0.001, "name": "a", "optim": {"betas": [0.9, 0.5], "nesterov": false}}'),
        ("config.yml", "lr: 1e-3\nname: a\noptim: {betas: [0.9, 0.5], nesterov: false}\n"),
        ("args.txt", "Namespace(lr=0.001, name='a', optim={'betas': (0.9, 0.5), 'nesterov': False})\n"),
        ("args.txt", '{"lr": 0.001, "name": "a", "optim": {"betas": [0.9, 0.5], "nesterov": false}}'),
    ],
)
def test_kinds_of_files_read_alike(tmp_path: Path, name: str, content: str) -> None:
    """The same settings in TOML, JSON, YAML and as argparse prints them come out the same."""
    assert read(tmp_path, name, content) == {"lr": 1e-3, "name": "a", "optim.betas.0": 0.9, "optim.betas.1": 0.5, "optim.nesterov": False}


def test_options_as_printed_in_a_frame(tmp_path: Path) -> None:
    """`train_opt.txt` of image-to-image projects: a frame of dashes, one setting a line, its default behind it."""
    content = (
        "----------------- Options ---------------\n               batch_size: 4                             \t[default: 1]\n"
        "                    lr: 0.0002                        \n              isTrain: True                          \t[default: None]\n"
        "----------------- End -------------------\n"
    )
    assert read(tmp_path, "train_opt.txt", content) == {"batch_size": 4, "lr": 0.0002, "isTrain": True}


def test_flags_and_equal_signs(tmp_path: Path) -> None:
    """`--name=value`, `name = value` and `--name value` lines are settings."""
    assert read(tmp_path, "flags.txt", "--lr=0.1\n--batch_size=32\n--name=run_a\n") == {"lr": 0.1, "batch_size": 32, "name": "run_a"}
    assert read(tmp_path, "opt.txt", "lr = 0.1\nsteps 100\n") == {"lr": 0.1, "steps": 100}


@pytest.mark.parametrize(
    "content",
    [
        "This is a note about the training that was made on Monday\nIt went well, as far as can be said\n",
        "Namespace(lr=0.1",
        "print('x')\nimport os\n",
        "Total params: 11,181,642 trainable\nof which all are used in the head of it\nand some are not\n",
    ],
)
def test_texts_that_are_no_settings(tmp_path: Path, content: str) -> None:
    """Prose and code give no settings and no problem: such names are used for anything."""
    assert settings_in_text(content) is None and read(tmp_path, "args.txt", content) == {}


def test_ordered_mapping_of_the_zoo(tmp_path: Path) -> None:
    """Stable-Baselines3's zoo keeps `args.yml` and `config.yml` as an OrderedDict of pairs."""
    content = "!!python/object/apply:collections.OrderedDict\n- - - ent_coef\n    - 0.001\n  - - n_envs\n    - 32\n"
    assert read(tmp_path, "config.yml", content) == {"ent_coef": 0.001, "n_envs": 32}


def test_overrides_of_hydra(tmp_path: Path) -> None:
    """`overrides.yaml` lists what was given by hand as `name=value`."""
    assert read(tmp_path, "overrides.yaml", "- optim.lr=0.01\n- +trainer.fast=true\n- model=resnet\n") == {
        "optim.lr": 0.01,
        "trainer.fast": True,
        "model": "resnet",
    }


def training_arguments() -> bytes:
    """A `training_args.bin` as torch.save writes one: a zip with a pickle of an instance of transformers' class, which is not installed."""
    module, trainer = types.ModuleType("transformers.training_args"), types.ModuleType("transformers")
    arguments = type("TrainingArguments", (), {"__module__": module.__name__})
    setattr(module, "TrainingArguments", arguments)  # noqa: B010
    sys.modules.update({"transformers": trainer, module.__name__: module})
    try:
        value = arguments()
        value.__dict__.update(
            output_dir="out", per_device_train_batch_size=16, gradient_accumulation_steps=2, learning_rate=3e-5, weight_decay=0.01,
            warmup_steps=100, warmup_ratio=0.0, max_steps=-1, num_train_epochs=3.0, max_grad_norm=1.0, bf16=True, logging_dir=None,
        )  # fmt: skip
        data = pickle.dumps(value, protocol=2)
    finally:
        del sys.modules["transformers"], sys.modules[module.__name__]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("training_args/data.pkl", data)
        archive.writestr("training_args/byteorder", "little")
        archive.writestr("training_args/version", "3\n")
    return packed.getvalue()


def test_training_arguments_reach_the_measures(tmp_path: Path) -> None:
    """`training_args.bin` beside the weights gives batch size, rate, warm-up, decay and clipping, without transformers."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "out" / "checkpoint-10"
    folder.mkdir(parents=True)
    save_file({"fc.weight": torch.ones(2, 2)}, folder / "model.safetensors")
    (folder / "training_args.bin").write_bytes(training_arguments())
    (found,) = find_runs([tmp_path])
    with reading(found, ReadOptions()) as (run,):
        known = settings(run)
    assert number_of(known, BATCH_SIZE) == ("per_device_train_batch_size", 16.0) and number_of(known, RATE) == ("learning_rate", 3e-5)
    assert known["warmup_steps"] == 100 and known["weight_decay"] == 0.01 and known["max_grad_norm"] == 1.0 and known["max_steps"] == -1
    assert run.problems == ()
