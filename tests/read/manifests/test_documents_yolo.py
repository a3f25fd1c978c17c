"""YOLO data sets: where their files lie, and what label files say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from postmortem.model import FoundFile, Manifest, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.files import read_manifest, read_manifests

Layout = Callable[[Mapping[str, str]], FoundFile]

TWO = "names: [cat, dog]\nnc: 2\ntrain: train/images\nval: valid/images\n"
BOX = "0 0.5 0.5 0.2 0.2\n"
DOG = "1 0.5 0.5 0.2 0.2\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Writes files by their place and finds `set/data.yaml` among them."""

    def _layout(files: Mapping[str, str]) -> FoundFile:
        for name, text in files.items():
            path = tmp_path / "home" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        path = tmp_path / "home" / "set" / "data.yaml"
        return FoundFile(path, "data.yaml", "manifest", path.stat().st_size)

    return _layout


def whole(read: ManifestData) -> Manifest:
    """The manifest of a file without any problem."""
    assert read.problems == ()
    assert read.manifest is not None
    return read.manifest


def two(yaml: str = TWO, **labels: str) -> dict[str, str]:
    """A set of two training images and one for validation; more label files by their stem, training ones."""
    files = {
        "set/data.yaml": yaml,
        "set/train/images/a.jpg": "",
        "set/train/images/b.PNG": "",
        "set/train/labels/a.txt": BOX + DOG,
        "set/train/labels/b.txt": "",
        "set/valid/images/c.jpg": "",
        "set/valid/labels/c.txt": BOX,
    }
    return files | {f"set/train/labels/{stem}.txt": text for stem, text in labels.items()}


def test_objects_are_counted_in_label_files(layout: Layout) -> None:
    """Objects count by class and split; an empty label file is a background image; a class without objects stays at 0."""
    manifest = whole(read_manifest(layout(two())))
    assert manifest.counts == {"train": {"cat": 1, "dog": 1}, "validation": {"cat": 1, "dog": 0}}
    assert (manifest.records, manifest.background, manifest.classes) == ({"train": 2, "validation": 1}, 1, ("cat", "dog"))
    assert (manifest.format, manifest.labels, manifest.shared_keys, manifest.duplicate_keys) == ("YOLO", "objects", {}, 0)


@pytest.mark.parametrize(
    "yaml",
    [
        TWO.replace("train/", "../train/").replace("valid/", "../valid/"),
        "path: .\n" + TWO,
        "path: /nowhere/else/set\n" + TWO,
        "path: ../set\n" + TWO,
        "path: set\n" + TWO,
        TWO.replace("[cat, dog]", "{0: cat, 1: dog}"),
        TWO.replace("[cat, dog]", "{'1': dog, '0': cat}"),
        TWO.replace("val:", "test: \nval:"),
        TWO.replace("train/images", "[train/images]"),
        TWO.replace("train/images", "/home/somebody/set/train/images").replace("valid/images", "C:/sets/set/valid/images"),
        "{names: [cat, dog], nc: 2, train: /content/x/set/train/images, val: valid/images}",
        TWO.replace("train/images", "train/images/").replace("valid/", "./valid/"),
    ],
)
def test_splits_are_found_however_they_are_written(layout: Layout, yaml: str) -> None:
    """Roboflow's `../`, a `path` of here or of another machine, lists of folders, and names as a mapping lead to the same files."""
    assert whole(read_manifest(layout(two(yaml)))).counts == {"train": {"cat": 1, "dog": 1}, "validation": {"cat": 1, "dog": 0}}


def test_a_path_beside_the_folder_of_the_file_is_followed(layout: Layout) -> None:
    """Ultralytics keeps data sets beside the folder of its YAML files."""
    files = {"set/data.yaml": "path: ../datasets/tiny\nnames: {0: cat}\ntrain: images/train\nval: images/val\n"}
    files |= {"datasets/tiny/images/train/x.jpg": "", "datasets/tiny/labels/train/x.txt": BOX}
    files |= {"datasets/tiny/images/val/y.jpg": "", "datasets/tiny/labels/val/y.txt": BOX * 2}
    read = read_manifest(layout(files))
    assert whole(read).counts == {"train": {"cat": 1}, "validation": {"cat": 1}}
    assert any("stand twice" in note for note in read.notes)


def test_no_path_leads_out_of_the_data_set(layout: Layout) -> None:
    """Folders that `..` reaches outside of the set's own are not read."""
    files = two(TWO.replace("train/images", "../../secret/images").replace("valid/images", "train/../../../secret/images"))
    read = read_manifest(layout(files | {"../secret/images/s.jpg": "", "../secret/labels/s.txt": BOX}))
    assert read.manifest is not None
    assert read.manifest.counts == {}
    assert any("not beside it" in problem.detail for problem in read.problems)


def test_a_description_without_its_data_is_one_problem_only_where_it_was_called_a_manifest(layout: Layout) -> None:
    """Projects keep `data.yaml` and not the images: a note where it was found, one problem where the user named it."""
    file = layout({"set/data.yaml": TWO})
    found = read_manifests([file])
    assert found.problems == ()
    assert any("are not beside it" in note and "known by name alone" in note for note in found.notes)
    given = read_manifests([file], ReadOptions(manifests=(file.path,)))
    assert [problem.kind for problem in given.problems] == ["unreadable"]
    wrong = layout({"set/data.yaml": TWO.replace("nc: 2", "nc: 3")})
    assert any("declares nc 3" in problem.detail for problem in read_manifests([wrong]).problems)


def test_a_root_elsewhere_is_read_only_where_it_is_laid_out_as_these_sets_are(layout: Layout, tmp_path: Path) -> None:
    """`path: /etc` with `train: .` counts no text file there; images and labels of an absolute root count."""
    outside = tmp_path / "elsewhere"
    for place in ("notes", "set/labels/train", "set/images/train"):
        (outside / place).mkdir(parents=True)
    (outside / "notes" / "a.txt").write_text(DOG)
    (outside / "set/labels/train/b.txt").write_text(DOG)
    (outside / "set/images/train/b.jpg").write_bytes(b"")
    yaml = f"path: {outside}\ntrain: PLACE\nval: PLACE\nnames: [cat, dog]\n"
    refused = read_manifest(layout({"set/data.yaml": yaml.replace("PLACE", "notes")}))
    assert refused.manifest is not None
    assert refused.manifest.counts == {}
    taken = read_manifest(layout({"set/data.yaml": yaml.replace("PLACE", "set/images/train")}))
    assert taken.manifest is not None
    assert taken.manifest.counts["train"] == {"dog": 1, "cat": 0}


def test_lists_of_images(layout: Layout) -> None:
    """A split may be a text file that lists its images, from its own folder or from another machine's."""
    files = {"set/data.yaml": "names: [cat, dog]\ntrain: train.txt\nval: val.txt\n"}
    files |= {"set/train.txt": "./images/one/a.jpg\n./images/one/b.jpg\n", "set/val.txt": "/data/x/images/two/c.jpg\n"}
    files |= {"set/labels/one/a.txt": BOX, "set/labels/one/b.txt": DOG, "set/labels/two/c.txt": DOG}
    manifest = whole(read_manifest(layout(files)))
    assert manifest.counts == {"train": {"cat": 1, "dog": 1}, "validation": {"dog": 1, "cat": 0}}
    assert manifest.records == {"train": 2, "validation": 1}


def test_labels_without_images(layout: Layout) -> None:
    """Label files alone are counted, and the note says that images are not here."""
    files = {name: text for name, text in two().items() if "/images/" not in name}
    read = read_manifest(layout(files))
    assert whole(read).records == {"train": 2, "validation": 1}
    assert any("without their images" in note for note in read.notes)


def test_images_without_any_label_file_are_not_counted_as_background(layout: Layout) -> None:
    """Where no label file of a split is there, its objects are not 0 but unknown."""
    files = {name: text for name, text in two().items() if "valid/labels" not in name}
    read = read_manifest(layout(files))
    assert read.manifest is not None
    assert set(read.manifest.counts) == {"train"}
    assert read.manifest.background == 1
    assert any("no label file of validation" in problem.detail for problem in read.problems)


@pytest.mark.parametrize(
    ("line", "said", "cats"),
    [
        ("2 0.5 0.5 0.2 0.2\n", "1 lines of train have class numbers beyond the 2 names (2)", 1),
        ("-1 0.5 0.5 0.2 0.2\n", "class numbers beyond the 2 names (-1)", 1),
        ("0 0.5 0.5\n", "1 lines of train are no labels (the first in b.txt)", 1),
        ("0 0.5 0.5 0.2 0.2 0.9\n", "1 lines of train are no labels", 1),
        ("cat 0.5 0.5 0.2 0.2\n", "1 lines of train are no labels", 1),
        ("0.5 0.5 0.5 0.2 0.2\n", "1 lines of train are no labels", 1),
        ("0 320 240 20 20\n", "1 lines of train have coordinates outside of 0 to 1", 2),
        ("0 nan 0.5 0.2 0.2\n", "1 lines of train have coordinates outside of 0 to 1", 2),
        ("0 0.5 0.5 -0.2 0.2\n", "1 lines of train have coordinates outside of 0 to 1", 2),
    ],
)
def test_lines_that_are_wrong_are_said(layout: Layout, line: str, said: str, cats: int) -> None:
    """Class numbers without a name and lines with other cells are left out with their number; objects beyond the image still count."""
    read = read_manifest(layout(two(b=line)))
    assert [problem for problem in read.problems if said in problem.detail]
    assert read.manifest is not None
    assert read.manifest.counts["train"]["cat"] == cats


@pytest.mark.parametrize(
    "line", ["0 0.1 0.1 0.2 0.1 0.2 0.2\n", "0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2\n", "0.0 0.5 0.5 0.2 0.2\r\n", " 0  0.5\t0.5 0.2 1\n"]
)
def test_polygons_and_corners_are_objects(layout: Layout, line: str) -> None:
    """Outlines, rotated boxes and other white space are labels like boxes."""
    assert whole(read_manifest(layout(two(b=line)))).counts["train"]["cat"] == 2


def test_poses_have_the_cells_that_the_set_declares(layout: Layout) -> None:
    """Key points with a visibility of 2 are in order, as many as `kpt_shape` says."""
    pose = "0 0.5 0.5 0.2 0.2 0.1 0.1 2 0.2 0.2 1\n"
    assert whole(read_manifest(layout(two("kpt_shape: [2, 3]\n" + TWO, b=pose)))).counts["train"]["cat"] == 2


def test_a_number_of_classes_that_does_not_fit_is_said(layout: Layout) -> None:
    """`nc` other than the number of names is a problem."""
    read = read_manifest(layout(two(TWO.replace("nc: 2", "nc: 3"))))
    assert "declares nc 3 and 2 names" in read.problems[0].detail


def test_one_image_in_two_splits_is_shared(layout: Layout) -> None:
    """Copies that Roboflow made of one image count as one, across splits."""
    files = two() | {"set/train/images/x_jpg.rf.0123456789ab.jpg": "", "set/valid/images/x_jpg.rf.ba9876543210.jpg": ""}
    files |= {"set/train/labels/x_jpg.rf.0123456789ab.txt": BOX, "set/valid/labels/x_jpg.rf.ba9876543210.txt": BOX * 2}
    assert whole(read_manifest(layout(files))).shared_keys == {"train|validation": 1}
    files |= {"set/valid/labels/x_jpg.rf.ba9876543210.txt": DOG}
    assert whole(read_manifest(layout(files))).shared_keys == {}


@pytest.mark.parametrize(
    ("images", "labels", "shared", "alike"),
    [
        (("one", "other"), (BOX, DOG), 0, 0),
        (("one", "one"), (BOX, DOG), 2, 0),
        (("one", "stored again"), (BOX, BOX), 2, 0),
        (("one", "other"), ("", ""), 0, 0),
        (("", ""), (BOX, DOG), 0, 0),
        (("", ""), ("", ""), 0, 2),
    ],
)
def test_one_name_in_two_splits_is_one_image_where_nothing_contradicts(
    layout: Layout, images: tuple[str, str], labels: tuple[str, str], shared: int, alike: int
) -> None:
    """Images of one name in two folders are one by their bytes or their labels; where neither is there, the name is all that is known."""
    files = two()
    for split, image, label in zip(("train", "valid"), images, labels, strict=True):
        files |= {f"set/{split}/images/road_{at}.jpg": image for at in (3, 8)}
        files |= {f"set/{split}/labels/road_{at}.txt": label for at in (3, 8)}
    manifest = whole(read_manifest(layout(files)))
    assert (manifest.shared_keys.get("train|validation", 0), manifest.named_alike.get("train|validation", 0)) == (shared, alike)


def test_running_numbers_are_no_shared_images(layout: Layout) -> None:
    """Where every split names its images 0, 1, 2, ..., equal names mean nothing."""
    files = two(TWO) | {f"set/{split}/images/{at}.jpg": "" for split in ("train", "valid") for at in range(5)}
    files = {name: text for name, text in files.items() if name.split("/")[-1][0] not in "abc"}
    files |= {f"set/{split}/labels/{at}.txt": BOX for split in ("train", "valid") for at in range(5)}
    manifest = whole(read_manifest(layout(files)))
    assert (manifest.shared_keys, manifest.key_column) == ({}, None)


@pytest.mark.parametrize(
    "text",
    [
        "lr: 0.1\nepochs: 3\n",
        "names: [a]\n",
        "names: cat\ntrain: x\n",
        "- names: a\n- train: b\n",
    ],
)
def test_other_yaml_is_passed_over_in_silence(layout: Layout, text: str) -> None:
    """A YAML file that describes no data set gives nothing at all, unless the user called it a manifest."""
    file = layout({"set/data.yaml": text})
    read = read_manifest(file)
    assert (read.manifest, read.problems, read.notes) == (None, (), ())
    assert read_manifest(file, ReadOptions(manifests=(file.path,))).problems


@pytest.mark.parametrize("text", [TWO + "test = test\n", "x: !!python/object/apply:os.system ['true']\nnames: [a]\ntrain: x\n"])
def test_a_damaged_data_set_is_a_problem(layout: Layout, text: str) -> None:
    """What has names and splits and is no plain YAML is said to be damaged, and runs nothing."""
    read = read_manifest(layout(two(text)))
    assert (read.manifest, read.problems[0].kind) == (None, "corrupt")
