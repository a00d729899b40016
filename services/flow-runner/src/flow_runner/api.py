"""The HTTP side: spoken texts, for the gateway to fetch."""

import re
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse

NAME = re.compile(r"[0-9a-f]{64}")


def build_api(path_of: Callable[[str], Path]) -> Starlette:
    """Return the app that serves GET /media/{name}.wav."""

    async def media(request: Request) -> FileResponse:
        name = request.path_params["name"]
        path = path_of(name)
        if not NAME.fullmatch(name) or not path.is_file():
            raise HTTPException(404, "there is no such spoken text")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="audio/wav", headers=headers)

    api = Starlette()
    api.add_route("/media/{name}.wav", media, methods=["GET"])
    return api
