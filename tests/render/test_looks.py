"""Colours and dashes of curves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postmortem.model import Curve
from postmortem.render.looks import COLOURS, DASHES, ROLE_COLOURS, looks_of


def _curves(*roles: str) -> list[Curve]:
    return [Curve(f"{role} {index}", role, (0,), (1.0,), 1) for index, role in enumerate(roles)]


def test_a_role_has_its_colour_in_whatever_plot_it_stands() -> None:
    """A learning rate under a loss, with validation or without, and under a gradient norm is the same curve to the eye."""
    plots = (("train", "validation", "learning-rate"), ("train", "learning-rate"), ("gradient-norm", "learning-rate"))
    assert len({looks_of(_curves(*roles))[-1] for roles in plots}) == 1
    assert looks_of(_curves("other", "other", "data"))[-1].colour == looks_of(_curves("train", "data"))[-1].colour


def test_the_first_curve_of_a_plot_is_a_whole_line() -> None:
    """Whatever its role: dashes would make a noisy curve hard to follow where nothing asks for them."""
    assert all(looks_of(_curves(role))[0].dash == "" for role in ("train", "gradient-norm", "data", "other"))


@given(st.lists(st.sampled_from([*ROLE_COLOURS, "other"]), max_size=len(DASHES)))
def test_no_two_curves_of_a_plot_look_alike(roles: list[str]) -> None:
    """As many curves as a plot may have differ in their dashes, and as many as there are colours in their colour too."""
    looks = looks_of(_curves(*roles))
    assert len({look.dash for look in looks}) == len(looks)
    if len(looks) <= COLOURS:
        assert len({look.colour for look in looks}) == len(looks)


def test_colours_are_used_again_where_there_are_more_curves() -> None:
    """Ten curves with all roles among them still get one each."""
    looks = looks_of(_curves(*ROLE_COLOURS, *["other"] * 4))
    assert [look.colour for look in looks] == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
