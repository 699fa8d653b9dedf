"""The letters of the pages."""

from http import HTTPStatus

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse

from heartbeat.typeface import FOLDER

router = APIRouter(include_in_schema=False)

_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}
_PAGE_FONTS = {path.name: path for path in FOLDER.glob("*.woff2")}


@router.get("/typeface/{name}")
def typeface(name: str) -> FileResponse:
    """One file; its name holds a digest of it, so that a browser never asks again."""
    if name not in _PAGE_FONTS:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"no typeface is called {name!r}")
    return FileResponse(_PAGE_FONTS[name], media_type="font/woff2", headers=_FOR_GOOD)
