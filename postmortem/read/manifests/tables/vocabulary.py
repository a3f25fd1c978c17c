"""Names that columns of manifests go by, and names of splits."""

from __future__ import annotations

import re

LABELS = (
    "label",
    "labels",
    "target",
    "targets",
    "class",
    "category",
    "y",
    "class_name",
    "label_name",
    "classname",
    "category_name",
    "species",
    "class_label",
    "class_id",
    "label_id",
    "category_id",
    "classid",
    "diagnosis",
    "sentiment",
    "emotion",
    "fine_label",
    "coarse_label",
    "annotation",
    "ground_truth",
    "gt",
    "outcome",
    "command",
    "tags",
    "genres",
    "genre",
    "classes",
    "categories",
)
SPLITS = (
    "split",
    "subset",
    "partition",
    "set",
    "fold",
    "dataset_split",
    "data_split",
    "phase",
    "is_valid",
    "is_validation",
    "is_test",
    "is_train",
)
HASHES = ("sha256", "hash", "md5", "sha1", "checksum", "content_hash", "image_hash", "file_hash", "sha512")
"""They tell what a record holds, and go before names of files, which tell where it lies."""
KEYS = (
    *HASHES,
    "uuid",
    "guid",
    "filepath",
    "file_path",
    "audio_filepath",
    "image_path",
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "img",
    "image_file",
    "img_path",
    "audio",
    "audio_path",
    "wav",
    "image_id",
    "sample_id",
    "record_id",
    "example_id",
    "key",
    "id",
    "uid",
    "url",
    "record",
    "sample",
)
GROUPS = (
    "patient_id",
    "patientid",
    "patient",
    "subject_id",
    "subjectid",
    "subject",
    "participant_id",
    "participant",
    "speaker_id",
    "speaker",
    "spk_id",
    "spk",
    "client_id",
    "actor",
    "actor_id",
    "person_id",
    "donor_id",
    "animal_id",
    "case_id",
    "study_id",
    "slide_id",
    "scene_id",
    "scene",
    "video_id",
    "video",
    "sequence_id",
    "recording_id",
    "session_id",
    "group_id",
    "group",
    "site_id",
    "site",
    "user_id",
    "userid",
)
"""What several records may come from; where they do, all of them belong into one split."""
CONTENT = (
    "text",
    "sentence",
    "sentence1",
    "sentence2",
    "prompt",
    "completion",
    "question",
    "review",
    "title",
    "content",
    "caption",
    "transcript",
)
"""Columns that hold the record itself, as text."""
TRANSCRIPTS = ("text", "transcript", "transcription", "sentence", "normalized_text", "target_text")
"""Columns that hold the text to produce, beside a column of recordings."""
RECORDINGS = ("audio_filepath", "audio", "audio_path", "audio_file", "wav", "wav_path", "audio_filename")
BOXES = (("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"), ("x1", "y1", "x2", "y2"), ("bbox",), ("bbox_x", "bbox_y"))
"""Columns of a table whose rows are objects in images, several rows an image."""
IDENTIFIERS = re.compile(r"(^|_)(id|ids|idx|index|code)$|^(class|category)?id$|^class$|^category$")
"""Names of columns of numbers that number classes rather than measure something."""
NAME_OF = {
    "label": ("label_name", "class_name", "classname", "category_name", "label_text", "name_label", "class_label", "category", "class"),
    "labels": ("label_names", "label_name", "class_name", "label_text"),
    "target": ("target_name", "class_name", "label_name", "target_names"),
    "class": ("class_name", "classname", "class_label"),
    "category": ("category_name",),
    "class_id": ("class_name", "class", "classname", "label", "class_label"),
    "classid": ("class_name", "class", "classname", "label"),
    "label_id": ("label_name", "label", "label_text"),
    "category_id": ("category_name", "category", "label"),
    "y": ("class_name", "label_name", "label"),
}
"""Column of numbers -> columns that may name the classes beside it."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SPLIT_NAMES = {
    "train": ("train", "training", "tr", "trn", "fit", "learn"),
    "validation": ("validation", "val", "valid", "dev", "development", "eval", "evaluation", "cv", "holdout"),
    "test": ("test", "testing", "tst", "te"),
}
SPLIT_ALIASES = {alias: name for name, aliases in _SPLIT_NAMES.items() for alias in aliases}
"""Lower-case word -> `train`, `validation` or `test`."""


def plain(name: str) -> str:
    """A column's name in lower case, with one underscore between words (`patientId`, `Patient ID`: `patient_id`)."""
    return re.sub(r"[\s\-.]+", "_", _CAMEL.sub("_", name.strip()).lower())


def known_name(name: str) -> bool:
    """Whether a name is one that label, split, key, group or content columns go by."""
    return plain(name) in {*LABELS, *SPLITS, *KEYS, *CONTENT, *GROUPS}


def is_number(text: str) -> bool:
    """Whether a cell reads as a number (NaN and Inf included)."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def split_name(text: str) -> str:
    """`train`, `validation` or `test` where a word of the text says so (`train-00000-of-00002`, `my_val`), else empty."""
    found = {SPLIT_ALIASES[word] for word in re.split(r"[^a-z]+", text.lower()) if word in SPLIT_ALIASES}
    return found.pop() if len(found) == 1 else ""


def split_value(cell: str | None, column: str) -> str:
    """The split that a cell of a split column names: an alias, yes or no of `is_valid`, else the text itself in lower case."""
    text = (cell or "").strip().lower()
    name = plain(column)
    if name.startswith("is_"):
        yes = SPLIT_ALIASES.get(name[3:], "validation")
        if text in ("true", "1", "1.0", "yes", "t"):
            return yes
        if text in ("false", "0", "0.0", "no", "f"):
            return "train" if yes != "train" else "validation"
    return SPLIT_ALIASES.get(text, text)
