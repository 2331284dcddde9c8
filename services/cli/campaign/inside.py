"""Keeps what a campaign file names inside its own folder: folders come from others, and what is read is published."""

from __future__ import annotations

from pathlib import Path

from schemas.words import Words


class OutsideError(ValueError):
    """A file that is named lies outside the folder, perhaps by a link; `words` say where."""

    def __init__(self, place: Path) -> None:
        self.words = Words(
            f"{place} 不在活动文件的文件夹里，不会读取",
            f"{place} lies outside the folder of the campaign file and is not read",
        )
        super().__init__(self.words.both())


def inside(folder: Path, name: str, *, allow_outside: bool = False) -> Path:
    """The path of a file that a campaign file in `folder` names; links are followed before it is judged.

    Raises OutsideError, and ValueError or OSError for what is no path.
    """
    named = folder / name
    if allow_outside:
        return named
    try:
        place = named.resolve()
    except RuntimeError:  # links that lead to each other: to open it fails, and that error names the reason
        return named
    if not place.is_relative_to(folder.resolve()):
        raise OutsideError(place)
    return named
