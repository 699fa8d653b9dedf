"""A machine without a font of its own, but for the one that every server has."""

from collections.abc import Mapping
from pathlib import Path

_SYSTEM = Path("/usr/share/fonts")
_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}</dir><cachedir>{folder}/cache</cachedir></fontconfig>
"""


def only_dejavu_serif(folder: Path) -> Mapping[str, str]:
    """What a process is told so that it sees no font but DejaVu Serif.

    Empty where the machine has none or has no fontconfig: there it sees what the machine has.
    """
    fonts = sorted(_SYSTEM.rglob("DejaVuSerif*.ttf"))
    if not fonts:
        return {}
    for font in fonts:
        (folder / font.name).symlink_to(font)
    configuration = folder / "fonts.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder), encoding="utf-8")
    return {"FONTCONFIG_FILE": str(configuration)}
