"""Speaks to the publisher's HTTP API. A write that it could not take now is repeated: its keys make that safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from services.publisher.api.answers import (
    CampaignAccepted,
    CampaignList,
    CampaignStatus,
    ContentAccepted,
    ContentStatus,
    PlacementDetail,
    PlacementList,
)
from services.publisher.api.command_requests import BrakeList, CommandAccepted
from services.publisher.api.problems import ProblemDocument
from services.publisher.media.uploads import StoredMedia

T = TypeVar("T")
PIECE = 256 * 1024
PATIENCE_S = 90.0
_LONGEST_WAIT_S = 10.0


class UnreachableError(Exception):
    """Raised when nobody answers at the address."""


class RefusedByPublisherError(Exception):
    """Raised when the publisher answers with a problem document; as text, all that it says is to be changed."""

    def __init__(self, document: ProblemDocument) -> None:
        listed = "".join(f"\n  {one.field}：{one.message}\n    → {one.way_out}" for one in document.problems)
        super().__init__(document.detail + listed)
        self.document = document

    @property
    def finds_nothing(self) -> bool:
        """Nothing has that id, or nothing that this token may see."""
        return self.document.kind.rpartition(":")[2] in ("not_found", "outside_brand")


class PublisherClient:
    """One connection to one publisher; `waiting` is told when a request has to be repeated later."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.url = url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=httpx.Timeout(60, connect=5), trust_env=False
        )
        self._patience_s = patience_s
        self._waiting = waiting

    def __enter__(self) -> PublisherClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def upload(self, path: Path, sha256: str, sent: Callable[[int], None]) -> StoredMedia:
        """Stream a file; `sent` is told how many bytes went out."""

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(PIECE):
                    yield piece
                    sent(len(piece))

        headers = {"X-Content-SHA256": sha256, "Content-Length": str(path.stat().st_size)}
        return self._call("POST", "/media", StoredMedia, lambda: {"content": pieces(), "headers": headers})

    def define(self, campaign: dict[str, Any], key: str) -> CampaignAccepted:
        return self._post("/campaigns", CampaignAccepted, campaign, key)

    def check(self, content: dict[str, Any], campaign: dict[str, Any]) -> ContentAccepted:
        return self._post("/contents/check", ContentAccepted, {**content, "campaign": campaign}, None)

    def publish(self, content: dict[str, Any], key: str) -> ContentAccepted:
        return self._post("/contents", ContentAccepted, content, key)

    def campaigns(self) -> CampaignList:
        return self._get("/campaigns", CampaignList)

    def campaign(self, campaign_id: str) -> CampaignStatus:
        return self._get(f"/campaigns/{_quoted(campaign_id)}", CampaignStatus)

    def content(self, content_id: str) -> ContentStatus:
        return self._get(f"/contents/{_quoted(content_id)}", ContentStatus)

    def placements(self, campaign_id: str) -> PlacementList:
        return self._get("/placements", PlacementList, {"campaign": campaign_id})

    def placement(self, placement_id: str) -> PlacementDetail:
        return self._get(f"/placements/{_quoted(placement_id)}", PlacementDetail)

    def command(self, command: dict[str, Any], *, dry_run: bool) -> CommandAccepted:
        """Give a command, or only ask what it would do; it names its own id, so repeating it is safe."""
        return self._post("/commands/check" if dry_run else "/commands", CommandAccepted, command, None)

    def brakes(self) -> BrakeList:
        return self._get("/brakes", BrakeList)

    def _get(self, path: str, kind: type[T], query: dict[str, str] | None = None) -> T:
        return self._call("GET", path, kind, lambda: {"params": query})

    def _post(self, path: str, kind: type[T], body: dict[str, Any], key: str | None) -> T:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self._call("POST", path, kind, lambda: {"content": msgspec.json.encode(body), "headers": headers})

    def _call(self, method: str, path: str, kind: type[T], arguments: Callable[[], dict[str, Any]]) -> T:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                answer = self._http.request(method, path, **arguments())
            except httpx.TransportError as error:
                raise UnreachableError(f"{self.url}: {type(error).__name__}") from error
            if answer.is_success:
                return msgspec.json.decode(answer.content, type=kind)
            problem = RefusedByPublisherError(_document(answer))
            wait_s = min(_retry_after_s(answer), _LONGEST_WAIT_S)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() + wait_s > deadline:
                raise problem
            self._waiting(problem.document.detail)
            time.sleep(max(wait_s, 0.5))


def _retry_after_s(answer: httpx.Response) -> float:
    """Seconds, or until the date that a proxy writes (RFC 9110 §10.2.3); nothing where it is neither."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return 0.0


def _quoted(name: str) -> str:
    """As one part of a path, whatever somebody has typed."""
    return quote(name, safe="") if name.strip(".") else "-"


def _document(answer: httpx.Response) -> ProblemDocument:
    try:
        return msgspec.json.decode(answer.content, type=ProblemDocument)
    except msgspec.MsgspecError:
        return ProblemDocument(
            kind="about:blank",
            title=f"HTTP {answer.status_code}",
            status=answer.status_code,
            detail=f"{answer.url} 不像是发布服务，地址对吗？ / does not look like a publisher",
            instance=answer.url.path,
        )
