"""How commands reach the publisher, and how they end where it refuses or is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from services.cli.publisher.client import PublisherClient, RefusedByPublisherError, UnreachableError
from services.cli.terminal.addresses import access_token, address
from services.cli.terminal.console import errors
from services.cli.terminal.exits import stopped

PublisherOption = Annotated[str | None, typer.Option("--publisher", help="发布服务地址 / address of the publisher")]


@contextmanager
def connected(
    publisher: str | None,
    token: str | None,
    *,
    out: Console | None = None,
    refusal: Callable[[RefusedByPublisherError], str] = str,
) -> Iterator[PublisherClient]:
    """A client; ends the command with the publisher's own words where it refuses.

    out: where it is said that a request is repeated later, for those who draw there meanwhile. refusal: what is told of
    one, if not just what the publisher says.
    """
    url, told = address("publisher", publisher), out or errors()
    try:
        with PublisherClient(
            url, access_token(url, token), waiting=lambda why: told.print(why, style="yellow", markup=False)
        ) as client:
            yield client
    except RefusedByPublisherError as error:
        raise stopped(refusal(error), "") from None
    except UnreachableError as error:
        raise stopped(
            f"连不上发布服务 {error}；它在运行吗？tongbo up", "the publisher does not answer: tongbo up"
        ) from None
