"""The HTTP side: spoken texts, for the gateway to fetch."""

import re
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse

NAME = re.compile(r"[0-9a-f]{64}")


def build_api(path_of: Callable[[str], Path]) -> FastAPI:
    """Return the app that serves GET /media/{name}.wav."""
    api = FastAPI(title="flow-runner", openapi_url=None)

    @api.get("/media/{name}.wav")
    async def media(name: str) -> FileResponse:
        path = path_of(name)
        if not NAME.fullmatch(name) or not path.is_file():
            raise HTTPException(404, "there is no such spoken text")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="audio/wav", headers=headers)

    return api
