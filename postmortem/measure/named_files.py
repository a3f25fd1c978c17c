"""The files that a manifest names: missing, empty, unreadable, identical. As far as a reader looked for them on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postmortem.model import Manifest, Measurement, Missing

FILE_NAMES = ("data.missing_files", "data.empty_files", "data.unreadable_images", "data.identical_images")

Found = Measurement | Missing


def measure_named_files(manifests: Sequence[Manifest], main: Manifest) -> Iterator[Found]:
    """Shares of the files that were looked for, and of the images that were opened; of the main manifest, else of the first that knows."""
    ordered = (main, *(one for one in manifests if one is not main))
    yield from _files(next((one for one in ordered if one.files is not None), main))
    yield from _images(next((one for one in ordered if one.images is not None), main))


def _files(manifest: Manifest) -> Iterator[Found]:
    names, seen = FILE_NAMES[:2], manifest.files
    if seen is None or seen.looked == 0:
        yield from (_unseen(name, manifest, "files") for name in names)
        return
    if seen.found == 0:
        # Nothing there at all is a folder that was not brought along, not a data set of missing files.
        why = f"none of {seen.looked} files that {manifest.source} names is on this machine"
        yield from (Missing(name, why, "data-files") for name in names)
        return
    shown = f", {', '.join(repr(name[:60]) for name in seen.examples[:3])} among them" if seen.examples else ""
    missing = seen.looked - seen.found
    basis = f"{seen.looked} files that {manifest.source} names were looked for: {missing} are not there, {seen.empty} are empty{shown}"
    items = dict.fromkeys(seen.examples, 1.0)
    yield Measurement(names[0], missing / seen.looked, "share", basis, items=items)
    yield Measurement(names[1], seen.empty / seen.found, "share", basis, items=items)


def _unseen(name: str, manifest: Manifest, what: str) -> Missing:
    """Why nothing is known of the files that a manifest names."""
    if manifest.names_files is False:
        return Missing(name, f"{manifest.source} has no column of file names", "", applies=False)
    if manifest.names_files:
        return Missing(name, f"none of the {what} that {manifest.source} names was found from its folder", "data-files")
    return Missing(name, f"no {what} of {manifest.source} were looked for", "data-files")


def _images(manifest: Manifest) -> Iterator[Found]:
    names, sample = FILE_NAMES[2:], manifest.images
    if sample is None or sample.looked == 0:
        yield from (_unseen(name, manifest, "images") for name in names)
        return
    of = f"{sample.looked} images of {manifest.source}"
    bad = ", ".join(repr(name[:60]) for name in sample.unreadable[:3])
    items = dict.fromkeys(sample.unreadable, 1.0)
    told = f"{len(sample.unreadable)} of {of} cannot be read" + (f", {bad} among them" if bad else "")
    yield Measurement(names[0], len(sample.unreadable) / sample.looked, "share", told, items=items)
    told = f"{sample.identical} of {of} have the same bytes as one before"
    yield Measurement(names[1], sample.identical / sample.looked, "share", told, items={"images": float(sample.identical)})
