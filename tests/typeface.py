"""Makes the files of heartbeat/typeface from Inter: `make typeface`, when the package is newer.

They are kept in the repository: a screen and a worker need no font tool, and both get the letters
that the tests have seen. The optical size is that of text throughout, since what draws the stored
pictures knows no other: a label is as wide on a page as it was when it was placed.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from string import digits
from typing import Final

import fontpkg_inter
from fontTools.subset import Options, Subsetter, parse_unicodes
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

from heartbeat.typeface import FAMILY, FOLDER

SOURCE: Final = fontpkg_inter.ROOT
LICENCE: Final = SOURCE / "LICENSE"

LATIN: Final = (
    "U+20-7E, U+A0-17F, U+2010-2027, U+202F-203A, U+2044, U+20AC, U+2116, U+2122, U+2190-2193,"
    " U+2212, U+2248, U+2260-2265, U+25B2-25BC, U+2605-2606"
)
"""What the pages themselves write, and the names of most of Europe: loaded with every page."""

FURTHER: Final = (
    "U+180-52F, U+1E00-1EFF, U+20A0-20AB, U+20AD-20C0, U+2150-218B, U+2194-2211, U+2213-2247,"
    " U+2249-225F, U+2266-25B1, U+25BD-2604, U+2607-27BF"
)
"""Vietnamese, Greek, Cyrillic, more signs: loaded where a page holds one of them."""

WEIGHTS: Final = (400, 500, 600, 700)
_FEATURES: Final = ("kern", "mark", "mkmk", "ccmp", "locl", "tnum", "pnum")
_NAMES: Final = {1: FAMILY, 4: FAMILY, 6: FAMILY.replace(" ", ""), 16: FAMILY}


def made() -> Mapping[str, bytes]:
    """Every file by name; those of pages carry a digest, since a browser keeps them for good."""
    files = {"LICENSE": LICENCE.read_bytes()}
    for name, letters in (("latin", LATIN), ("further", FURTHER)):
        font = of_page(letters)
        files[f"inter-{name}-{digest(font)}.woff2"] = font
    fonts = {weight: of_pictures(weight) for weight in WEIGHTS}
    files |= {f"inter-{weight}.ttf": font for weight, font in fonts.items()}
    return files | {"widths.json": widths(fonts)}


def digest(font: bytes) -> str:
    """What a file of the pages has in its name."""
    return sha256(font).hexdigest()[:8]


def of_page(letters: str) -> bytes:
    """All weights in one, compressed."""
    return _file(_inter(letters, wght=(WEIGHTS[0], WEIGHTS[-1])), "woff2").getvalue()


def of_pictures(weight: int) -> bytes:
    """One weight, which is all that the renderer of charts understands.

    Its figures are of one width from the start: it knows no `font-variant-numeric`, the page does.
    """
    font = _inter(f"{LATIN}, {FURTHER}", wght=weight)
    _make_figures_tabular(font)
    # measured where no font has a letter, seen where one has: as wide as an emoji, the widest
    font["hmtx"][".notdef"] = (int(1.25 * font["head"].unitsPerEm), 0)
    return _file(font).getvalue()


def widths(fonts: Mapping[int, bytes]) -> bytes:
    """How wide each letter is, in thousandths of the size of the font, by weight."""
    told: dict[int, dict[str, int]] = {}
    for weight, file in fonts.items():
        font = TTFont(BytesIO(file))
        unit, metrics = font["head"].unitsPerEm, font["hmtx"]
        told[weight] = {
            chr(code): round(1000 * metrics[glyph][0] / unit)
            for code, glyph in sorted(font.getBestCmap().items())
        }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _inter(letters: str, wght: int | tuple[int, int]) -> TTFont:
    font = TTFont(SOURCE / "files" / "Inter[opsz,wght].ttf", recalcTimestamp=False)
    _keep_words_together(font)
    subsetter = Subsetter(_options())
    subsetter.populate(unicodes=parse_unicodes(letters))
    subsetter.subset(font)
    part = instantiateVariableFont(font, {"opsz": 14, "wght": wght})
    for name in part["name"].names:
        name.string = _NAMES.get(name.nameID, name.toUnicode())
    return part


def _options() -> Options:
    options = Options()
    options.layout_features = list(_FEATURES)
    options.name_IDs = [0, 1, 2, 4, 5, 6, 13, 14, 16, 17]
    options.notdef_outline = True
    return options


def _tabular(font: TTFont) -> Iterator[dict[str, str]]:
    """What `tabular-nums` puts in the place of which glyph, as it can be changed in the font."""
    table = font["GSUB"].table
    features = table.FeatureList.FeatureRecord
    numbers = {n for f in features if f.FeatureTag == "tnum" for n in f.Feature.LookupListIndex}
    for number in numbers:
        for substitution in table.LookupList.Lookup[number].SubTable:
            yield getattr(substitution, "ExtSubTable", substitution).mapping


def _keep_words_together(font: TTFont) -> None:
    """Of tabular signs only the figures: a hyphen as wide as a figure tears a word apart."""
    figures = {font.getBestCmap()[ord(figure)] for figure in digits}
    for mapping in _tabular(font):
        for glyph in mapping.keys() - figures:
            del mapping[glyph]


def _make_figures_tabular(font: TTFont) -> None:
    wide = {glyph: other for mapping in _tabular(font) for glyph, other in mapping.items()}
    for table in font["cmap"].tables:
        table.cmap = {code: wide.get(glyph, glyph) for code, glyph in table.cmap.items()}


def _file(font: TTFont, flavor: str | None = None) -> BytesIO:
    font.flavor = flavor
    file = BytesIO()
    font.save(file)
    return file


def main() -> None:
    """Replace the files by newly made ones."""
    for old in FOLDER.iterdir():
        if old.suffix != ".py" and old.is_file():
            old.unlink()
    for name, content in made().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
