"""YAML that remembers where everything stands, so that an error can name its line. Refuses repeated keys.

Times stay text: YAML would read an unquoted wall clock as an instant without a zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import yaml

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
MOST_VALUES = 100_000
# What people write for readers and for the log, where ` #` is meant as a letter and YAML takes it for a comment.
_TEXTS = frozenset({
    "title", "key_message", "summary", "body", "text", "alt", "author", "digest", "topics", "name",
    "source_url", "link",
})  # fmt: skip
_COMMENT = re.compile(r"[ \t]+#")
_LAST_PART = re.compile(r"(\.[^.\[\]]*|\[\d+\])$")


class YamlProblemError(Exception):
    """Raised for a file that is no usable YAML; line counts from 1."""

    def __init__(self, line: int, message: str, message_en: str) -> None:
        super().__init__(f"{message} / {message_en}")
        self.line = line
        self.message = message
        self.message_en = message_en


@dataclass(frozen=True, slots=True)
class Unquoted:
    """A value without quotes that YAML takes for something else than text. written: as it stands in the file."""

    written: str
    value: Any
    holder: Any
    key: Any

    @contextmanager
    def as_text(self) -> Iterator[None]:
        """Meanwhile the document holds the text as it is written."""
        self.holder[self.key] = self.written
        try:
            yield
        finally:
            self.holder[self.key] = self.value


@dataclass
class LinedYaml:
    """The plain data of a document and the line of every path in it (`contents[1].targets[0].account`).

    unquoted: by their paths, the values that would be text if they stood in quotes.
    """

    data: Any
    lines: dict[str, int] = field(default_factory=dict)
    unquoted: dict[str, Unquoted] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of `path`, or of the nearest thing around it that is there."""
        while path and path not in self.lines:
            shorter = _LAST_PART.sub("", path)
            path = shorter if shorter != path else ""
        return self.lines.get(path, 1)


def read(text: str) -> LinedYaml:
    """Parse one document; raises YamlProblemError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        zh, en = f"YAML 语法错误：{error.problem}", f"YAML syntax: {error.problem}"
        if _COMMENT.search(text):
            zh += "（空格加 # 之后是注释；# 若是文字，请把整段放进引号）"
            en += " (a blank and # begin a comment: where # is a letter, put the text in quotes)"
        raise YamlProblemError(line, zh, en) from None
    except yaml.YAMLError as error:
        raise YamlProblemError(1, f"不是 YAML 文本：{error}", "not YAML text") from None
    except RecursionError:
        raise _too_deep() from None
    if root is None:
        raise YamlProblemError(1, "文件是空的", "the file is empty")
    found = LinedYaml(None)
    try:
        found.data = _Reader(found, text.splitlines()).value(root, "")
    except RecursionError:
        raise _too_deep() from None
    return found


def _too_deep() -> YamlProblemError:
    return YamlProblemError(1, "嵌套太深，请减少层级", "nested too deeply")


class _Reader:
    def __init__(self, found: LinedYaml, source: list[str]) -> None:
        self._found, self._lines, self._source = found, found.lines, source
        self._scalars = yaml.constructor.SafeConstructor()
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: str) -> Any:
        self._lines[path] = node.start_mark.line + 1
        if len(self._lines) > MOST_VALUES:  # aliases of aliases grow without end
            raise YamlProblemError(
                node.start_mark.line + 1, "内容太多，别名（*）展开过大？", "too much of it: aliases?"
            )
        if id(node) in self._open:
            raise YamlProblemError(node.start_mark.line + 1, "引用了自己", "an alias refers to itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node, path)
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: yaml.SequenceNode, path: str) -> list[Any]:
        found: list[Any] = []
        for number, item in enumerate(node.value):
            inner = f"{path}[{number}]"
            found.append(self.value(item, inner))
            self._note(item, inner, found, number)
        return found

    def _note(self, node: yaml.Node, path: str, holder: Any, key: Any) -> None:
        """What YAML reads otherwise than people: words behind ` #`, and values without quotes that are no text."""
        if not isinstance(node, yaml.ScalarNode) or node.style is not None:
            return
        name = path.rpartition(".")[2].partition("[")[0]
        line = self._source[node.end_mark.line] if node.end_mark.line < len(self._source) else ""
        if name in _TEXTS and _COMMENT.match(line, node.end_mark.column):
            lost = line[node.end_mark.column :].strip()
            raise YamlProblemError(
                node.end_mark.line + 1,
                f"{path}：空格加 # 之后的“{lost[:60]}”会被 YAML 当作注释丢掉；请把整段文字放进引号，注释请另起一行",
                f"{path}: YAML takes {lost[:60]!r} for a comment and drops it: put the text in quotes, and comments on "
                "a line of their own",
            )
        if not isinstance(holder[key], str):
            self._found.unquoted[path] = Unquoted(node.value, holder[key], holder, key)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                message = f"“{key}”写了两次，请只保留一个"
                raise YamlProblemError(key_node.start_mark.line + 1, message, f"{key!r} stands twice")
            inner = f"{path}.{key}" if path else key
            found[key] = self.value(value_node, inner)
            self._note(value_node, inner, found, key)
            self._lines[inner] = key_node.start_mark.line + 1
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == _TIMESTAMP:
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            message = f"无法读取这个值：{error}"
            raise YamlProblemError(node.start_mark.line + 1, message, "this value cannot be read") from None
