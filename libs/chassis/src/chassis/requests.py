"""The spans of requests that change something; a client's trace goes on in them."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.logs import mask_text
from chassis.spans import current_span
from chassis.tracing import HEADER, TRACES

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Traced:
    """Follows the requests to an application that change something."""

    def __init__(self, app: ASGIApp, below: str) -> None:
        """Follow those below a path."""
        self._app, self._below = app, below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_change = scope["type"] == "http" and scope["method"] not in READING
        if not (TRACES.is_on and is_change and scope["path"].startswith(self._below)):
            await self._app(scope, receive, send)
            return

        async def note(message: Message) -> None:
            span = current_span()
            if span is not None and message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "")
                span.name = f"{scope['method']} {route}".strip()
                span.attributes |= {
                    "http.route": route,
                    "http.response.status_code": message["status"],
                }
                span.error = str(message["status"]) if message["status"] >= 500 else ""
            await send(message)

        about: dict[str, str | int] = {
            "http.request.method": scope["method"],
            "url.path": mask_text(scope["path"]),
            "url.scheme": scope["scheme"],
        }
        headers = dict(scope["headers"])
        traceparent = headers.get(HEADER.encode(), b"").decode(errors="replace")
        with TRACES.answering(scope["method"], traceparent, about):
            await self._app(scope, receive, note)
