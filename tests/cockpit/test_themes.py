"""Themes are data; a bad file gives a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.color import Color

from engine.model.commands import Level
from sigma_tui.app import SigmaApp
from sigma_tui.theme import ThemeError, builtin_themes, parse_theme, user_themes
from tests.cockpit.conftest import Cockpit, settled, text_of
from tests.cockpit.fake_link import FakeLink
from tests.cockpit.sample import breaker, positions, snapshot

GOOD = """
name = "mine"
[colors]
primary = "#336699"
foreground = "white"
background = "#000"
"""


def test_four_themes_are_shipped_with_the_package() -> None:
    themes = builtin_themes()
    assert next(iter(themes)) == "sigma-dark"
    assert set(themes) == {"sigma-dark", "sigma-light", "sigma-contrast", "sigma-ansi"}
    assert not themes["sigma-light"].textual.dark
    assert themes["sigma-ansi"].textual.ansi


def test_a_small_file_is_enough() -> None:
    theme = parse_theme(GOOD, "mine.toml")
    assert theme.title == "mine"
    assert theme.palette.info == "#336699"
    assert theme.palette.wrong == "#ffffff"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("#336699", "bluue"), "mine.toml: colors.primary: 'bluue' is not a colour; "
         "write #rrggbb or a colour name (did you mean 'blue'?)"),
        (GOOD + '[roles]\ngian = "red"', "mine.toml: roles.gian is unknown (did you mean 'gain'?)"),
        (GOOD + '[roles]\ngain = 7', "mine.toml: roles.gain: '7' is not a colour"),
        (GOOD + '[variables]\nborder = "nope"', "mine.toml: variables.border: 'nope' is not"),
        (GOOD.replace('primary = "#336699"', ""), "mine.toml: colors.primary is missing"),
        ("name = ", "mine.toml: not valid TOML"),
        ("[colors]", 'mine.toml: give the theme a name, e.g. name = "my-theme"'),
        ('name = "x"\ncolors = 3', "mine.toml: colors must be a table"),
    ],
)  # fmt: skip
def test_a_bad_file_is_explained(text: str, words: str) -> None:
    with pytest.raises(ThemeError) as caught:
        parse_theme(text, "mine.toml")
    assert words in str(caught.value)


def test_one_bad_user_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text("name = 1")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    themes, problems = user_themes(tmp_path)
    assert list(themes) == ["mine"]
    assert len(problems) == 2
    assert problems[0].startswith("b.toml: ")
    assert user_themes(tmp_path / "nowhere") == ({}, [])


async def test_user_themes_are_offered_and_problems_told(cockpit: Cockpit, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    (tmp_path / "b.toml").write_text(GOOD.replace("white", "whiite"))
    async with cockpit(theme="mine", theme_dir=tmp_path, toasts=True) as (app, pilot):
        await settled(pilot)
        assert app.theme == "mine"
        assert "b.toml: colors.foreground" in text_of(app)


def test_an_unknown_theme_names_those_there_are() -> None:
    with pytest.raises(ThemeError, match="no theme 'neon'; there are sigma-ansi, sigma-contrast"):
        SigmaApp(FakeLink(), theme="neon")


def test_high_contrast_keeps_its_word() -> None:
    theme = builtin_themes()["sigma-contrast"]
    black = Color.parse("#000000")
    for role in ("text", "strong", "muted", "accent", "info", "gain", "loss", "warn", "wrong"):
        colour = Color.parse(getattr(theme.palette, role))
        assert _contrast(colour, black) >= 7, role


@pytest.mark.parametrize("name", ["sigma-dark", "sigma-light"])
def test_text_is_readable_on_its_background(name: str) -> None:
    theme = builtin_themes()[name]
    background = Color.parse(theme.textual.background or "")
    for role in ("text", "strong", "muted", "accent", "info", "gain", "loss", "warn", "wrong"):
        colour = Color.parse(getattr(theme.palette, role))
        assert _contrast(colour, background) >= 4.5, role


@pytest.mark.parametrize("name", ["sigma-dark", "sigma-ansi"])
async def test_nothing_is_red_unless_something_is_wrong(
    cockpit: Cockpit, link: FakeLink, name: str
) -> None:
    safe = tuple(replace(view, stop_resting=True) for view in positions())
    link.current = snapshot(positions=safe, events=(), breaker=breaker(Level.CLOSED))
    wrong = Color.parse(builtin_themes()[name].textual.error or "").rich_color
    async with cockpit(theme=name) as (app, pilot):
        for key in "3461":
            await pilot.press(key)
            await settled(pilot)
            for strip in app.screen._compositor.render_strips():
                for segment in strip:
                    if segment.text.strip() and segment.style is not None:
                        assert segment.style.color != wrong, segment.text


def _contrast(one: Color, other: Color) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Color) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in colour.normalized
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
