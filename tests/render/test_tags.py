"""What each tag was taken for, in every output."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from postmortem.model import Report, RunReport, TagRole
from postmortem.render.html import render_html
from postmortem.render.json import parse_report, render_json
from postmortem.render.markdown import MAX_LINES, render_markdown
from postmortem.render.text import render_text
from postmortem.render.views import SHOWN_TAGS
from postmortem.render.wording import leading_tags

TAGS = (
    TagRole("train/loss", "", "training-loss", "train", "word loss and nothing that makes it a part", 600, 0, 5990, main=True),
    TagRole(
        "epoch_loss", "validation", "validation-loss", "validation", "word loss and nothing that makes it a part", 12, 0, 11, main=True
    ),
    TagRole("lr", "", "learning-rate", "", "words of a learning rate", 600, 0, 5990, main=True),
    TagRole("<script>alert(1)</script>\u202e", "", "other", "", "no word that is known", 0, None, None),
)


@pytest.fixture
def tagged(rich_run: RunReport) -> Report:
    """A report of one run with four tags."""
    return Report("1.2.3", (replace(rich_run, tags=TAGS),))


def rows(page: str) -> list[str]:
    """The rows of the table of tags."""
    found = re.search(r'<details class="card fold tags".*?</details>', page, re.DOTALL)
    assert found is not None
    return re.findall(r"<tr><th scope=\"row\">.*?</tr>", found.group(), re.DOTALL)


def test_the_page_lists_every_tag_with_role_split_points_steps_and_reason(tagged: Report) -> None:
    """One folded table has a row a tag; those that stand for the run are marked, hostile names stay text."""
    page = render_html(tagged)
    first, second, _, hostile = rows(page)
    for part in ("<b><code>train/loss</code></b>", "training loss", "600", "5990", "nothing that makes it a part"):
        assert part in first
    assert '<span class="muted">validation</span>' in second
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in hostile
    assert '<details class="card fold tags" id="tags">' in page


def test_a_run_without_tags_has_no_table(rich_run: RunReport) -> None:
    """Where no scalar was read there is nothing to list."""
    assert "What each tag was taken for" not in render_html(Report("1.2.3", (rich_run,)))


def test_json_names_every_tag_and_follows_the_schema(tagged: Report) -> None:
    """The JSON result has one entry a tag, as the schema says, and gives the same report back."""
    document = json.loads(render_json(tagged))
    schema = json.loads(resources.files("postmortem").joinpath("render/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    assert [entry["tag"] for entry in document["runs"][0]["tags"]] == [one.tag for one in TAGS]
    assert parse_report(render_json(tagged)).runs[0].tags == TAGS
    document["runs"][0]["tags"][0]["split"] = "holdout"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_an_old_result_without_tags_is_rendered(tagged: Report) -> None:
    """A JSON result of before this field renders in every format."""
    document = json.loads(render_json(tagged))
    del document["runs"][0]["tags"]
    old = parse_report(json.dumps(document))
    assert old.runs[0].tags == ()
    for render in (render_html, render_text, render_markdown, render_json):
        assert render(old)


def test_text_and_markdown_name_the_tags_that_stand_for_the_run(tagged: Report) -> None:
    """Terminal and ticket say which tags are the losses and the learning rate, and no more."""
    said = "Taken for: training loss 'train/loss'; validation loss 'epoch_loss' (validation); learning rate 'lr'"
    assert said in " ".join(render_text(tagged).split())
    markdown = render_markdown(tagged)
    assert "training loss 'train/loss'" in markdown
    assert "alert" not in markdown
    assert len(markdown.splitlines()) <= MAX_LINES


def test_a_part_that_stands_in_for_a_loss_is_called_one() -> None:
    """Where no total was logged the line says that a part of the loss was taken."""
    part = TagRole("val/box_loss", "", "part-of-loss", "validation", "one of several losses without a total", 9, 0, 8, main=True)
    assert leading_tags([part]) == "Taken for: validation loss 'val/box_loss', part of loss"
    assert leading_tags([replace(part, main=False)]) == ""


def test_many_tags_stay_within_the_page(rich_run: RunReport) -> None:
    """Of 2,000 tags the page lists 400 and counts the rest, and stays well below 2 MB; the result within it has all."""
    many = tuple(replace(TAGS[3], tag=f"layer{index}/activation/mean/over/the/batch") for index in range(2000))
    page = render_html(Report("1.2.3", (replace(rich_run, tags=many),)))
    assert len(rows(page)) == SHOWN_TAGS
    assert "1600 more tags" in page
    assert len(page.encode()) < 1_000_000
    assert len(parse_report(page).runs[0].tags) == 2000
