"""Bytes to events and back. Unknown fields are ignored, everything else is refused with the field it is about.

A reader never repairs: a record without `event_id` is refused, not given a fresh one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, Union, overload

import msgspec
from msgspec import Struct

from schemas.contract.event_types import types_of
from schemas.contract.topic_files import topic
from schemas.events.aggregate import EngagementAggregate
from schemas.events.alert import Alert
from schemas.events.capability import AccountCapability
from schemas.events.commands import OperatorCommand
from schemas.events.content import MasterContentEvent
from schemas.events.cursor import CollectorCursor
from schemas.events.feedback import FeedbackEvent
from schemas.events.placement import PlacementRecord
from schemas.events.window import EngagementWindows

_PATH = re.compile(r"^(?P<text>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_QUOTED = r"`([^`]*)`"
# What msgspec says, in Chinese. Only wording: nothing is decided by it, and what is not here is shown as it is.
_CHINESE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(english), chinese)
    for english, chinese in (
        (rf"Object missing required field {_QUOTED}", r"缺少必填字段 \1"),
        (rf"Expected {_QUOTED} matching regex (.+)", r"格式不符，须匹配 \2"),
        (rf"Expected {_QUOTED} with a timezone component", r"时间须带时区"),
        (rf"Expected {_QUOTED} (>=|<=|>|<) (\S+)", r"须 \2 \3"),
        (rf"Expected {_QUOTED} of length (>=|<=) (\d+)", r"长度须 \2 \3"),
        (rf"Expected {_QUOTED}, got {_QUOTED}", r"须为 \1，实际是 \2"),
        (r"Invalid enum value (.+)", r"不认识的取值 \1"),
        (r"Invalid value (.+)", r"不认识的取值 \1"),
        (r"Invalid RFC3339 encoded datetime", r"时间须为 RFC 3339 格式"),
        (r"JSON is malformed: (.+)", r"不是合法的 JSON：\1"),
        (r"Input data was truncated", r"数据不完整"),
    )
)


class DecodeError(ValueError):
    """Raised when bytes are no event of the topic (or an event would not be readable once written).

    field: path of what is wrong, `$` for the whole record. message speaks Chinese, message_en English.
    """

    def __init__(self, field: str, message: str, message_en: str) -> None:
        super().__init__(f"{field}：{message} / {message_en}")
        self.field = field
        self.message = message
        self.message_en = message_en


def encode(event: Struct) -> bytes:
    """UTF-8 JSON of an event. Raises DecodeError for one that readers would refuse (a naive time, an empty id).

    Types do not check what they are built from, and a record that nobody can read stays on the log for ever.
    """
    value = msgspec.json.encode(event)
    _decode(value, _reader(type(event)))
    return value


@overload
def decoder(topic_name: Literal["master-content"]) -> Callable[[bytes], MasterContentEvent]: ...
@overload
def decoder(topic_name: Literal["operator-command"]) -> Callable[[bytes], OperatorCommand]: ...
@overload
def decoder(topic_name: Literal["placement-ledger"]) -> Callable[[bytes], PlacementRecord]: ...
@overload
def decoder(topic_name: Literal["feedback-unified"]) -> Callable[[bytes], FeedbackEvent]: ...
@overload
def decoder(topic_name: Literal["collector-cursor"]) -> Callable[[bytes], CollectorCursor]: ...
@overload
def decoder(topic_name: Literal["engagement-aggregate"]) -> Callable[[bytes], EngagementAggregate]: ...
@overload
def decoder(topic_name: Literal["engagement-window"]) -> Callable[[bytes], EngagementWindows]: ...
@overload
def decoder(topic_name: Literal["engagement-alert"]) -> Callable[[bytes], Alert]: ...
@overload
def decoder(topic_name: Literal["platform-capability"]) -> Callable[[bytes], AccountCapability]: ...
@overload
def decoder(topic_name: str) -> Callable[[bytes], Any]: ...
def decoder(topic_name: str) -> Callable[[bytes], Any]:
    """What decodes the records of a topic, dead-letter topics included. The function raises DecodeError."""
    reader = _topic_reader(topic_name)
    return lambda value: _decode(value, reader)


@cache
def _topic_reader(topic_name: str) -> msgspec.json.Decoder[Any]:
    types = types_of(topic(topic_name))
    return msgspec.json.Decoder(Union[types])  # noqa: UP007 - the types are known at run time only


@cache
def _reader(struct: type[Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(struct)


def _decode(value: bytes, reader: msgspec.json.Decoder[Any]) -> Any:
    try:
        return reader.decode(value)
    except msgspec.DecodeError as error:
        raise _explained(str(error)) from None
    except UnicodeDecodeError:
        raise DecodeError("$", "不是 UTF-8 文本", "not UTF-8") from None


def _explained(english: str) -> DecodeError:
    found = _PATH.match(english)
    text, path = (found["text"], found["path"] or "$") if found else (english, "$")
    missing = re.fullmatch(rf"Object missing required field {_QUOTED}", text)
    field = f"{path}.{missing[1]}" if missing else path
    chinese, english = _two_languages(text)
    return DecodeError(field.removeprefix("$.") or "$", chinese, english)


def _two_languages(text: str) -> tuple[str, str]:
    """The event types' own checks speak both languages (`… / …`), msgspec speaks English."""
    one, slash, other = text.partition(" / ")
    if not slash or one.isascii() == other.isascii():
        return _in_chinese(text), text
    return (other, one) if one.isascii() else (one, other)


def _in_chinese(text: str) -> str:
    for english, chinese in _CHINESE:
        found = english.fullmatch(text)
        if found:
            return found.expand(chinese)
    return "内容不合规"
