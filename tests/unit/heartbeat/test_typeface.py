"""The shipped letters are Inter as the locked package has it, and the pages ask for them."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

import heartbeat_api
from heartbeat.audit import chart_theme
from heartbeat.typeface import FAMILY, FOLDER
from tests import typeface

PAGES = Path(heartbeat_api.__file__).parent
STYLE = (PAGES / "static" / "heartbeat.css").read_text(encoding="utf-8")
FILES = {path.name: path.read_bytes() for path in FOLDER.glob("[!_]*")}
OF_PAGES = {name: font for name, font in FILES.items() if name.endswith(".woff2")}


def test_the_licence_is_shipped_beside_the_letters() -> None:
    assert FILES["LICENSE"] == typeface.LICENCE.read_bytes()
    assert b"SIL OPEN FONT LICENSE" in FILES["LICENSE"]


@pytest.mark.filterwarnings("default")
def test_the_files_are_what_the_package_makes_of_them() -> None:
    """Of each kind one is made anew: the others come the same way."""
    latin = typeface.of_page(typeface.LATIN)
    assert FILES[f"inter-latin-{typeface.digest(latin)}.woff2"] == latin
    assert FILES["inter-600.ttf"] == typeface.of_pictures(600)
    fonts = {weight: FILES[f"inter-{weight}.ttf"] for weight in typeface.WEIGHTS}
    assert FILES["widths.json"] == typeface.widths(fonts)


def test_a_file_of_the_pages_is_named_by_what_it_holds() -> None:
    assert [name.split("-")[1] for name in sorted(OF_PAGES)] == ["further", "latin"]
    for name, font in OF_PAGES.items():
        assert sha256(font).hexdigest().startswith(name.removesuffix(".woff2").split("-")[2])


def test_the_pages_ask_for_these_files_and_for_the_first_one_at_once() -> None:
    declared = dict(re.findall(r'/typeface/(\S+?)"\)[^}]*?unicode-range: ([^;]+);', STYLE))
    ranges = {name.split("-")[1]: letters for name, letters in declared.items()}
    assert declared.keys() == OF_PAGES.keys()
    assert ranges == {"latin": typeface.LATIN, "further": typeface.FURTHER}
    layout = (PAGES / "templates" / "layout.html").read_text(encoding="utf-8")
    (latin,) = (name for name in OF_PAGES if "latin" in name)
    assert re.findall(r'rel="preload" href="/typeface/(\S+)" as="font"', layout) == [latin]
    assert len(OF_PAGES[latin]) < 32_000


def test_pages_and_pictures_name_the_same_letters() -> None:
    assert chart_theme.FONT.startswith(f'"{FAMILY}", ')
    assert f'--sans: "{FAMILY}", ' in STYLE
    assert STYLE.count(f'font-family: "{FAMILY}"; font-weight: 400 700;') == len(OF_PAGES)
