"""A small client of the REST API: what the commands need, and errors that say what to do."""

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from campaignctl.errors import CannotGoOn

ROOT = "/v1.0"
TIMEOUT_S = 30.0
TARGETS_AT_ONCE = 500
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

Resource = dict[str, Any]


class ApiAway(CannotGoOn):
    """Nothing answers at the API's address."""


class ApiRefused(CannotGoOn):
    """The API refused a request."""

    def __init__(self, method: str, path: str, answer: httpx.Response) -> None:
        """Keep the status and tell what the API says about it."""
        self.status_code = answer.status_code
        super().__init__(f"{method} {path}: {answer.status_code} {_explained(answer)}")


class Client:
    """The REST API, once logged in; a context manager.

    Args:
        api_url: Root of the API; a `/v1.0` at its end does no harm.
        transport: Carries the requests; None: the network.
    """

    def __init__(self, api_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.api_url = api_url.rstrip("/").removesuffix(ROOT)
        is_local = urlsplit(self.api_url).hostname in LOOPBACK
        self._http = httpx.Client(
            base_url=self.api_url, timeout=TIMEOUT_S, trust_env=not is_local, transport=transport
        )
        self._credentials: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def identify(self, username: str, password: str, accesskey: str | None = None) -> None:
        """Use the access key where there is one, else log in; raises as `log_in` does."""
        if accesskey:
            self._credentials = {"accesskey": accesskey}
        else:
            self.log_in(username, password)

    def log_in(self, username: str, password: str) -> None:
        """Use the token of a login from now on.

        Raises:
            ApiAway: Nothing answers.
            CannotGoOn: The login was refused.
        """
        login = {"username": username, "password": password}
        answer = self._send("POST", "/auth/login", login)
        if not answer.is_success:
            raise CannotGoOn(
                f"{self.api_url} refuses the login of {username} ({answer.status_code}). Give "
                "--username and --password as `campaignctl up` printed them."
            )
        self._credentials = {"token": answer.json()["token"]}

    def get(self, path: str) -> Resource:
        """Return a resource.

        Raises:
            ApiAway: Nothing answers.
            ApiRefused: The answer is an error.
        """
        return self._call("GET", path)

    def create(self, path: str, body: Mapping[str, Any]) -> Resource:
        """Create a resource and return it; raises as `get` does."""
        return self._call("POST", path, body)

    def update(self, path: str, body: Mapping[str, Any]) -> Resource:
        """Change the given fields of a resource and return it; raises as `get` does."""
        return self._call("PUT", path, body)

    def add_targets(self, outdial_id: str, targets: Sequence[Resource]) -> Iterator[Resource]:
        """Add targets, some hundreds in a request, and yield each as it is stored."""
        for at in range(0, len(targets), TARGETS_AT_ONCE):
            chunk = list(targets[at : at + TARGETS_AT_ONCE])
            yield from self._call("POST", f"/outdials/{outdial_id}/targets", chunk)["result"]

    def pages(self, path: str) -> Iterator[list[Resource]]:
        """Yield the pages of a list, the newest rows first; raises as `get` does."""
        token = ""
        while True:
            page = self._call("GET", path, params={"page_token": token} if token else {})
            if page["result"]:
                yield page["result"]
            token = page["next_page_token"]
            if not page["result"] or not token:
                return

    def every(self, path: str) -> list[Resource]:
        """Return all rows of a list; raises as `get` does."""
        return [row for page in self.pages(path) for row in page]

    def _call(
        self, method: str, path: str, body: Any = None, params: Mapping[str, str] | None = None
    ) -> Resource:
        answer = self._send(method, ROOT + path, body, {**self._credentials, **(params or {})})
        if not answer.is_success:
            raise ApiRefused(method, path, answer)
        resource: Resource = answer.json()
        return resource

    def _send(
        self, method: str, path: str, body: Any, params: Mapping[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body, params=params)
        except httpx.ConnectError as error:
            raise ApiAway(
                f"Nothing listens at {self.api_url}. Start the engine with `campaignctl up`, or "
                "give its address with --api-url."
            ) from error
        except httpx.TransportError as error:
            raise ApiAway(f"{self.api_url} did not answer ({type(error).__name__}).") from error


def _explained(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        details = f" {body['error']['details']}" if body["error"].get("details") else ""
        return f"{body['error']['reason']}: {body['error']['message']}{details}"
    except (ValueError, KeyError, TypeError):
        return answer.text or answer.reason_phrase
