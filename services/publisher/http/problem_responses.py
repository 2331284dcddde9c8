"""Turns everything that goes wrong with a request into a problem document; the one place that knows how they look."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar import status_codes as codes
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from services.publisher.api.decoding import empty_body
from services.publisher.api.problems import DeniedError, Problem, ProblemDocument, RequestRefusedError, invalid
from services.publisher.http.bearer import holder
from services.runtime import metrics
from services.runtime.http.patience import TooSlowError
from services.runtime.http.said_once import SaidOnce, shown_path
from services.runtime.logging import get_logger

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: ("bad_request", "请求无法读取 / the request cannot be read"),
    404: ("not_found", "没有这个地址 / there is no such address"),
    405: ("method_not_allowed", "这个地址不接受该方法 / this address does not take that method"),
    413: ("body_too_large", "请求体过大 / the body is too large"),
    415: ("unsupported_media_type", "不支持的内容类型 / unsupported content type"),
}
_WAYS_OUT = {
    404: "可用地址见 /schema / see /schema for the addresses",
    405: "可用方法见响应头 Allow 和 /schema / see the Allow header and /schema",
    413: "请缩短内容；图片和视频请用 POST /media 上传 / shorten it; upload media with POST /media",
}

log = get_logger(__name__)
_DENIALS = SaidOnce()

DOCUMENTED = {
    status: ResponseSpec(ProblemDocument, description=text, media_type=MEDIA_TYPE, generate_examples=False)
    for status, text in (
        (400, "请求无法读取 / cannot be read"),
        (401, "没有有效的访问令牌 / no valid access token"),
        (403, "令牌没有所需的角色，或不属于这个品牌 / the token lacks the role, or is not for the brand"),
        (404, "找不到 / not found"),
        (409, "与已接收的内容冲突 / conflicts with what was accepted"),
        (413, "过大 / too large"),
        (415, "不支持的内容类型 / unsupported content type"),
        (422, "内容有误，problems 列出全部 / not valid, `problems` lists everything"),
        (503, "暂时不能接收，稍后重试 / not now, repeat after Retry-After seconds"),
    )
}


def documented(*statuses: int) -> dict[int, ResponseSpec]:
    return {status: DOCUMENTED[status] for status in statuses}


def _answer(request: Request[Any, Any, Any], document: ProblemDocument, headers: dict[str, str]) -> Response[Any]:
    return Response(
        content=msgspec.json.encode(document),
        status_code=document.status,
        media_type=MEDIA_TYPE,
        headers={**headers, "Content-Language": "zh, en"},
    )


def refused(request: Request[Any, Any, Any], error: RequestRefusedError) -> Response[Any]:
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return _answer(request, error.document(request.url.path), headers)


def denied(request: Request[Any, Any, Any], error: DeniedError) -> Response[Any]:
    """Counted, and logged once in a while for each sender: one is a slip, many are somebody trying."""
    metrics.DENIED.labels(str(error.status), error.code).inc()
    event = "request_not_authenticated" if error.status == codes.HTTP_401_UNAUTHORIZED else "request_forbidden"
    sender = request.client.host if request.client else None
    if (unsaid := _DENIALS.unsaid((sender, error.code, holder(request)))) is not None:
        log.warning(event, reason=error.code, granted_to=holder(request), method=request.method,
                    path=shown_path(request.url.path), sender=sender, unsaid=unsaid)  # fmt: skip
    return _answer(request, error.document(request.url.path), {"WWW-Authenticate": error.challenge})


def http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What the framework refuses by itself: routes, methods, parameters, sizes."""
    if isinstance(error, ValidationException):
        told = _listed(error.extra)
        if any(one.get("key") == "data" for one in told):  # the framework's word for a body that is not there
            return refused(request, empty_body())
        return refused(request, invalid(_parameter(one, error.detail) for one in told))
    if error.status_code >= 500:
        return crashed(request, error)
    code, title = _TITLES.get(error.status_code, ("refused", "请求被拒绝 / refused"))
    detail = _WAYS_OUT.get(error.status_code, error.detail)
    document = RequestRefusedError(error.status_code, code, title, detail).document(request.url.path)
    return _answer(request, document, dict(error.headers or {}))


def too_slow(request: Request[Any, Any, Any], _: TooSlowError) -> Response[Any]:
    title = "请求体来得太慢 / the body comes too slowly"
    detail = "请检查网络后重发；什么也没有写入 / check the line and repeat the request; nothing was written"
    document = RequestRefusedError(codes.HTTP_408_REQUEST_TIMEOUT, "too_slow", title, detail)
    return _answer(request, document.document(request.url.path), {"Connection": "close"})


def crashed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of the publisher: logged with its trace, shown without it."""
    log.error("request_crashed", method=request.method, path=shown_path(request.url.path), exc_info=error)
    title = "发布服务内部错误 / internal error"
    detail = "这是发布服务的缺陷，详情见日志 / a defect of the publisher, see its log"
    return _answer(request, RequestRefusedError(500, "internal_error", title, detail).document(request.url.path), {})


def _listed(extra: Any) -> list[dict[str, Any]]:
    return [one for one in extra if isinstance(one, dict)] if isinstance(extra, list) else [{}]


def _parameter(told: dict[str, Any], detail: str) -> Problem:
    name = str(told.get("key", "parameters"))
    words = str(told.get("message") or detail)
    return Problem(
        field=name,
        code="wrong_parameter",
        message=f"参数有误：{words}",
        message_en=words,
        way_out="请按 /schema 填写 / see /schema",
    )
