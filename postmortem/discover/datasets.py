"""Finds data sets that are folders: trees of class folders, shards of WebDataset, folders of Kaldi. By names and sizes; opens nothing.

Each becomes one entry that stands for its folder, and its records leave the listing. Trainers write pictures into folders by class, step or
split too: without a folder called like data, or splits outside of any run, nothing is taken for a data set.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from postmortem.discover.folders import Entry, Folder, Tree
from postmortem.discover.names import SPLITS, FileKind, is_stamp, part_of_run, words


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


DATA_KINDS: dict[str, str] = {
    **dict.fromkeys(_vocabulary("jpg jpeg jpe png bmp gif webp tif tiff ppm pgm pbm jp2 jfif"), "image"),
    **dict.fromkeys(_vocabulary("wav flac mp3 ogg m4a opus aac sph aiff aif"), "audio"),
    **dict.fromkeys(_vocabulary("mp4 avi mov mkv webm mpg mpeg m4v wmv"), "video"),
    **dict.fromkeys(_vocabulary("npy npz dcm nii mat ply off obj pcd las"), "array"),
    **dict.fromkeys(("txt",), "text"),
}
"""Ending of a file -> what a record of it is."""
_PAIRED = _vocabulary(
    "images image imgs img labels label masks mask annotations annotation annots gt ground_truth groundtruth labelstr imagestr "
    "imagests labelsts jpegimages imagesets segmentationclass segmentationobject depth input inputs target targets source src tgt "
    "x y a b hr lr clean noisy blur blurred sharp hazy style content condition traina trainb testa testb vala valb gtfine "
    "leftimg8bit"
)
"""Folders, in lower case, that hold one side of pairs, and no class."""
_PAIRED_SHARE = 1 / 3
"""From this share on folders are sides of pairs: any of three; but `a`, `b`, `x` and `y` among 26 are letters of an alphabet."""
KALDI_FILES = _vocabulary("wav.scp text utt2spk spk2utt segments utt2dur utt2num_frames spk2gender feats.scp cmvn.scp reco2dur utt2lang")
NOTEBOOK_GHOST = ".ipynb_checkpoints"
SHARD = re.compile(r"(?P<series>.*?)[-_.]?(?P<number>\d{3,})(?:[-_]of[-_]\d+)?\.(?:tar|tar\.gz|tgz)", re.IGNORECASE)
"""A shard's name: what all of its series have in common, and a number."""

_FILLERS = _vocabulary(
    "set sets data dataset image images img imgs picture pictures pics folder split samples frames videos audio clips files jpg "
    "jpeg png resized cropped crops small big raw original orig"
)
"""Words that may stand beside the name of a split in the name of its folder."""
_LEFTOVERS = _vocabulary(".ds_store thumbs.db desktop.ini")
_DATA_WORDS = _vocabulary("data dataset datasets corpus corpora imagefolder")
_SHOWN_WORDS = _vocabulary(
    "sample samples prediction predictions pred preds output outputs out plot plots figure figures fig figs vis viz visual visuals "
    "visualization visualizations visualisation visualisations result results epoch epochs step steps iter iters checkpoint "
    "checkpoints ckpt ckpts generated generation generations fake fakes reconstruction reconstructions recon log logs run runs "
    "media gradcam cam cams attention heatmap heatmaps confusion debug tmp temp inference inferences assets docs doc static icons "
    "paper screenshots demo demos examples wandb mlruns tensorboard tb experiment experiments exp exps report reports saliency "
    "embeddings projector grid grids"
)
"""Words of folders that programs show their results in."""
_ALL_OF_THEM = frozenset({"images", "data", "files", "unlabelled", "unlabeled"})
_STORE_WORDS = _ALL_OF_THEM | {"raw", "all", "original", "input", "source"}
"""Names of folders that hold records before they are sorted into classes: `cats`, `dogs` and `raw_images` are no three classes."""
_SEQUENCE_WORDS = _vocabulary("frames sequences sequence scenes slides patients subjects sessions episodes speakers")
"""Words of folders whose folders are one recording or one person each."""
_CORE = ("events", "checkpoint", "checkpoint-index", "log")
_MAIN_SHARE = 0.9
_NAMES: dict[str, str] = {"image": "images", "audio": "recordings", "video": "videos", "array": "arrays", "text": "texts"}


def kind_of(name: str) -> str:
    """`image`, `audio`, `video`, `array`, `text`, or empty for a file that is no record by its ending."""
    stem, _, ending = name.rpartition(".")
    return DATA_KINDS.get(ending.lower(), "") if stem else ""


def split_of(folder: str) -> str:
    """`train`, `validation` or `test` where the folder's name says so and hardly more (`training_set`, `val_images`), else empty."""
    found = re.split(r"[^a-z]+", folder.lower())
    splits = {SPLITS[word] for word in found if word in SPLITS}
    rest = [word for word in found if word and word not in SPLITS and word not in _FILLERS]
    return splits.pop() if len(splits) == 1 and not rest else ""


def are_sides(folders: Collection[str]) -> bool:
    """Whether folders hold the sides of pairs (`images` and `masks`, `clean` and `noisy`), and no classes; in doubt they do."""
    return sum(name.lower() in _PAIRED for name in folders) >= max(1, _PAIRED_SHARE * len(folders))


@dataclass(slots=True, eq=False)
class _Seen:
    """What a folder and all below it hold."""

    folder: Folder
    kinds: Counter[str] = field(default_factory=Counter)
    """Files right in it, by kind; those of no kind under the empty one."""
    below: list[_Seen] = field(default_factory=list)
    data: int = 0
    """Data files in it and below."""
    core: bool = False
    """Whether artifacts of a run lie in it or below."""
    core_here: bool = False


def fold_datasets(tree: Tree) -> None:
    """Puts one entry in the place of each data set, and takes its records out of the listing."""
    seen = _look(tree.root)
    if seen.data == 0 and not any(_is_other_data(each) for each in _all(seen)):
        return
    _fold(seen, None, tree, in_run=False, called_data=_is_called_data(tree.root))


def _look(folder: Folder) -> _Seen:
    seen = _Seen(folder)
    for entry in folder.files:
        if entry.name.lower() in _LEFTOVERS:
            continue
        seen.kinds["" if entry.kind.role in _CORE else kind_of(entry.name)] += 1
        seen.core_here = seen.core_here or entry.kind.role in _CORE
    seen.below = [_look(each) for each in folder.folders]
    seen.data = sum(count for kind, count in seen.kinds.items() if kind) + sum(each.data for each in seen.below)
    seen.core = seen.core_here or any(each.core for each in seen.below)
    return seen


def _all(seen: _Seen) -> Iterator[_Seen]:
    yield seen
    for each in seen.below:
        yield from _all(each)


def _fold(seen: _Seen, parent: Folder | None, tree: Tree, in_run: bool, called_data: bool) -> None:
    """Folds the folder where it is a data set, and what lies in it otherwise."""
    here = seen.folder
    held = "" if seen.core or here.store else _what(seen, in_run, called_data, parent is None)
    if held:
        _put_in_place(seen, parent or here, tree, held)
        return
    inside = in_run or seen.core_here or bool(here.store) or any(each.core and part_of_run(each.folder.name, True) for each in seen.below)
    for each in seen.below:
        shown = bool(_SHOWN_WORDS & set(words(each.folder.name)))
        _fold(each, here, tree, inside, (called_data and not shown) or _is_called_data(each.folder))


def _what(seen: _Seen, in_run: bool, called_data: bool, is_path: bool) -> str:
    """What the data set of this folder holds, as a note says it; empty where it is none."""
    if _is_shards(seen) or _holds_splits(seen, _is_shards):
        return f"{sum(_is_shard(file.name) for each in _all(seen) for file in each.folder.files)} shards of WebDataset"
    if _is_kaldi(seen) or _holds_splits(seen, _is_kaldi):
        return f"{sum(map(_is_kaldi, _all(seen)))} {'folder' if _is_kaldi(seen) else 'folders'} as Kaldi lays them out"
    if in_run and not called_data:
        return ""
    if not called_data and _SHOWN_WORDS & {word for part in (*seen.folder.parts, seen.folder.name) for word in words(part)}:
        return ""
    classes = _split_classes(seen)
    by_split = bool(classes)
    if not classes and (called_data or is_path) and not _SEQUENCE_WORDS & set(words(seen.folder.name)):
        classes = _classes(seen)
    kinds = sum((each.kinds for one in classes for each in _all(one)), Counter[str]())
    kinds.pop("", None)
    kind = max(kinds, key=lambda each: kinds[each], default="")
    # Texts and arrays lie in folders by book, or by what they are of a record, as often as by class.
    if not kind or (kind in ("text", "array") and not by_split):
        return ""
    return f"{seen.data} {_NAMES[kind]} in folders of {len({one.folder.name for one in classes})} classes"


def _split_classes(seen: _Seen) -> list[_Seen]:
    """The class folders of all splits of a folder that holds splits; empty where it is none, or training has no classes."""
    splits = [(split, each) for each in seen.below if each.data and (split := split_of(each.folder.name))]
    training = [one for split, each in splits if split == "train" for one in _classes(_unwrapped(each))]
    return training + [one for split, each in splits if split != "train" for one in _classes(_unwrapped(each), least=1)] if training else []


def _unwrapped(seen: _Seen) -> _Seen:
    """`train/train/cats`: archives are often unpacked into a folder of their own name."""
    return seen.below[0] if len(seen.below) == 1 and not seen.kinds else seen


def _classes(seen: _Seen, least: int = 2) -> list[_Seen]:
    """The class folders right in a folder; empty where there are too few, or other folders among them."""
    filled = [each for each in seen.below if any(one.kinds for one in _all(each))]
    classes = [each for each in filled if _is_class(each)]
    if len(classes) < max(least, _MAIN_SHARE * len(filled)) or seen.core:
        return []
    names = [each.folder.name for each in classes]
    if any(set(words(name)) <= _STORE_WORDS and set(words(name)) & _ALL_OF_THEM for name in names):
        return []
    strange = sum(bool(split_of(name)) or _is_moment(name) or bool(_SHOWN_WORDS & set(words(name))) for name in names)
    return [] if strange * 2 >= len(names) or are_sides(names) else classes


def _is_class(seen: _Seen) -> bool:
    """Whether nearly all files of a folder, or of those right below it, are data of one kind."""
    kinds = sum((each.kinds for each in (seen, *seen.below)), Counter[str]())
    if not kinds or any(each.below for each in seen.below) or any(split_of(each.folder.name) for each in seen.below):
        return False
    kind, count = kinds.most_common(1)[0]
    return bool(kind) and count >= _MAIN_SHARE * sum(kinds.values())


def _is_moment(name: str) -> bool:
    """Whether a folder is named after a step, an epoch or a time."""
    return part_of_run(name) == "step" or is_stamp(name)


def _is_called_data(folder: Folder) -> bool:
    name = folder.name or folder.path.resolve().name
    return bool(_DATA_WORDS & set(words(name))) or (name.lower().endswith(("dataset", "data")) and "metadata" not in name.lower())


# --- shards and Kaldi -------------------------------------------------------------------------------------------------


def _is_shard(name: str) -> bool:
    match = SHARD.fullmatch(name)
    return match is not None and not _SHOWN_WORDS & set(words(match["series"]))


def _is_shards(seen: _Seen) -> bool:
    """Whether a folder holds a series of two shards or more."""
    names = [entry.name for entry in seen.folder.files if entry.name.endswith((".tar", ".tar.gz", ".tgz"))]
    if len(names) < 2:
        return False
    series = Counter(match["series"] for name in names if _is_shard(name) and (match := SHARD.fullmatch(name)))
    return bool(series) and max(series.values()) > 1


def _is_kaldi(seen: _Seen) -> bool:
    names = {entry.name for entry in seen.folder.files} & KALDI_FILES
    return ("wav.scp" in names and len(names) > 1) or {"text", "utt2spk"} <= names


def _is_other_data(seen: _Seen) -> bool:
    return _is_shards(seen) or _is_kaldi(seen)


def _holds_splits(seen: _Seen, test: Callable[[_Seen], bool]) -> bool:
    """Whether folders right below are splits of one data set of such a kind."""
    found = [each for each in seen.below if test(each)]
    return len(found) > 1 and any(set(words(each.folder.name)) & set(SPLITS) for each in found)


# --- the entry --------------------------------------------------------------------------------------------------------


def _put_in_place(seen: _Seen, parent: Folder, tree: Tree, held: str) -> None:
    folder = seen.folder
    size = sum(_take_records(each.folder) for each in _all(seen))
    name = folder.name or folder.path.resolve().name or "data"
    above = folder.parts[:-1]
    parent.files.append(Entry(name, folder.path, size, FileKind("manifest"), above, held))


def _take_records(folder: Folder) -> int:
    """Takes the records of a data set out of one of its folders; the answer is their bytes."""
    kept = [entry for entry in folder.files if not _is_record(entry)]
    size = sum(entry.bytes for entry in folder.files) - sum(entry.bytes for entry in kept)
    folder.files[:] = kept
    return size


def _is_record(entry: Entry) -> bool:
    name = entry.name
    known = kind_of(name) or name in KALDI_FILES or _is_shard(name) or name.lower() in _LEFTOVERS
    return entry.kind.role == "other" and bool(known)
