"""COCO and its relatives: counts, placeholders, damage, and large files in pieces."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmortem.model import FoundFile, Manifest
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.documents import json_pieces
from postmortem.read.manifests.files import read_manifest, read_manifests

Write = Callable[..., FoundFile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and finds it."""

    def _write(name: str, data: object, group: str = "") -> FoundFile:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return FoundFile(path, name, "manifest", path.stat().st_size, group)

    return _write


def coco(images: int = 6, objects: int = 12, names: str = "scene_{}_a.jpg") -> dict[str, Any]:
    """A small set: cats on even images, dogs on odd ones, nothing on the last; no birds."""
    return {
        "info": {"description": 'says }, {"id": and [ in a text', "year": 2020},
        "licenses": [{"id": 1, "name": "free"}],
        "images": [{"id": at, "file_name": names.format(at), "width": 64, "height": 48} for at in range(images)],
        "annotations": [
            {
                "id": at,
                "image_id": at % (images - 1),
                "category_id": 1 + at % (images - 1) % 2,
                "bbox": [1, 2, 3.5, 4],
                "segmentation": [[1.5, 2, 3, 4, 5, 6]],
                "iscrowd": 0,
            }
            for at in range(objects)
        ],
        "categories": [
            {"id": 1, "name": "cat", "supercategory": "animal"},
            {"id": 2, "name": "dog", "supercategory": "animal"},
            {"id": 3, "name": "bird", "supercategory": "animal"},
        ],
    }


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The small set with one value changed."""
    data = coco()
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data


def test_objects_are_counted_by_category_and_split(write: Write) -> None:
    """A class without objects stays at 0, images without objects are background, and the split comes from the name."""
    manifest = whole(read_manifest(write("instances_val2017.json", coco())))
    assert manifest.counts == {"validation": {"cat": 7, "dog": 5, "bird": 0}}
    assert (manifest.rows, manifest.background, manifest.records) == (6, 1, {"validation": 6})
    assert (manifest.format, manifest.labels, manifest.classes) == ("COCO", "objects", ("cat", "dog", "bird"))
    assert (manifest.placeholders, manifest.duplicate_keys, manifest.missing_labels) == ((), 0, 0)


def test_roboflow_placeholder_is_told_from_an_empty_class(write: Write) -> None:
    """The category that stands above all others and holds nothing is no class; an empty class beside them is one."""
    data = coco()
    data["categories"] = [{"id": 0, "name": "animal", "supercategory": "none"}, *data["categories"]]
    read = read_manifest(write("train/_annotations.coco.json", data))
    manifest = whole(read)
    assert manifest.placeholders == ("animal",)
    assert manifest.classes == ("cat", "dog", "bird")
    assert manifest.counts == {"train": {"cat": 7, "dog": 5, "bird": 0}}
    assert any("placeholder" in note for note in read.notes)


def test_a_parent_with_objects_is_a_class(write: Write) -> None:
    """A category that all others name as their parent is a class as soon as something is one."""
    data = coco()
    data["categories"] = [{"id": 0, "name": "animal", "supercategory": "none"}, *data["categories"]]
    data["annotations"][0]["category_id"] = 0
    assert whole(read_manifest(write("a.json", data))).counts[""]["animal"] == 1


@pytest.mark.parametrize(
    ("path", "value", "said", "objects"),
    [
        (("annotations", 3, "image_id"), 99, "1 of 12 annotations belong to images that are not listed", 11),
        (("annotations", 3, "category_id"), 99, "1 of 12 annotations have categories that are not declared", 11),
        (("annotations", 3, "category_id"), None, "1 of 12 annotations have categories that are not declared", 11),
        (("images", 3, "id"), 2, "1 of 6 images have no number of their own", 10),
    ],
)
def test_annotations_that_no_loader_finds_are_left_out_and_said(
    write: Write, path: tuple[str | int, ...], value: object, said: str, objects: int
) -> None:
    """What belongs to no listed image or category is a problem with its number, and is not counted."""
    read = read_manifest(write("a.json", changed(path, value)))
    assert any(said in problem.detail for problem in read.problems)
    assert read.manifest is not None
    assert sum(read.manifest.counts[""].values()) == objects


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("annotations", 3, "iscrowd"), 1, "1 annotations are crowds"),
        (("annotations", 3, "bbox"), [1, 2, 0, 4], "1 of 12 boxes have no area"),
        (("annotations", 3, "bbox"), [60, 2, 10, 4], "1 of 12 boxes reach outside"),
        (("annotations", 3, "bbox"), [-9, 2, 10, 4], "1 of 12 boxes reach outside"),
        (("annotations", 3, "num_keypoints"), 5, "1 annotations hold key points"),
    ],
)
def test_odd_objects_are_counted_and_said(write: Write, path: tuple[str | int, ...], value: object, said: str) -> None:
    """Crowds, flat boxes, boxes beyond the image and key points are counted like others, with a note."""
    read = read_manifest(write("a.json", changed(path, value)))
    assert any(said in note for note in read.notes)
    assert sum(whole(read).counts[""].values()) == 12


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("annotations", 3, "image_id"), "3"),
        (("annotations", 3, "image_id"), 3.0),
        (("annotations", 3, "category_id"), "2"),
        (("annotations", 3, "bbox"), []),
        (("annotations", 3, "bbox"), None),
        (("annotations", 3, "bbox"), [1, 2, 3, 4, 0.5]),
        (("annotations", 3, "bbox"), ["1", 2, 3, 4]),
        (("annotations", 3, "bbox"), [float("nan"), 2, 3, 4]),
        (("annotations", 3, "segmentation"), {"counts": [1, 2], "size": [4, 5]}),
        (("annotations", 3, "iscrowd"), False),
        (("annotations", 3, "attributes"), {"image_id": 77, "category_id": 99, "list": [{"id": 1}]}),
        (("images", 0, "width"), float("inf")),
        (("images", 0, "width"), "64"),
        (("info",), [{"id": 1}, {"id": 2}]),
        (("info",), None),
        (("licenses",), []),
    ],
)
def test_unusual_spellings_cost_nothing(write: Write, path: tuple[str | int, ...], value: object) -> None:
    """Numbers as text, NaN, boxes of other lengths and nested objects leave every count as it was."""
    manifest = whole(read_manifest(write("a.json", changed(path, value))))
    assert manifest.counts == {"": {"cat": 7, "dog": 5, "bird": 0}}


def test_bytes_that_are_no_text_cost_nothing(write: Write) -> None:
    """A name in Latin-1 within a file of UTF-8 loses no count."""
    data = json.dumps(coco()).encode().replace(b"scene_3", b"sc\xe8ne_3")
    assert whole(read_manifest(write("a.json", b"\xef\xbb\xbf" + data))).counts == {"": {"cat": 7, "dog": 5, "bird": 0}}


def test_captions_are_texts_without_classes(write: Write) -> None:
    """Annotations with captions and no categories are texts to produce."""
    data = coco()
    del data["categories"]
    data["annotations"] = [{"id": at, "image_id": at, "caption": "a { in [ a text"} for at in range(5)]
    manifest = whole(read_manifest(write("captions_train2017.json", data)))
    assert (manifest.format, manifest.labels, manifest.counts) == ("COCO captions", "text", {})
    assert (manifest.records, manifest.missing_labels) == ({"train": 6}, 1)


def test_panoptic_segments_are_objects(write: Write) -> None:
    """Each segment of a panoptic annotation is one object of its category."""
    data = coco()
    data["annotations"] = [
        {"segments_info": [{"id": 7, "category_id": 1, "iscrowd": 0}, {"id": 8, "category_id": 2, "iscrowd": 1}], "image_id": at}
        for at in range(5)
    ]
    manifest = whole(read_manifest(write("a.json", data)))
    assert (manifest.format, manifest.background) == ("COCO panoptic", 1)
    assert manifest.counts == {"": {"cat": 5, "dog": 5, "bird": 0}}


def test_lvis_names_its_images_by_address(write: Write) -> None:
    """Images without a file name are known by their address, and the format by the categories that an image surely lacks."""
    data = coco()
    for at, image in enumerate(data["images"]):
        del image["file_name"]
        image |= {"coco_url": f"http://images.example.org/val2017/{at:012d}.jpg", "neg_category_ids": [3]}
    manifest = whole(read_manifest(write("lvis_v1_val.json", data)))
    assert (manifest.format, manifest.key_column, manifest.duplicate_keys) == ("LVIS", "file_name", 0)


def test_detections_are_no_manifest(write: Write) -> None:
    """A list of what a model detected is said to be one, and gives nothing."""
    read = read_manifest(write("results.json", [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}] * 3))
    assert (read.manifest, read.problems) == (None, ())
    assert "detections" in read.notes[0]


def test_test_images_without_annotations_are_not_all_background(write: Write) -> None:
    """A list of images to be judged by others holds no annotations: that is said, and no image counts as empty."""
    data = coco()
    del data["annotations"]
    read = read_manifest(write("image_info_test2017.json", data))
    assert read.manifest is not None
    assert (read.manifest.background, read.manifest.counts) == (0, {})
    assert "no annotations" in read.problems[0].detail


# --- splits -----------------------------------------------------------------------------------------------------------


def test_copies_of_one_image_in_two_splits_are_shared(write: Write) -> None:
    """Augmented copies within a split are no duplicates; the same source image in two splits is shared."""
    train, valid = coco(names="scene_{}_a_jpg.rf.0a1b2c3d4e5f.jpg"), coco(names="scene_{}_b_jpg.rf.ffffffffffff.jpg")
    train["images"][1]["file_name"] = "scene_0_a_jpg.rf.999999999999.jpg"
    valid["images"][1]["file_name"] = "scene_3_a_jpg.rf.888888888888.jpg"
    read = read_manifests(
        [write("train/_annotations.coco.json", train, "train"), write("valid/_annotations.coco.json", valid, "validation")]
    )
    (manifest,) = read.manifests
    assert manifest.shared_keys == {"train|validation": 1}
    assert manifest.duplicate_keys == 0
    assert manifest.counts["train"] == manifest.counts["validation"] == {"cat": 7, "dog": 5, "bird": 0}
    assert (manifest.format, manifest.labels, manifest.background, manifest.classes) == ("COCO", "objects", 2, ("cat", "dog", "bird"))


def test_films_whose_frames_have_one_name_are_no_leak(write: Write) -> None:
    """Of copies that Roboflow made, an equal name counts only where the same classes are shown."""
    train, valid = coco(names="scene_{}_a_jpg.rf.0a1b2c3d4e5f.jpg"), coco(names="scene_{}_a_jpg.rf.ffffffffffff.jpg")
    for annotation in valid["annotations"]:
        annotation["category_id"] = 3
    name = "_annotations.coco.json"
    (manifest,) = read_manifests([write(f"train/{name}", train, "train"), write(f"valid/{name}", valid, "validation")]).manifests
    assert manifest.shared_keys == {"train|validation": 1}  # the last one, which shows nothing


def test_one_file_name_in_two_splits_is_one_image_where_size_and_boxes_agree(write: Write) -> None:
    """Equal names of other boxes are other images; of images without a box nothing but the name is known."""
    train, valid = coco(names="road_{}_a.jpg"), coco(names="road_{}_a.jpg")
    assert [train["images"], train["annotations"]] == [valid["images"], valid["annotations"]]
    files = [write("train/labels.json", train, "train"), write("val/labels.json", valid, "validation")]
    (manifest,) = read_manifests(files).manifests
    boxed = len({annotation["image_id"] for annotation in train["annotations"]})
    empty = len(train["images"]) - boxed
    assert (manifest.shared_keys, manifest.named_alike) == ({"train|validation": boxed}, {"train|validation": empty})
    for annotation in valid["annotations"]:
        annotation["bbox"] = [each + 3 for each in annotation["bbox"]]
    (manifest,) = read_manifests([files[0], write("val/labels.json", valid, "validation")]).manifests
    assert (manifest.shared_keys, manifest.named_alike) == ({}, {"train|validation": empty})


def test_the_same_file_name_twice_in_a_split_is_a_duplicate(write: Write) -> None:
    """A file name that two images of one file have is a duplicate."""
    assert whole(read_manifest(write("a.json", changed(("images", 3, "file_name"), "scene_1_a.jpg")))).duplicate_keys == 1


def test_running_numbers_in_every_split_are_no_leak(write: Write) -> None:
    """Names that count from 0 in every split say nothing of shared images: they are not compared, and that is said."""
    files = [write(f"{split}.json", coco(names="{:06d}.jpg")) for split in ("train", "val")]
    read = read_manifests(files)
    (manifest,) = read.manifests
    assert (manifest.shared_keys, manifest.key_column) == ({}, None)
    assert any("running numbers" in note for note in read.notes)


# --- pieces and damage ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a few objects, so that a small file has many."""
    monkeypatch.setattr(json_pieces, "PIECE_BYTES", 700)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("processes", [False, True])
def test_pieces_say_what_the_whole_says(write: Write, monkeypatch: pytest.MonkeyPatch, indent: int | None, processes: bool) -> None:
    """A file read in many pieces, by one process or several, has the counts of the whole."""
    if processes:
        monkeypatch.setattr(json_pieces, "PARALLEL_BYTES", 0)
    data = coco(40, 300)
    data["images"][7]["note"] = '"}, {"id": 3, [[ {"'
    manifest = whole(read_manifest(write("a.json", json.dumps(data, indent=indent).encode())))
    assert manifest.counts == {"": {"cat": 154, "dog": 146, "bird": 0}}
    assert (manifest.rows, manifest.background) == (40, 1)


@pytest.mark.usefixtures("small_pieces")
def test_nested_objects_that_look_like_cuts_mislead_nobody(write: Write) -> None:
    """Nested lists of objects whose first name is that of the list's own objects are not cut through."""
    data = coco()
    data["annotations"] = [
        {"id": at, "segments_info": [{"id": each, "category_id": 1} for each in range(9)], "image_id": at % 5} for at in range(60)
    ]
    assert whole(read_manifest(write("a.json", data))).counts == {"": {"cat": 540, "dog": 0, "bird": 0}}


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("categories_first", [True, False])
def test_a_file_that_ends_early_gives_what_stands_before(write: Write, share: float, categories_first: bool) -> None:
    """What can be read is counted, by number where the names are lost, and the problem says where the file ends and what was read."""
    data = coco(40, 300)
    if categories_first:
        data = {"categories": data.pop("categories"), **data}
    text = json.dumps(data).encode()
    read = read_manifest(write("a.json", text[: int(len(text) * share)]))
    (problem,) = read.problems
    assert problem.kind == "truncated"
    assert "ends early" in problem.detail
    if share > 0.4:
        assert read.manifest is not None
        assert 280 * (share - 0.2) < sum(read.manifest.counts[""].values()) < 300 * share
        assert {"cat", "dog", "bird"} == set(read.manifest.counts[""]) if categories_first else {"1", "2"} == set(read.manifest.counts[""])
        assert read.manifest.background == 0
    else:
        assert read.manifest is None or (read.manifest.rows > 0 and sum(read.manifest.counts.get("", {}).values()) < 60)


@pytest.mark.usefixtures("small_pieces")
def test_one_damaged_object_costs_one_object(write: Write) -> None:
    """Bytes that were overwritten in one annotation lose that one, and say where."""
    text = json.dumps(coco(40, 300)).encode()
    at = text.index(b"image_id", text.index(b'"id": 150, "image_id"'))
    damaged = text[:at] + b'\x00\x00"\x00' + text[at + 4 :]
    read = read_manifest(write("a.json", damaged))
    (problem,) = read.problems
    assert problem.kind == "corrupt"
    assert "1 of 300 annotations are damaged" in problem.detail
    assert read.manifest is not None
    assert sum(read.manifest.counts[""].values()) == 299


@pytest.mark.usefixtures("small_pieces")
@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 100), data=st.data())
def test_any_cut_is_a_problem_and_never_an_error(tmp_path_factory: pytest.TempPathFactory, cut: int, data: st.DataObject) -> None:
    """Wherever a file is cut, something says so."""
    text = json.dumps(coco(10, 40)).encode()
    end = data.draw(st.integers(1, len(text) - 1))
    path = tmp_path_factory.mktemp("cut") / f"a{cut}.json"
    path.write_bytes(text[:end])
    read = read_manifest(FoundFile(path, "a.json", "manifest", end))
    assert read.problems


@pytest.mark.parametrize(
    "data", [{"images": "none"}, {"a": 1}, {"images": [], "labels": []}, [1, 2], {"annotations": [{"question_id": 1}]}]
)
def test_other_documents_are_left_to_other_readers(write: Write, data: Mapping[str, object]) -> None:
    """JSON that merely has one of the names is not taken for COCO."""
    from postmortem.model import ReadOptions
    from postmortem.read.manifests.documents.coco import read_coco

    file = write("a.json", data)
    assert read_coco(file, file.path.read_bytes(), ReadOptions()) is None
