"""A campaign as people write it: YAML, Markdown and media files, checked as a whole before anything is sent.

Makes the publisher's requests of it. Every problem names file and line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from services.cli.campaign.inside import OutsideError, inside
from services.cli.campaign.lined_yaml import LinedYaml, Unquoted, YamlProblemError, read
from services.cli.campaign.sources import MediaFile, hashed, reason_of, text_of
from services.cli.campaign.types import CampaignDocument, ContentEntry, MediaEntry, VariantEntry
from services.publisher.api.decoding import converted
from services.publisher.api.problems import Problem
from services.publisher.api.requests import TargetRequest
from services.publisher.content.check_media import inline_ids
from services.publisher.media import uploads


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something wrong in a file; line 0 = the file as a whole."""

    file: Path
    line: int
    message: str
    message_en: str
    way_out: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else str(self.file)


class CampaignFileError(Exception):
    """Raised with everything that is wrong with the files."""

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__(f"{len(problems)} problem(s)")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ReadyContent:
    """A content as the publisher takes it. number: its place in the file."""

    number: int
    request: dict[str, Any]
    key: str


@dataclass(frozen=True, slots=True)
class ReadyCampaign:
    """All that is to be sent, in this order: media, campaign, contents."""

    file: Path
    yaml: LinedYaml
    campaign: dict[str, Any]
    campaign_key: str
    media: tuple[MediaFile, ...]
    contents: tuple[ReadyContent, ...]

    def located(self, number: int, problem: Problem) -> FileProblem:
        """A problem that the publisher found in content `number`, by its line in the file."""
        path = f"contents[{number}].{problem.field}" if problem.field else f"contents[{number}]"
        where = f"（{problem.target}）" if problem.target else ""
        message = f"{problem.field}{where}：{problem.message}"
        return FileProblem(self.file, self.yaml.line_of(path), message, problem.message_en, problem.way_out)


def load(file: Path, *, suffix: str = "", allow_outside: bool = False) -> ReadyCampaign:
    """Read and check everything; raises CampaignFileError. suffix: makes it a campaign of its own, with new ids."""
    try:
        yaml = read(text_of(file))
    except YamlProblemError as error:
        raise CampaignFileError([FileProblem(file, error.line, error.message, error.message_en, "")]) from None
    except (OSError, ValueError) as error:
        raise CampaignFileError([_unreadable(file, error)]) from None
    document, problems = converted(yaml.data, CampaignDocument)
    if document is None:
        raise CampaignFileError([_located(file, yaml, one) for one in _meant_as_text(yaml, problems)])
    return _Loading(file, yaml, document, f"-{suffix}" if suffix else "", allow_outside=allow_outside).ready()


def _meant_as_text(yaml: LinedYaml, problems: list[Problem]) -> list[Problem]:
    """The same problems, with the way out of those that quotes would solve: YAML reads 12:30 as 750 and no as false."""
    unquoted = {one.field: yaml.unquoted[one.field] for one in problems if one.field in yaml.unquoted}
    with ExitStack() as meanwhile:
        for found in unquoted.values():
            meanwhile.enter_context(found.as_text())
        _, remaining = converted(yaml.data, CampaignDocument)
    unsolved = {one.field for one in remaining}
    return [
        _quoted(one, unquoted[one.field])
        if one.field in unquoted and one.field not in unsolved and unquoted[one.field].written
        else one
        for one in problems
    ]


def _quoted(problem: Problem, found: Unquoted) -> Problem:
    return msgspec.structs.replace(
        problem,
        message=f"这里应为文字，而没有引号的 {found.written} 被 YAML 读成了 {found.value!r}",
        message_en=f"text is expected, and YAML reads {found.written} without quotes as {found.value!r}",
        way_out=f'请加引号 / put it in quotes: "{found.written}"',
    )


def _located(file: Path, yaml: LinedYaml, problem: Problem) -> FileProblem:
    message = f"{problem.field}：{problem.message}"
    return FileProblem(file, yaml.line_of(problem.field), message, problem.message_en, problem.way_out)


def _unreadable(file: Path, error: OSError | ValueError) -> FileProblem:
    return FileProblem(
        file, 0, f"无法读取：{reason_of(error)}", "cannot be read", "请检查路径和权限 / check path and permission"
    )


class _Loading:
    """One file on its way to requests; collects problems as it goes."""

    def __init__(
        self, file: Path, yaml: LinedYaml, document: CampaignDocument, suffix: str, *, allow_outside: bool
    ) -> None:
        self._file = file
        self._yaml = yaml
        self._document = document
        self._suffix = suffix
        self._allow_outside = allow_outside
        self._problems: list[FileProblem] = []
        self._media: dict[Path, MediaFile] = {}

    def ready(self) -> ReadyCampaign:
        campaign = msgspec.to_builtins(self._document.campaign)
        campaign["campaign_id"] += self._suffix
        requests = [self._request(number, entry) for number, entry in enumerate(self._document.contents)]
        self._check_ids()
        if self._problems:
            raise CampaignFileError(self._problems)
        contents = tuple(ReadyContent(n, request, _key(request)) for n, request in enumerate(requests))
        files = tuple(self._media.values())
        return ReadyCampaign(self._file, self._yaml, campaign, _key(campaign), files, contents)

    def _request(self, number: int, entry: ContentEntry) -> dict[str, Any]:
        path, defaults = f"contents[{number}]", self._document.defaults
        body, body_source = self._text(path, entry.body, entry.body_file)
        declarations = entry.declarations or defaults.declarations
        if declarations is None:
            way_out = "请写明原创/转载、是否 AI 生成、是否广告，或写在 defaults 里 / declare it here or in defaults"
            self._wrong(f"{path}.declarations", "缺少声明 declarations", "declarations are missing", way_out)
        request: dict[str, Any] = {
            "campaign_id": self._document.campaign.campaign_id + self._suffix,
            "content_id": entry.content_id + self._suffix,
            "version": entry.version,
            "kind": entry.kind,
            "title": entry.title,
            "key_message": entry.key_message,
            "summary": entry.summary,
            "body": body,
            "author": entry.author if entry.author is not None else defaults.author or "",
            "topics": list(entry.topics if entry.topics is not None else defaults.topics or ()),
            "link": entry.link if entry.link is not None else defaults.link,
            "media": [self._file_of(f"{path}.media[{n}]", one) for n, one in enumerate(entry.media)],
            "declarations": msgspec.to_builtins(declarations),
            "targets": [self._target(f"{path}.targets[{n}]", one) for n, one in enumerate(entry.targets)],
            "variants": [self._variant(f"{path}.variants[{n}]", one) for n, one in enumerate(entry.variants)],
        }
        self._check_inline(path, entry, body, body_source)
        return request

    def _target(self, path: str, target: TargetRequest) -> dict[str, Any]:
        defaults = self._document.defaults
        made: dict[str, Any] = msgspec.to_builtins(target)
        if defaults.late_within_s is not None and f"{path}.late_within_s" not in self._yaml.lines:
            made["late_within_s"] = defaults.late_within_s
        schedule = {name: value for name, value in (made.pop("schedule") or {}).items() if value is not None}
        if schedule and defaults.zone is not None:
            schedule.setdefault("zone", defaults.zone)
        return {**made, "schedule": schedule} if schedule else made

    def _variant(self, path: str, variant: VariantEntry) -> dict[str, Any]:
        body, _ = self._text(path, variant.body, variant.body_file)
        made = msgspec.to_builtins(variant)
        del made["body_file"]
        return {name: value for name, value in {**made, "body": body or None}.items() if value is not None}

    def _text(self, path: str, text: str | None, file_name: str | None) -> tuple[str, Path]:
        if file_name is None:
            return text or "", self._file
        source = self._file.parent / file_name
        if text is not None:
            way_out = "请只保留一个 / keep one of them"
            self._wrong(
                f"{path}.body_file", "body 和 body_file 只能有一个", "body and body_file exclude each other", way_out
            )
        try:
            return text_of(self._inside(file_name)), source
        except OutsideError as error:
            self._outside(f"{path}.body_file", error)
            return "", source
        except (OSError, ValueError) as error:
            problem = _unreadable(source, error)
            self._wrong(f"{path}.body_file", f"{source} {problem.message}", f"{source} cannot be read", problem.way_out)
            return "", source

    def _file_of(self, path: str, entry: MediaEntry) -> dict[str, Any]:
        source = self._file.parent / entry.file
        try:
            found = self._media.get(source) or hashed(self._inside(entry.file))
        except OutsideError as error:
            self._outside(f"{path}.file", error)
            return {}
        except (OSError, ValueError) as error:
            message = f"媒体文件 {source} 无法读取：{reason_of(error)}"
            self._wrong(f"{path}.file", message, f"{source} cannot be read", "请检查路径 / check the path")
            return {}
        if source not in self._media:
            self._check_media(path, source, found)
        self._media[source] = found
        return {
            "media_id": entry.media_id,
            "role": entry.role,
            "sha256": found.sha256,
            "alt": entry.alt,
            "watermarked": entry.watermarked,
        }

    def _inside(self, name: str) -> Path:
        return inside(self._file.parent, name, allow_outside=self._allow_outside)

    def _outside(self, path: str, error: OutsideError) -> None:
        way_out = "请放进该文件夹；确要读取请加 --allow-outside / put it there; --allow-outside reads it all the same"
        self._wrong(path, error.words.zh, error.words.en, way_out)

    def _check_media(self, path: str, source: Path, found: MediaFile) -> None:
        """By its content, as the publisher will: what it would refuse need not be sent."""
        if found.size == 0:
            way_out = "请重新导出 / export it again"
            self._wrong(f"{path}.file", f"媒体文件 {source} 是空的", f"{source} is empty", way_out)
            return
        try:
            uploads.check(source)
        except uploads.MediaRefusedError as error:
            self._wrong(f"{path}.file", f"媒体文件 {source}：{error.message}", error.message_en, error.way_out)

    def _check_inline(self, path: str, entry: ContentEntry, body: str, source: Path) -> None:
        inline = {one.media_id for one in entry.media if one.role == "inline"}
        for media_id in inline_ids(body):
            if media_id in inline:
                continue
            line = 0 if source == self._file else body[: body.index(f"(media:{media_id})")].count("\n") + 1
            message = f"正文引用了插图“{media_id}”，但 {path}.media 里没有 role 为 inline 的同名项"
            way_out = "请在 media 中补上，或改正引用 / add it to media or correct the reference"
            line = line or self._yaml.line_of(f"{path}.body")
            self._problems.append(FileProblem(source, line, message, f"no inline media {media_id!r}", way_out))

    def _check_ids(self) -> None:
        seen: dict[str, int] = {}
        for number, entry in enumerate(self._document.contents):
            if entry.content_id in seen:
                message = f"content_id“{entry.content_id}”与 contents[{seen[entry.content_id]}] 重复"
                self._wrong(f"contents[{number}].content_id", message, "used twice", "请改名 / rename one")
            seen.setdefault(entry.content_id, number)

    def _wrong(self, path: str, message: str, message_en: str, way_out: str) -> None:
        self._problems.append(FileProblem(self._file, self._yaml.line_of(path), message, message_en, way_out))


def _key(request: dict[str, Any]) -> str:
    """An idempotency key made of what is sent: the same files again are the same request."""
    return "file-" + hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()[:40]


def paths_of(problems: list[FileProblem]) -> Iterator[str]:
    """One line per problem, for people."""
    for one in problems:
        yield f"{one.place}  {one.message} / {one.message_en}" + (f"\n    → {one.way_out}" if one.way_out else "")
