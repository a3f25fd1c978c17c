"""What the names of files and folders say of a training run. Opens nothing, knows no tree.

The words come from a survey of public training runs: how frameworks name event folders, checkpoints, logs and manifests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from postmortem.model import FileRole

_WORDS = re.compile(r"[^a-z0-9]+")


def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name, split at everything that is neither letter nor digit."""
    return tuple(word for word in _WORDS.split(name.lower()) if word)


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPLITS: dict[str, str] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "eval", "evaluation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Word -> group."""

DATA_WORDS = frozenset(
    ("data", "dataset", "datasets", "manifest", "manifests", "annotations", "labels", "splits", "raw", "processed", "metadata")
)

LOG_WORDS = _vocabulary(
    "tb tboard tensorboard tf log logs logging events event summaries summary board fit runs run csv metrics lightning lightning_logs "
    "dvclive plots scalars vis inner"  # the last as in fairseq's `train_inner`
)
_WEIGHT_WORDS = _vocabulary(
    "ckpt ckpts checkpoint checkpoints chkpt chkpts weight weights model models save saves saved snapshot snapshots state states params "
    "trained net nets network networks best last final latest ema optimizer optim artifacts output outputs shards pretrained"
)
_METRIC_WORDS = _vocabulary("loss losses acc accuracy lr error metric metrics score f1 auc iou map reward hparams hparam")

# These alone name a collection of runs as often as a part of one: a part only where files lie in them directly.
_COLLECTIONS = frozenset(("run", "runs", "output", "outputs", "lightning_logs", "artifacts", "saved"))

_STEP_FOLDER = re.compile(
    r"(checkpoint|ckpt|chkpt|step|global_?step|iter|iteration|epoch|ep)[-_=]?\d+([-_](step|epoch|iter)[-_=]?\d+)*[km]?", re.IGNORECASE
)
_SHARD_FOLDER = re.compile(r"(rank|mp_rank|tp|pp|shard|worker)[-_]?\d+([-_]\w+)?", re.IGNORECASE)
_TIME = re.compile(r"\d{9,}(\.\d+)?")
_STAMP = re.compile(r"([A-Z][a-z]{2}\d{2}_\d{2}-\d{2}-\d{2}.*)|(\d{4}[-_]?\d{2}[-_]?\d{2}\D?.*)")
_EVENT_WRITER = re.compile(r"tfevents\.\d+\.(?P<process>.+\.\d+)\.\d+(\.v2)?$")

_TORCH_ENDINGS = (".pt", ".pth", ".ckpt", ".safetensors", ".pth.tar", ".pt.tar", ".ckpt.tar", ".t7", ".th")
ORBAX_METADATA = "_METADATA"
# Flax writes `checkpoint_1000`; `checkpoint` alone is TensorFlow's pointer to the latest, or stands for the folder of an early Orbax.
_FLAX_OR_POINTER = re.compile(r"(checkpoint|ckpt)_\d+|checkpoint")
_FOREIGN_ENDINGS = (".h5", ".hdf5", ".keras", ".msgpack")
_NOT_WEIGHTS = re.compile(
    r"(rng_state|random_states?|rng)(_?\d+)*\.(pt|pth|bin|pkl)|.*(vec_?normalize|replay_?buffer).*\.pkl", re.IGNORECASE
)
_ZIPPED_MODEL = re.compile(r"(rl_model_\d+_steps|(best|final|last)_(model|agent)|model|policy)\.zip")
"""As Stable-Baselines3 and its callbacks name their files; other zips are data sets and archives."""
_TABLE_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".json")
_CONFIG_ENDINGS = (".yaml", ".yml", ".json", ".toml")
_CONFIG_STEMS = _vocabulary(
    "hparams hparam hyperparameters hyperparams hyper_parameters args arguments config conf cfg params opt opts options hyp settings flags "
    "train_config training_config model_config train_args run_config training_args finetuning_args adapter_config overrides train_opt "
    "preprocessor_config"
)
_TEXT_CONFIG_STEMS = _vocabulary(
    "args opt train_opt hparams hyperparameters params config options flags settings commandline_args arguments"
)
_TEXT_TABLES = re.compile(r"log\.txt|progress\.txt|training\.log")
"""Texts that are tables as often as not: JSON lines as DETR writes them, tabs as Spinning Up does, commas as Keras does. Their content
decides, and that of every text log (`console`) does too."""
_LOG_TABLE_WORDS = _vocabulary(
    "metrics metric results history log logs progress monitor scalars losses loss curves trainer_state stats monitors"
)
_LOG_NAMES = re.compile(r"summary\.(csv|tsv)|result\.json|(.*-)?tag-.+\.csv|\d{8}_\d{6}\.json")
"""As timm and Ray name their tables, TensorBoard what is downloaded from it, and OpenMMLab the log of a start."""
_MANIFEST_WORDS = _vocabulary(
    "manifest manifests dataset datasets data label labels target targets record records sample samples annotation annotations split "
    "splits metadata index train training val valid validation test dev eval"
)
_DESCRIPTION_WORDS = _vocabulary("data dataset datasets class classes label labels counts voc metadata")
_ANNOTATION_WORDS = _vocabulary("coco lvis instances annotations croissant panoptic keypoints captions")
"""Words of names of JSON and YAML documents that describe a data set."""
_JSON_TABLES = re.compile(
    r".+_manifest|manifest_.+|((.+_)?(train|training|val|valid|validation|dev|test|testing|eval)|annotations?)"
    r"(_(data|set|split|samples|records|list|annotations?|labels?|\d{1,3}))*"
)
"""JSON files that may be tables of records; of others too few are."""
_PATH_LISTS = re.compile(
    r"(?:train|training|val|valid|validation|dev|test|testing|eval|trainval)(?:_?(?:list|files?|filelist|images|split|set))?\.txt"
    r"|(?:.+[_-])?(?:list|filelist|file_list|filelists?|image_list)\.txt|.+\.lst|.+_filelist\.txt"
)
"""Texts that may be lists of paths. In a folder of data they are; elsewhere `train.txt` may be a text to learn from as well."""
_CONSOLE_ENDING = re.compile(r"\.(?:log|out|err)(?:\.\d{1,2})?$|\.[oe]\d{3,}(?:[.-]\d+)?$")  # the last as SGE and PBS name a job's output
_CONSOLE_NAMES = _vocabulary("stdout stderr console nohup output slurm logs log")
_JOB_WORDS = _CONSOLE_NAMES | _vocabulary(
    "train training trainer pretrain pretraining finetune finetuning main job run exp experiment rank worker node gpu std out err error "
    "errors txt loss losses"
)
_NO_CONSOLE = _vocabulary(
    "debug pip install setup build cmake make configure compile docker git npm yarn apt conda env access latex lint pytest mypy "
    "tensorboard jupyter"
)
"""Logs of other programs than the training; `debug.log` and its like are the W&B client's own."""
_NUMBERED_JOB = re.compile(r"\.[oe]\d")
_WANDB_FILES: dict[str, FileRole] = {"wandb-summary.json": "log", "wandb-metadata.json": "config", "wandb-events.jsonl": "other"}
_SUMMARY_STEMS = frozenset(("all_results", "train_results", "eval_results", "test_results", "predict_results"))


class FileKind(NamedTuple):
    """What one name was taken for."""

    role: FileRole
    sure: bool = True
    """False where only the ending speaks: a table that may be a manifest, a log, or neither."""


OTHER = FileKind("other")


@lru_cache(maxsize=65536)
def file_kind(name: str, in_data_folder: bool = False) -> FileKind:
    """What a file is, by its name; weights in a data folder are data."""
    lower = name.lower()
    if name == ".metadata":  # torch.distributed.checkpoint's table of tensors; `folders.py` looks for the shards beside it
        return FileKind("checkpoint-index")
    if name.startswith("."):
        return OTHER
    if "tfevents" in lower:
        return OTHER if lower.endswith((".profile-empty", ".json", ".csv", ".png")) else FileKind("events")
    if lower.endswith((".safetensors.index.json", ".bin.index.json")):
        return FileKind("checkpoint-index")
    if lower.endswith((".csv.gz", ".tsv.gz", ".jsonl.gz", ".ndjson.gz", ".json.gz")):
        return _text_kind(lower.removesuffix(".gz"))
    if lower.endswith(".manifest") and lower.count(".") == 1:  # of SageMaker Ground Truth; `runner.exe.manifest` is of a program
        return FileKind("manifest", sure=bool({*words(lower)} & (_MANIFEST_WORDS - {"manifest"})) or lower == "output.manifest")
    if lower in _WANDB_FILES:
        return FileKind(_WANDB_FILES[lower])
    if lower.endswith((*_TABLE_ENDINGS, *_CONFIG_ENDINGS)):
        return _text_kind(lower)
    if lower.endswith(".txt") and lower.removesuffix(".txt").replace("-", "_") in _TEXT_CONFIG_STEMS:
        return FileKind("config")
    if lower.endswith(".wandb") or is_database(name):  # history and settings of one run of Weights & Biases; of many of MLflow
        return FileKind("log")
    if _PATH_LISTS.fullmatch(lower):
        return FileKind("manifest", sure=in_data_folder)
    if _TEXT_TABLES.fullmatch(lower):
        return FileKind("log")
    if name == ORBAX_METADATA:  # stands for its folder
        return FileKind("checkpoint")
    if _is_weights(lower) and not in_data_folder:
        return FileKind("checkpoint")
    return OTHER if in_data_folder else _console_kind(lower)


def _console_kind(lower: str) -> FileKind:
    """A text log by its name, surely a job's own where every word of it is such a word (`slurm-1234.out`, `train_rank0.log`)."""
    ending = _CONSOLE_ENDING.search(lower)
    stem = lower[: ending.start()] if ending else lower.removesuffix(".txt")
    found = [word.rstrip("0123456789") for word in words(stem)]
    if lower == "a.out" or _NO_CONSOLE & set(found):
        return OTHER
    known = all(word in _JOB_WORDS for word in found if word)
    if ending:
        return FileKind("console", sure=known or bool(_NUMBERED_JOB.match(lower[ending.start() :])))
    plain = "." not in lower or lower.endswith(".txt")
    return FileKind("console") if plain and known and _CONSOLE_NAMES & set(found) else OTHER


def is_database(name: str) -> bool:
    """Whether a file of this name holds runs of its own, as MLflow names its SQLite store."""
    return name.lower() in ("mlflow.db", "mlruns.db")


def _is_weights(lower: str) -> bool:
    if _NOT_WEIGHTS.fullmatch(lower):
        return False
    stem_words = set(words(lower))
    if lower.endswith((*_TORCH_ENDINGS, ".distcp")) or lower in ("training_args.bin", "variables.index"):
        return True
    if _ZIPPED_MODEL.fullmatch(lower) or _FLAX_OR_POINTER.fullmatch(lower):
        return True
    if lower.endswith((".bin", ".pkl", ".pickle", ".npz", *_FOREIGN_ENDINGS, ".index")):
        named = bool(stem_words & _WEIGHT_WORDS) or "weights" in lower or "model" in lower
        return lower.endswith((".keras", ".msgpack")) or named
    return False


def _text_kind(lower: str) -> FileKind:
    stem, _, ending = lower.rpartition(".")
    found = set(words(stem)) | {stem}
    if f".{ending}" in _CONFIG_ENDINGS and stem.replace("-", "_") in _CONFIG_STEMS:
        return FileKind("config")
    described = {word.rstrip("0123456789") for word in found}
    if ending in ("yaml", "yml", "toml"):
        # Many a YAML file of such a name holds settings: its content decides.
        return FileKind("manifest", sure=False) if described & (_DESCRIPTION_WORDS | _ANNOTATION_WORDS) and ending != "toml" else OTHER
    if _LOG_NAMES.fullmatch(lower):
        return FileKind("log")
    if ending == "json":
        is_log = stem == "trainer_state" or (bool(found & (_LOG_TABLE_WORDS - {"results"})) and stem not in _SUMMARY_STEMS)
        if not is_log and described & (_DESCRIPTION_WORDS | _ANNOTATION_WORDS):
            return FileKind("manifest", sure=bool(described & _ANNOTATION_WORDS))
        if not is_log and _JSON_TABLES.fullmatch(stem.replace("-", "_")):
            return FileKind("manifest", sure=False)
        return FileKind("log") if is_log else OTHER
    if ending != "parquet" and found & _LOG_TABLE_WORDS and stem not in _SUMMARY_STEMS:
        return FileKind("log")
    return FileKind("manifest", sure=bool(found & _MANIFEST_WORDS))


def group_of(folder: str) -> str:
    """The split that a folder's name speaks for: `train`, `validation`, `test`, or empty where it names none or several."""
    groups = {SPLITS[word] for word in words(folder) if word in SPLITS}
    return groups.pop() if len(groups) == 1 else ""


def is_split(folder: str) -> bool:
    """Whether the name is that of a split and no more (`train`, `validation`)."""
    return folder.lower() in SPLITS


def is_data_folder(folder: str) -> bool:
    """Whether the name is that of a place for data sets."""
    return folder.lower() in DATA_WORDS


@lru_cache(maxsize=4096)
def part_of_run(folder: str, holds_files: bool = True) -> Literal["", "part", "step"]:
    """Whether the name is one that parts of a run have: a place for logs, weights, data or a split, or one saved step.

    Every word of it must be such a word: `tb_logs` and `best_model` are parts, `resnet_logs` and `model_3` may be runs. `holds_files` says
    that artifacts lie in the folder itself: `runs` is a part then, and a collection otherwise.
    """
    if _STEP_FOLDER.fullmatch(folder) or _SHARD_FOLDER.fullmatch(folder):
        return "step"
    found = words(folder)
    if not found or (folder.lower() in _COLLECTIONS and not holds_files):
        return ""
    known = LOG_WORDS | _WEIGHT_WORDS | DATA_WORDS
    return "part" if all(word in known or word in SPLITS for word in found) else ""


def is_metric_folder(folders: Sequence[str]) -> bool:
    """Whether the last of these folders, from the root down, is one in which DVCLive keeps a table for each metric."""
    lower = [folder.lower() for folder in folders[-6:]]
    return "dvclive" in lower or ("plots", "metrics") in pairwise(lower)


def is_log_folder(folder: str) -> bool:
    """Whether the name is that of a place for logs, collections of them included (`runs`, `lightning_logs`)."""
    found = words(folder)
    return bool(found) and all(word in LOG_WORDS for word in found)


def is_stamp(folder: str) -> bool:
    """Whether the name is a date and time, as writers make it up for themselves."""
    return bool(_STAMP.fullmatch(folder) or _TIME.fullmatch(folder))


def is_side_writer(folder: str) -> bool:
    """Whether the name is one that `add_hparams` (a time) or `add_scalars` (a metric, a split) makes below the main writer's folder."""
    return bool(_TIME.fullmatch(folder)) or any(word in _METRIC_WORDS or word in SPLITS for word in words(folder))


def writer_process(name: str) -> str:
    """Host and process that wrote an event file, as its name says; empty where it does not."""
    match = _EVENT_WRITER.search(name)
    return match["process"] if match else ""


def alike(one: str, two: str) -> bool:
    """Whether two names look like members of one series of runs: `a` and `b`, `run1` and `run2`, `lr_0.1` and `lr_0.01`."""
    if len(one) <= 2 and len(two) <= 2:
        return True
    letters_one, letters_two = (re.sub(r"[^a-z]+", "", name.lower()) for name in (one, two))
    if letters_one == letters_two:
        return True
    shared = next(
        (index for index, (x, y) in enumerate(zip(letters_one, letters_two, strict=False)) if x != y),
        min(len(letters_one), len(letters_two)),
    )
    return shared >= 3


_DIGITS = re.compile(r"(\d+)")


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which `step_9` comes before `step_10`."""
    return tuple(
        (0, int(piece), piece) if piece.isdecimal() and len(piece) < 300 else (1, 0, piece) for piece in _DIGITS.split(text) if piece
    )
