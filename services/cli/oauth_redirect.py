"""Waits on loopback for the redirect that ends an authorisation, and takes the code out of it where `state` is ours."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from urllib.parse import parse_qs, urlsplit

PATH = "/connected"
MOST_ADDRESS = 8_192
DONE = "授权已收到，可以关闭此页 / received, you may close this page"
STRANGE = "这不是本次授权的跳转 / not the redirect of this authorisation"


class RedirectError(Exception):
    """Raised where no redirect came, or none that is ours; speaks both languages and says the way out."""


class ConsentRefusedError(Exception):
    """Raised where the user said no; the text is the platform's."""


def code_in(address: str, state: str) -> str:
    """The code in the address that a user was sent to. Raises RedirectError, ConsentRefusedError."""
    try:
        said = {name: values[0] for name, values in parse_qs(urlsplit(address.strip()).query).items()}
    except ValueError:
        said = {}
    if not hmac.compare_digest(said.get("state", "").encode(), state.encode()):
        raise RedirectError(
            "跳转地址里的 state 与本次授权不符，已拒绝：可能不是您发起的授权；请重新运行本命令"
            " / the state is not that of this authorisation, refused: run this command again"
        )
    if code := said.get("code"):
        return code
    raise ConsentRefusedError(said.get("error_description") or said.get("description") or said.get("error") or "无说明")


def awaited(
    port: int, registered: str | None, state: str, within_s: float, show: Callable[[str], None]
) -> tuple[str, str]:
    """The code and the redirect address it belongs to. show: is given that address once somebody listens there.

    A request with another state is answered and otherwise ignored: it may be anybody's, and ours may still come.
    registered: where a proxy leads to us.
    """
    came: SimpleQueue[str] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ours = len(self.path) <= MOST_ADDRESS and _is_ours(self.path, state)
            body = (DONE if ours else STRANGE).encode()
            self.send_response(200 if ours else 403)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if ours:
                came.put(self.path)

        def log_message(self, format: str, *args: object) -> None:
            """The address holds the code, which belongs into no log."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise RedirectError(
            f"端口 {port} 不可用（{error.strerror}），请换一个 --port 并在平台登记 / port not available, use another"
        ) from error
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        address = registered or f"http://127.0.0.1:{server.server_address[1]}{PATH}"
        show(address)
        return code_in(came.get(timeout=within_s), state), address
    except Empty:
        raise RedirectError(
            f"{within_s:g} 秒内没有等到跳转，请重新运行本命令 / no redirect in time, run this command again"
        ) from None
    finally:
        server.shutdown()
        server.server_close()


def _is_ours(path: str, state: str) -> bool:
    try:
        code_in(path, state)
    except RedirectError:
        return False
    except ConsentRefusedError:
        return True
    return True
