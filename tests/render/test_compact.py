"""Script and style sheet lose spaces and comments, and nothing that means something."""

from __future__ import annotations

from postmortem.render.compact import compacted, compacted_script, compacted_style


def test_comments_and_indentation_go() -> None:
    """A line that is a comment goes; two slashes within a line, as in an address, do not."""
    assert compacted("// one\nlet a = 1;\n\n    /* two */\n  b('//');\n") == "let a = 1;\nb('//');"


def test_spaces_beside_signs_go() -> None:
    """Words stay apart, lines stay lines: what ends a statement may be the end of its line."""
    text = "const a = [1, 2].map((one) => one * 2);\nreturn a ? b : typeof c;"
    assert compacted_script(text) == "const a=[1,2].map((one)=>one*2);\nreturn a?b:typeof c;"


def test_two_signs_do_not_become_one() -> None:
    """`a + +b` is a sum, `a ++b` none; a division before a regular expression would start a comment."""
    assert compacted_script("x = a + +b - -c;") == "x=a + +b - -c;"
    assert compacted_script("x = a + b - (c);") == "x=a+b-(c);"
    assert compacted_script("x = a / b;") == "x=a / b;"


def test_texts_stay_as_they_are() -> None:
    """Spaces in quotes and in templates are shown to the reader."""
    text = 'say("a , b", `step ${one} : ${two} , three`, "\\" , ");'
    assert compacted_script(text) == 'say("a , b",`step ${one} : ${two} , three`,"\\" , ");'


def test_a_style_sheet_keeps_what_parts_selectors() -> None:
    """Descendants, pseudo-classes, and values of several words mean the same."""
    text = ".a .b:not(.c), .d > e { margin: 0 1px; font: 1px/2 x, y; }\n@media (width: 3px) {\n  a { b: c }\n}\n.f { g: h; }\n"
    assert compacted_style(text) == ".a .b:not(.c),.d > e{margin:0 1px;font:1px/2 x,y}@media (width:3px){\na{b:c}}.f{g:h}"
