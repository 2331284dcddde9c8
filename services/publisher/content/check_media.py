"""Checks the media of a content request: each file is in the media folder or at a public https address."""

from __future__ import annotations

from msgspec import structs

from schemas.events.content import MediaRef
from services.publisher.api.problems import Problem, problem
from services.publisher.api.requests import ContentRequest, MediaRequest
from services.publisher.content.addresses import address_problem
from services.publisher.content.known import Known


def inline_ids(body: str) -> tuple[str, ...]:
    """The media ids a Markdown body shows, each once, in order."""
    # The reader of Markdown takes 50 ms to load, which a command that checks no text need not spend.
    from services.adapter.localising.article import PLACEHOLDER  # noqa: PLC0415
    from services.adapter.localising.markdown import read  # noqa: PLC0415

    if PLACEHOLDER not in body:
        return ()
    addresses = (address for _, address in read(body).pictures() if address.startswith(PLACEHOLDER))
    return tuple(dict.fromkeys(address.removeprefix(PLACEHOLDER) for address in addresses))


def media(request: ContentRequest, known: Known, problems: list[Problem]) -> tuple[MediaRef, ...]:
    found: list[MediaRef] = []
    seen: set[str] = set()
    for number, asked in enumerate(request.media):
        field = f"media[{number}]"
        if asked.media_id in seen:
            problems.append(
                problem(
                    f"{field}.media_id",
                    "duplicate_media_id",
                    f"媒体编号“{asked.media_id}”重复",
                    "used twice",
                    "请改名 / rename one",
                )
            )
        seen.add(asked.media_id)
        made = _remote(field, asked, problems) if _is_remote(asked) else _local(field, asked, known, problems)
        if made is not None:
            found.append(made)
    inline = {asked.media_id for asked in request.media if asked.role == "inline"}
    for media_id in inline_ids(request.body):
        if media_id not in inline:
            way_out = "请在 media 中加入它，role 为 inline / add it to media with role inline"
            problems.append(
                problem(
                    "body",
                    "inline_media_missing",
                    f"正文引用了“{media_id}”，但 media 中没有",
                    f"no inline media {media_id!r}",
                    way_out,
                )
            )
    return tuple(found)


def _is_remote(asked: MediaRequest) -> bool:
    return asked.uri is not None and not asked.uri.startswith("file:")


def _remote(field: str, asked: MediaRequest, problems: list[Problem]) -> MediaRef | None:
    wrong = list(address_problem(f"{field}.uri", asked.uri, secure=True))
    wrong += [
        problem(
            f"{field}.{name}",
            "missing_field",
            "外部媒体必须写明",
            "needed for media at an address",
            "请填写 / fill it in",
        )
        for name in ("content_type", "size_bytes")
        if getattr(asked, name) is None
    ]
    problems.extend(wrong)
    return None if wrong else MediaRef(**structs.asdict(asked))


def _local(field: str, asked: MediaRequest, known: Known, problems: list[Problem]) -> MediaRef | None:
    stored = known.find_media(asked.sha256)
    if stored is None:
        problems.append(
            problem(
                f"{field}.sha256",
                "media_not_uploaded",
                f"媒体“{asked.media_id}”还没有上传（媒体文件夹里没有这个 sha256）",
                "no file with this sha256 has been uploaded",
                "请先 POST /media 上传 / upload it first: POST /media",
            )
        )
        return None
    differs = [
        problem(
            f"{field}.{name}",
            "media_differs",
            f"声明为 {getattr(asked, name)}，实际为 {getattr(stored, name)}",
            f"announced {getattr(asked, name)}, is {getattr(stored, name)}",
            "请去掉这一项，发布服务会自己测量 / leave it out, it is measured",
        )
        for name in ("uri", "content_type", "size_bytes", "width", "height")
        if getattr(asked, name) not in (None, getattr(stored, name))
    ]
    problems.extend(differs)
    measured = structs.asdict(stored)
    return MediaRef(media_id=asked.media_id, role=asked.role, alt=asked.alt, watermarked=asked.watermarked, **measured)
