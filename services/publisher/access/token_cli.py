"""`python -m services.publisher.access.token_cli` makes, lists and revokes the publisher's access tokens.

Needs no running publisher and no Kafka; a running publisher sees the change with its next request.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.publisher.access.roles import EVERY_BRAND, ROLES
from services.publisher.access.token_store import StoredToken, TokensError, TokensFile
from services.runtime.clock import Clock, SystemClock
from services.runtime.safe_text import safe

CLEAN, REFUSED = 0, 1
ONCE = "请妥善保存：令牌只显示这一次，这里只存它的哈希 / keep it: it is shown only now, only its hash is stored"
STATE_DIR = Path(".tongbo/state")


def main(
    arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ, clock: Clock | None = None
) -> int:
    options = _parser(Path(env.get("TONGBO_STATE_DIR") or STATE_DIR)).parse_args(arguments)
    file, now = TokensFile(options.state_dir), (clock or SystemClock()).now()
    try:
        if options.what == "new":
            token = file.new(options.name, tuple(options.role), tuple(options.brand), now)
            print(token)  # alone on standard output, for scripts
            print(ONCE, file=sys.stderr)
        elif options.what == "revoke":
            file.revoke(options.name, now)
        else:
            print(*(safe(line(one)) for one in file.all()), sep="\n")
    except TokensError as error:
        print(safe(str(error)), file=sys.stderr)
        return REFUSED
    return CLEAN


def line(token: StoredToken) -> str:
    """One token in one line, tab-separated; never its hash."""
    state = "有效 valid" if token.revoked_at is None else f"已吊销 revoked {token.revoked_at.isoformat()}"
    made = token.created_at.isoformat(timespec="seconds")
    return "\t".join((token.name, ",".join(token.roles), ",".join(token.brands), made, state))


def _parser(state_dir: Path) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tokens", description="发布服务的访问令牌 / access tokens of the publisher")
    parser.add_argument(
        "--state-dir", type=Path, default=state_dir, help="TONGBO_STATE_DIR（默认 / default: %(default)s）"
    )
    commands = parser.add_subparsers(dest="what", required=True)
    new = commands.add_parser("new", help="建立令牌 / make one")
    new.add_argument("--name", required=True, help="给谁或给什么用 / whom or what it is for")
    new.add_argument("--role", action="append", required=True, choices=ROLES, help="可写多次 / may be repeated")
    new.add_argument(
        "--brand", action="append", default=None, required=True, help=f"品牌编号，{EVERY_BRAND} = 所有 / brand id"
    )
    commands.add_parser("list", help="列出 / list")
    revoke = commands.add_parser("revoke", help="吊销 / revoke")
    revoke.add_argument("name", help="令牌的名字 / name of the token")
    return parser


if __name__ == "__main__":
    sys.exit(main())
