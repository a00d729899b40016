"""Probes: alive means the event loop turns; ready means every neighbour answers. And metrics."""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.metrics import READY


class Readiness:
    """What a service waits for. Nothing set yet means not ready."""

    def __init__(self) -> None:
        self._conditions: dict[str, tuple[bool, str]] = {}
        self.set("start", False, "starting")

    def set(self, condition: str, is_ok: bool, detail: str = "") -> None:
        """Note whether a condition holds, and if not, why."""
        self._conditions[condition] = (is_ok, detail)
        READY.labels(condition).set(is_ok)

    @property
    def is_ready(self) -> bool:
        """Whether every condition holds."""
        return all(is_ok for is_ok, _ in self._conditions.values())

    @property
    def conditions(self) -> dict[str, str]:
        """Return each condition as `ok` or the reason why not."""
        return {
            name: "ok" if is_ok else detail or "not ok"
            for name, (is_ok, detail) in self._conditions.items()
        }


def add_probes(api: Starlette, readiness: Readiness) -> None:
    """Add GET /livez, GET /readyz and GET /metrics."""

    async def livez(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "alive"})

    async def readyz(_request: Request) -> JSONResponse:
        content = {
            "status": "ready" if readiness.is_ready else "waiting",
            "conditions": readiness.conditions,
        }
        return JSONResponse(content, status_code=200 if readiness.is_ready else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    for probe in (livez, readyz, metrics):
        api.add_route(f"/{probe.__name__}", probe, methods=["GET"], include_in_schema=False)
