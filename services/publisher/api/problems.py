"""What is wrong with a request, in words a person can act on, and the RFC 9457 document that carries it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from msgspec import Meta, Struct


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong. field: path in the request, `targets[2].schedule.zone`; target: which placement minds."""

    field: Annotated[str, Meta(description="请求里的字段路径 / path of the field in the request")]
    code: Annotated[str, Meta(description="不变的错误代号 / constant name of the problem")]
    message: Annotated[str, Meta(description="中文说明 / what is wrong, in Chinese")]
    message_en: Annotated[str, Meta(description="英文说明 / what is wrong, in English")]
    way_out: Annotated[str, Meta(description="怎么改 / what to change")]
    target: Annotated[str | None, Meta(description="相关发布位 平台/账号/位 / placement concerned")] = None


class ProblemDocument(Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """The body of every answer that is not a success (application/problem+json, RFC 9457)."""

    kind: Annotated[str, Meta(description="问题类别 / kind of problem, a URN")]
    title: Annotated[str, Meta(description="一句话 / one line, Chinese first")]
    status: Annotated[int, Meta(description="HTTP 状态码 / HTTP status")]
    detail: Annotated[str, Meta(description="说明 / what it means here")]
    instance: Annotated[str, Meta(description="请求的地址 / the address asked for")]
    problems: Annotated[tuple[Problem, ...], Meta(description="全部问题，一次列完 / all of them at once")] = ()


class RequestRefusedError(Exception):
    """Raised where a request is answered with a problem document; nothing has been written then.

    retry_after_s: set where repeating the same request later can help.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        problems: Sequence[Problem] = (),
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.problems = tuple(problems)
        self.retry_after_s = retry_after_s

    def document(self, instance: str) -> ProblemDocument:
        return ProblemDocument(
            kind=f"urn:tongbo:problem:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=instance,
            problems=self.problems,
        )


class DeniedError(RequestRefusedError):
    """Raised where it is not the request that is wrong but who sends it. reason: one constant word, for log and count.

    challenge: what `WWW-Authenticate` says besides the scheme (RFC 6750).
    """

    def __init__(
        self, status: int, reason: str, title: str, detail: str, problems: Sequence[Problem], challenge: str = ""
    ) -> None:
        super().__init__(status, reason, title, detail, problems)
        self.challenge = f'Bearer realm="tongbo"{", " if challenge else ""}{challenge}'


def problem(field: str, code: str, message: str, message_en: str, way_out: str, target: str | None = None) -> Problem:
    """A Problem, written short."""
    return Problem(field=field, code=code, message=message, message_en=message_en, way_out=way_out, target=target)


def invalid(problems: Iterable[Problem]) -> RequestRefusedError:
    """The request has the wrong shape."""
    found = tuple(problems)
    return RequestRefusedError(
        422,
        "invalid_request",
        "请求内容有误 / the request is not valid",
        f"{len(found)} 处需要修改，见 problems / {len(found)} problem(s), see `problems`",
        found,
    )


def unfit(problems: Iterable[Problem]) -> RequestRefusedError:
    """The request is well formed, but this content cannot go out as it is."""
    found = tuple(problems)
    return RequestRefusedError(
        422,
        "content_does_not_fit",
        "内容不能这样发布 / the content cannot be published like this",
        f"{len(found)} 处需要修改，没有写入任何内容 / {len(found)} problem(s), nothing was written",
        found,
    )


def conflict(code: str, message: str, message_en: str, way_out: str, field: str) -> RequestRefusedError:
    problem = Problem(field=field, code=code, message=message, message_en=message_en, way_out=way_out)
    title = "与已接收的内容冲突 / conflicts with what was accepted before"
    return RequestRefusedError(409, code, title, f"{message} / {message_en}", (problem,))


def not_found(what: str, what_en: str, name: str) -> RequestRefusedError:
    detail = f"没有{what}“{name}” / there is no {what_en} {name!r}"
    return RequestRefusedError(404, "not_found", "找不到 / not found", detail)


def unavailable(code: str, detail: str, retry_after_s: int) -> RequestRefusedError:
    return RequestRefusedError(
        503, code, "暂时不能接收 / cannot take this right now", detail, retry_after_s=retry_after_s
    )


def not_authenticated(reason: str) -> DeniedError:
    """Nobody that we know. reason: `no_token`, `malformed`, `unknown_token`."""
    zh, en = {
        "no_token": ("请求没有访问令牌", "the request carries no access token"),
        "malformed": ("Authorization 的写法不对", "the Authorization header is not of the form Bearer TOKEN"),
        "unknown_token": ("访问令牌无效或已被吊销", "the access token is unknown or was revoked"),
    }[reason]
    way_out = (
        "请求头 Authorization: Bearer 令牌；命令行用 --token 或 TONGBO_TOKEN；新令牌：tongbo token new"
        " / send Authorization: Bearer TOKEN; at the command line --token or TONGBO_TOKEN; `tongbo token new` makes one"
    )
    challenge = 'error="invalid_token"' if reason == "unknown_token" else ""
    found = problem("Authorization", reason, zh, en, way_out)
    title = "需要访问令牌 / an access token is needed"
    return DeniedError(401, reason, title, f"{zh} / {en}", (found,), challenge)


def role_missing(any_of: Iterable[str]) -> DeniedError:
    """Known, but without the role for this."""
    roles = " / ".join(any_of)
    zh, en = f"这个令牌没有所需的角色（{roles}）", f"the token lacks the role this needs ({roles})"
    way_out = "请使用有此角色的令牌，或请运维建立：tongbo token new --role … / use a token with that role"
    found = problem("Authorization", "role_missing", zh, en, way_out)
    challenge = f'error="insufficient_scope", scope="{" ".join(any_of)}"'
    return DeniedError(403, "role_missing", "没有权限 / not allowed", f"{zh} / {en}", (found,), challenge)


def outside_brand(field: str, name: str) -> DeniedError:
    """Known, but not for this brand, or nothing has this name: who may not look is not told which."""
    zh = f"“{name}”不存在，或不属于这个令牌的品牌"
    en = f"{name!r} does not exist, or is of a brand this token is not for"
    way_out = "请检查编号，或使用该品牌的令牌 / check the id, or use a token for its brand"
    found = problem(field, "outside_brand", zh, en, way_out)
    challenge = 'error="insufficient_scope"'
    return DeniedError(
        403,
        "outside_brand",
        "不在令牌的品牌范围内 / outside of the token's brands",
        f"{zh} / {en}",
        (found,),
        challenge,
    )
