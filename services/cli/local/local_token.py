"""The access token of the pipeline that runs from this folder, kept for its owner's own commands and nobody else.

The publisher keeps hashes only. This one file lies beside the pipeline's sockets and pids and, like them, belongs to
the user who started it; docs/decisions/ says why that is no weaker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from services.publisher.access.token_store import TokensError, TokensFile
from services.runtime.clock import SystemClock
from services.runtime.private_file import private_write

NAME = "local"
_making = threading.Lock()


def local_token(home: Path, say: Callable[[str], None]) -> str:
    """The token in `<home>/run/token` if it still works, else a new one, said once. Raises TokensError.

    Call it first where `say` reaches a person: what comes later finds the token there and says nothing.
    """
    file, tokens = token_file(home), TokensFile(home / "state")
    with _making:
        kept = kept_token(home)
        if kept is not None and tokens.granted(kept) is not None:
            return kept
        token = tokens.renewed(NAME, SystemClock().now())
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            private_write(file, f"{token}\n".encode())
        except OSError as error:
            raise TokensError(f"{file} 无法写入 / cannot be written（{error.strerror}）") from None
    say(f"访问令牌 / access token：{token}")
    say(f"只显示这一次；本机命令自己从 {file} 读取 / shown only now; commands on this machine read it from there")
    return token


def token_file(home: Path) -> Path:
    return home / "run" / "token"


def kept_token(home: Path) -> str | None:
    """What the file says; raises TokensError where it is there and cannot be read."""
    try:
        return token_file(home).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise TokensError(
            f"{token_file(home)} 无法读取（{reason}）；请用 --token 或 TONGBO_TOKEN / cannot be read, use --token"
        ) from None
