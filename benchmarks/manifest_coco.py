"""Time and memory of reading a large COCO file against the json module.

    python benchmarks/manifest_coco.py [--annotations 860001] [--images 118287] [--repeat 5] [--folder DIR]

Writes a file in the shape of `instances_train2017.json`: as many images and annotations, 80 categories, fields in its order, each
annotation with one polygon whose number of corners is drawn so that the file has about its 450 MB. Three quarters of the bytes are
polygons, which nothing here needs: that is where the time is saved, and a file of boxes alone is won by less (`--corners 0`). Reads the
file as the program does (everything: objects, background, boxes beyond their images, keys), and with `json.load` alone, which counts
nothing yet, in a fresh interpreter each, in turns. Prints medians, their ratio, and the peak of anonymous memory of all processes above
the interpreter with its imports; nothing maps the file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from made_checkpoints import anonymous_mb, peak_anonymous_mb
from reporting import say, verdict

TARGET = 15.0
MEMORY_TARGET_MEGABYTES = 300.0
CATEGORIES = 80
_ADDRESS = "http://images.example.org/train2017"


def write_coco(path: Path, images: int, annotations: int, corners: float) -> tuple[float, float]:
    """Writes the file; the answer is its megabytes and the share of them that polygons take."""
    draw = random.Random(0)
    numbers = [f"{draw.uniform(0, 640):.2f}".rstrip("0").rstrip(".") for _ in range(20_000)]
    polygons = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info": {"description": "made", "year": 2017},"licenses": [{"url": "none","id": 1,"name": "none"}],"images": [')
        for at in range(images):
            name = f"{5 * at + draw.randrange(5):012d}.jpg"
            file.write(
                f'{", " if at else ""}{{"license": 1,"file_name": "{name}","coco_url": "{_ADDRESS}/{name}","height": 480,"width": 640,'
                f'"date_captured": "2013-11-14 11:18:45","flickr_url": "http://photos.example.org/8186/8119368305_z.jpg","id": {at}}}'
            )
        file.write('],"annotations": [')
        for at in range(annotations):
            count = 2 * max(3, int(draw.lognormvariate(corners, 0.8))) if corners else 0
            start = draw.randrange(len(numbers) - min(count, 10_000))
            polygon = f'"segmentation": [[{",".join(numbers[start : start + count])}]],' if count else ""
            polygons += len(polygon)
            left, upper = draw.uniform(0, 500), draw.uniform(0, 400)
            file.write(
                f'{", " if at else ""}{{{polygon}"area": {draw.uniform(10, 90_000):.5f},"iscrowd": 0,"image_id": {draw.randrange(images)},'
                f'"bbox": [{left:.2f},{upper:.2f},{draw.uniform(1, 139):.2f},{draw.uniform(1, 79):.2f}],'
                f'"category_id": {1 + int(CATEGORIES * draw.random() ** 2)},"id": {at + 1}}}'
            )
        kinds = ", ".join(f'{{"supercategory": "thing","id": {at},"name": "kind {at}"}}' for at in range(1, CATEGORIES + 1))
        file.write(f'],"categories": [{kinds}]}}')
    size = path.stat().st_size
    return size / 1e6, polygons / size


def processor_seconds() -> float:
    """Processor time of this process and its ended children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def ours(path: Path) -> dict[str, float]:
    """Seconds of this reader, and what it counted."""
    import msgspec  # noqa: F401  the program's import of it is not the reading of a file
    import numpy as np  # noqa: F401

    from postmortem.model import FoundFile
    from postmortem.read.manifests.files import read_manifest

    file = FoundFile(path, path.name, "manifest", path.stat().st_size)
    base = anonymous_mb()
    begin, before = time.perf_counter(), processor_seconds()
    manifest = read_manifest(file).manifest
    seconds, busy = time.perf_counter() - begin, processor_seconds() - before
    with peak_anonymous_mb() as peak:
        read_manifest(file)
    objects = 0 if manifest is None else sum(sum(counts.values()) for counts in manifest.counts.values())
    return {"seconds": seconds, "busy": busy, "objects": objects, "megabytes": peak[0] - base}


def theirs(path: Path) -> dict[str, float]:
    """Seconds of the json module."""
    begin, before = time.perf_counter(), processor_seconds()
    with path.open(encoding="utf-8") as file:
        document = json.load(file)
    seconds, busy = time.perf_counter() - begin, processor_seconds() - before
    return {"seconds": seconds, "busy": busy, "objects": len(document["annotations"])}


def apart(what: str, path: Path) -> dict[str, float]:
    """One of both in an interpreter of its own."""
    command = [sys.executable, __file__, "--measure", what, str(path)]
    answer: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[-1])
    return answer


def main() -> int:
    """Builds, measures, prints; 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=860_001)
    parser.add_argument("--images", type=int, default=118_287)
    parser.add_argument("--corners", type=float, default=2.96, help="mean logarithm of a polygon's corners; 0 for boxes alone")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to keep the file; a temporary folder otherwise")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        say(json.dumps({"ours": ours, "theirs": theirs}[options.measure[0]](Path(options.measure[1]))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        path = (options.folder or Path(temporary)) / "instances_train2017.json"
        megabytes, share = write_coco(path, options.images, options.annotations, options.corners)
        say(f"{options.annotations} annotations of {options.images} images, {megabytes:.0f} MB, of which {100 * share:.0f}% are polygons")
        pairs = [(apart("ours", path), apart("theirs", path)) for _ in range(options.repeat)]
    if any(one["objects"] != two["objects"] for one, two in pairs):
        raise RuntimeError("not every annotation was counted")
    own, peer = (statistics.median(pair[side]["seconds"] for pair in pairs) for side in (0, 1))
    say(f"  this reader {own:.2f} s, json.load {peer:.2f} s (medians of {options.repeat} in turns)")
    busy, peer_busy = (statistics.median(pair[side]["busy"] for pair in pairs) for side in (0, 1))
    say(f"  processor time {busy:.2f} s and {peer_busy:.2f} s, ratio {peer_busy / busy:.1f}: what is left of it where cores are busy")
    met = [verdict("times faster than the json module", peer / own, TARGET, at_least=True)]
    met.append(verdict("MB of peak memory", max(one["megabytes"] for one, _ in pairs), MEMORY_TARGET_MEGABYTES))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
