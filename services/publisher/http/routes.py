"""The HTTP API: routes only. What happens is in desk.py, what it looks like in requests.py and answers.py."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast

import msgspec
from litestar import HttpMethod, Request, Response, Router, get, post, route
from litestar.concurrency import sync_to_thread
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler, Guard

from services.publisher.access.roles import Granted
from services.publisher.api.answers import (
    CampaignAccepted,
    CampaignList,
    CampaignStatus,
    CancelAccepted,
    ContentAccepted,
    ContentStatus,
    PlacementDetail,
    PlacementList,
    StoredMedia,
)
from services.publisher.api.command_requests import BrakeList, CommandAccepted, CommandRequest
from services.publisher.api.problems import RequestRefusedError, invalid, problem
from services.publisher.api.requests import CampaignRequest, CancelRequest, CheckRequest, ContentRequest
from services.publisher.desks.commands import CommandHandler
from services.publisher.desks.contents import ContentAnswer, ContentHandler
from services.publisher.desks.queries import Queries
from services.publisher.http.admission import lane
from services.publisher.http.bearer import needs
from services.publisher.http.bodies import StrictBody
from services.publisher.http.problem_responses import documented
from services.publisher.http.turns import BrandTurns
from services.publisher.media.uploads import MediaRefusedError, UploadStore
from services.runtime import metrics
from services.runtime.logging import get_logger

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="重发同一请求用同一个键：得到第一次的答复 / the same key repeats the first answer",
        required=False,
        schema_extra={"pattern": f"^{_KEY.pattern}$"},  # said here, checked by us: the framework's words are poor
    ),
]
CampaignFilter = Annotated[
    str | None, QueryParameter(name="campaign", required=False, description="活动编号，必填 / campaign id, needed")
]
log = get_logger(__name__)
_WRITTEN = documented(400, 401, 403, 409, 413, 422, 503)


def _checked(key: str | None) -> str | None:
    if key is not None and not _KEY.fullmatch(key):
        wrong = "应为 1 到 255 个可见 ASCII 字符", "must be 1 to 255 visible ASCII characters"
        raise invalid([problem("Idempotency-Key", "wrong_value", *wrong, "例如一个 UUID / a UUID, for example")])
    return key


def _taken(operation: str, answer: ContentAnswer, granted: Granted, **about: object) -> Response[Any]:
    """The answer to a write, and the line that says by whose token it was made."""
    log.info("write_accepted", operation=operation, granted_to=granted.to, repeated=answer.repeated, **about)
    metrics.ACCEPTED.labels(operation, "repeated" if answer.repeated else "accepted").inc()
    headers = {"Idempotent-Replayed": "true"} if answer.repeated else {}
    return Response(cast(Any, answer.body), media_type="application/json", status_code=202, headers=headers)


@post("/campaigns", dto=StrictBody[CampaignRequest], return_dto=None, status_code=202,
      responses=_WRITTEN, summary="定义活动 / define a campaign", tags=["campaigns"],
      opt=needs("publish"))  # fmt: skip
async def define_campaign(
    data: JSONBody[CampaignRequest],
    desk: NamedDependency[ContentHandler],
    granted: NamedDependency[Granted],
    turns: NamedDependency[BrandTurns],
    idempotency_key: IdempotencyKey = None,
) -> Response[CampaignAccepted]:
    """内容发布之前先定义活动及其目标。Define what belongs together and what it is for, before its contents."""
    answer = await turns.ordinarily(desk.campaign, data, _checked(idempotency_key), granted)
    return _taken("campaign", answer, granted, campaign_id=data.campaign_id, brand_id=data.brand_id)


@get("/campaigns", responses=documented(401, 403, 503), summary="所有活动 / all campaigns",
     tags=["campaigns"], opt=needs("read"))  # fmt: skip
async def list_campaigns(reading: NamedDependency[Queries], turns: NamedDependency[BrandTurns]) -> CampaignList:
    """所有活动及其发布位状态数。Every campaign with its placements counted by state."""
    return await turns.ordinarily(reading.campaigns)


@get("/campaigns/{campaign_id:str}", responses=documented(401, 403, 404, 503),
     summary="一个活动 / one campaign", tags=["campaigns"], opt=needs("read"))  # fmt: skip
async def show_campaign(
    campaign_id: FromPath[str], reading: NamedDependency[Queries], turns: NamedDependency[BrandTurns]
) -> CampaignStatus:
    """活动、内容和各状态的发布位数。A campaign, its contents, its placements by state."""
    return await turns.ordinarily(reading.campaign, campaign_id)


@post("/contents", dto=StrictBody[ContentRequest], return_dto=None, status_code=202,
      responses=_WRITTEN, summary="发布内容 / publish a content", tags=["contents"], opt=needs("publish"))  # fmt: skip
async def publish_content(
    data: JSONBody[ContentRequest],
    desk: NamedDependency[ContentHandler],
    granted: NamedDependency[Granted],
    turns: NamedDependency[BrandTurns],
    idempotency_key: IdempotencyKey = None,
) -> Response[ContentAccepted]:
    """按每个平台的规则检查并改写，全部合格才接收；Kafka 确认后才答复 202。

    Checked and rewritten by every platform's rules, accepted as a whole or not at all; 202 only after Kafka
    acknowledged. The answer shows each variant and what was shortened or left out.
    """
    answer = await turns.ordinarily(desk.content, data, _checked(idempotency_key), granted)
    return _taken("content", answer, granted, content_id=data.content_id, version=data.version)


@post("/contents/check", dto=StrictBody[CheckRequest], return_dto=None, status_code=200,
      responses=_WRITTEN, summary="试算 / try a content", tags=["contents"], opt=needs("publish"))  # fmt: skip
async def check_content(
    data: JSONBody[CheckRequest],
    desk: NamedDependency[ContentHandler],
    granted: NamedDependency[Granted],
    turns: NamedDependency[BrandTurns],
) -> Response[ContentAccepted]:
    """与发布相同的答复，但什么也不写。The same answer as publishing; nothing is written."""
    metrics.ACCEPTED.labels("check", "answered").inc()
    answer = await turns.ordinarily(desk.check, data, granted)
    return Response(cast(Any, answer.body), media_type="application/json", status_code=200)


@post("/contents/{content_id:str}/cancel", dto=StrictBody[CancelRequest], return_dto=None, status_code=202,
      responses={**_WRITTEN, **documented(404)}, summary="取消内容 / cancel a content",
      tags=["contents"], opt=needs("operate", "publish") | lane("urgent"))  # fmt: skip
async def cancel_content(
    content_id: FromPath[str],
    data: JSONBody[CancelRequest],
    desk: NamedDependency[ContentHandler],
    granted: NamedDependency[Granted],
    turns: NamedDependency[BrandTurns],
) -> Response[CancelAccepted]:
    """还没有调用平台的发布位不再调用。Placements that were not called yet are not called any more."""
    answer = await turns.urgently(desk.cancel, content_id, data, granted)
    return _taken("cancel", answer, granted, content_id=content_id, actor=data.actor)


@get("/contents/{content_id:str}", responses=documented(401, 403, 404, 503),
     summary="一条内容 / one content", tags=["contents"], opt=needs("read"))  # fmt: skip
async def show_content(
    content_id: FromPath[str], reading: NamedDependency[Queries], turns: NamedDependency[BrandTurns]
) -> ContentStatus:
    """所有版本、取消记录和发布位状态。All versions, cancels, and where its placements stand."""
    return await turns.ordinarily(reading.content, content_id)


@get("/placements", responses=documented(401, 403, 404, 422, 503),
     summary="一个活动的发布位 / placements of a campaign", tags=["placements"], opt=needs("read"))  # fmt: skip
async def list_placements(
    reading: NamedDependency[Queries], turns: NamedDependency[BrandTurns], campaign_id: CampaignFilter = None
) -> PlacementList:
    """活动的所有发布位及状态。Every placement of the campaign and its state."""
    if not campaign_id:
        wrong = "缺少查询参数 campaign", "the query parameter campaign is needed"
        raise invalid([problem("campaign", "missing_field", *wrong, "例如 /placements?campaign=… / add ?campaign=…")])
    return await turns.ordinarily(reading.placements, campaign_id)


@get("/placements/{placement_id:str}", responses=documented(401, 403, 404, 503),
     summary="一个发布位 / one placement", tags=["placements"], opt=needs("read"))  # fmt: skip
async def show_placement(
    placement_id: FromPath[str], reading: NamedDependency[Queries], turns: NamedDependency[BrandTurns]
) -> PlacementDetail:
    """发布位的状态和台账记录（含全部历史）。Its state and its ledger record with the whole history."""
    return await turns.ordinarily(reading.placement, placement_id)


Sha256Header = Annotated[
    str | None,
    HeaderParameter(
        name="X-Content-SHA256",
        required=False,
        description="可选：预期的 sha256 / the expected sha256",
        schema_extra={"pattern": f"^{_SHA256.pattern}$"},
    ),
]


@post("/media", status_code=201, responses=documented(401, 403, 413, 415, 422, 503), tags=["media"],
      summary="上传媒体 / upload a file", opt=needs("publish") | lane("upload"))  # fmt: skip
async def upload_media(
    request: Request[Any, Any, Any],
    media: NamedDependency[UploadStore],
    turns: NamedDependency[BrandTurns],
    expected: Sha256Header = None,
) -> StoredMedia:
    """请求体就是文件本身（不是表单）。The body is the file itself, not a form; its type is told by its content.

    同一个文件再次上传得到同样的答复。The same file again gives the same answer.
    """
    if (request.headers.get("content-type") or "").startswith("multipart/"):
        raise RequestRefusedError(
            415,
            "multipart_not_supported",
            "请直接发送文件 / send the file itself",
            "请求体应为文件本身，例如 curl --data-binary @cover.jpg / the body is the file itself, not a form",
        )
    if expected is not None and not _SHA256.fullmatch(expected):
        wrong = "应为 64 位小写十六进制", "must be 64 lower-case hex digits"
        raise invalid([problem("X-Content-SHA256", "wrong_value", *wrong, "请修正或省略 / correct it or leave it out")])
    upload = await sync_to_thread(media.receive)
    try:
        async for piece in request.stream():
            await sync_to_thread(upload.write, piece)
        return await turns.measuring(upload.finish, expected)
    except MediaRefusedError as error:
        raise invalid([problem("body", error.code, error.message, error.message_en, error.way_out)]) from None
    finally:
        await sync_to_thread(upload.discard)


@post("/commands", dto=StrictBody[CommandRequest], return_dto=None, status_code=202,
      responses={**_WRITTEN, **documented(404)}, summary="下达指令 / give a command", tags=["commands"],
      opt=needs("operate") | lane("urgent"))  # fmt: skip
async def give_command(
    data: JSONBody[CommandRequest],
    commands: NamedDependency[CommandHandler],
    granted: NamedDependency[Granted],
    turns: NamedDependency[BrandTurns],
) -> Response[CommandAccepted]:
    """刹车、解除、取消、撤回、重试、确认、否认、放行、回复；Kafka 确认后才答复 202。

    Brakes and their release, cancel, retract, retry, confirm, deny, release, reply; 202 only after Kafka acknowledged.
    From a second after that on no call leaves against a brake or a cancel. The answer foresees what happens to each
    placement; what did happen, or why it was refused, stands in the placement's history.
    """
    answer, repeated = await turns.urgently(commands.take, data, granted)
    body = ContentAnswer(msgspec.json.encode(answer), repeated)
    return _taken("command", body, granted, kind=data.kind, command_id=answer.command_id, actor=data.actor)


@post("/commands/check", dto=StrictBody[CommandRequest], return_dto=None, status_code=200,
      responses={**_WRITTEN, **documented(404)}, summary="试算指令 / try a command", tags=["commands"],
      opt=needs("operate") | lane("urgent"))  # fmt: skip
async def check_command(
    data: JSONBody[CommandRequest],
    commands: NamedDependency[CommandHandler],
    granted: NamedDependency[Granted],
    turns: NamedDependency[BrandTurns],
) -> CommandAccepted:
    """与下达相同的答复，但什么也不写。The same answer; nothing is written."""
    return await turns.urgently(commands.check, data, granted)


@get("/brakes", responses=documented(401, 403, 503), summary="正在生效的刹车 / brakes that are on",
     tags=["commands"], opt=needs("read"))  # fmt: skip
async def list_brakes(
    commands: NamedDependency[CommandHandler], granted: NamedDependency[Granted], turns: NamedDependency[BrandTurns]
) -> BrakeList:
    """哪些刹车正在生效、各拦下多少个发布位。Which brakes are on and how many placements each holds."""
    return await turns.urgently(commands.brakes, granted)


@route("/campaigns", http_method=[HttpMethod.OPTIONS], status_code=204, include_in_schema=False, opt=needs("read"),
       sync_to_thread=False)  # fmt: skip
def campaigns_options(request: Request[Any, Any, Any]) -> Response[None]:
    """Litestar's own answer knows only the first handler of an address, and this one has two."""
    methods = request.app.route_handler_method_map["/campaigns"]
    return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))})


def routes(max_media_bytes: int, guard: Guard, before_request: Any) -> Router:
    """All routes; guard: lets nobody in without a token; before_request: asked after it, before each of them."""
    uploads = Router(path="/", route_handlers=[upload_media], request_max_body_size=max_media_bytes)
    handlers: list[ControllerRouterHandler] = [
        campaigns_options, define_campaign, list_campaigns, show_campaign, publish_content, check_content,
        cancel_content, show_content, list_placements, show_placement, give_command, check_command, list_brakes,
        uploads,
    ]  # fmt: skip
    return Router(path="/", route_handlers=handlers, guards=[guard], before_request=before_request)
