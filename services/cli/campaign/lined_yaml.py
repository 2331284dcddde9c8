"""YAML that remembers where everything stands, so that an error can name its line. Refuses repeated keys.

Times stay text: YAML would read an unquoted wall clock as an instant without a zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
MOST_VALUES = 100_000
_LAST_PART = re.compile(r"(\.[^.\[\]]*|\[\d+\])$")


class YamlProblemError(Exception):
    """Raised for a file that is no usable YAML; line counts from 1."""

    def __init__(self, line: int, message: str, message_en: str) -> None:
        super().__init__(f"{message} / {message_en}")
        self.line = line
        self.message = message
        self.message_en = message_en


@dataclass
class LinedYaml:
    """The plain data of a document and the line of every path in it (`contents[1].targets[0].account`)."""

    data: Any
    lines: dict[str, int] = field(default_factory=dict)

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
        raise YamlProblemError(line, f"YAML 语法错误：{error.problem}", f"YAML syntax: {error.problem}") from None
    except yaml.YAMLError as error:
        raise YamlProblemError(1, f"不是 YAML 文本：{error}", "not YAML text") from None
    except RecursionError:
        raise _too_deep() from None
    if root is None:
        raise YamlProblemError(1, "文件是空的", "the file is empty")
    found = LinedYaml(None)
    try:
        found.data = _Reader(found.lines).value(root, "")
    except RecursionError:
        raise _too_deep() from None
    return found


def _too_deep() -> YamlProblemError:
    return YamlProblemError(1, "嵌套太深，请减少层级", "nested too deeply")


class _Reader:
    def __init__(self, lines: dict[str, int]) -> None:
        self._lines = lines
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
                return [self.value(item, f"{path}[{number}]") for number, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found:
                message = f"“{key}”写了两次，请只保留一个"
                raise YamlProblemError(key_node.start_mark.line + 1, message, f"{key!r} stands twice")
            inner = f"{path}.{key}" if path else key
            found[key] = self.value(value_node, inner)
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
