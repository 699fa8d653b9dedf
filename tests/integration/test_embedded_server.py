"""Two embedded servers at once on a machine that has never had one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# copies the machine's accounts, so that what happens to them stays in this namespace
TRIAL = """
set -e
cp -a /etc/. "$1/etc"
mount --bind "$1/etc" /etc
for file in passwd group shadow gshadow subuid subgid; do
    if [ -e /etc/$file ]; then sed -i /^pgserver:/d /etc/$file; fi
done
for number in 1 2 3; do
    "$2" -m tests.integration.made_server "$1/$number/pg" &
    started="$started $!"
done
for each in $started; do wait "$each"; done
"""
SLOW_USERADD = """#!/bin/sh
sleep 1
exec {useradd} "$@"
"""


def test_servers_made_at_once_make_their_system_user_once(tmp_path: Path) -> None:
    useradd = shutil.which("useradd")
    if os.geteuid() or useradd is None or not _has_mount_namespaces():
        pytest.skip("only root makes a system user, here in a mount namespace, with useradd")
    for name in ("etc", "bin"):
        (tmp_path / name).mkdir()
    slow = tmp_path / "bin" / "useradd"
    slow.write_text(SLOW_USERADD.format(useradd=useradd))
    slow.chmod(0o755)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", TRIAL, "sh", str(tmp_path), sys.executable],
        env={**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    owners = {(tmp_path / str(number) / "pg").stat().st_uid for number in (1, 2, 3)}
    accounts = (tmp_path / "etc" / "passwd").read_text().splitlines()
    known = [line.split(":")[2] for line in accounts if line.startswith("pgserver:")]
    assert list(map(str, owners)) == known


def _has_mount_namespaces() -> bool:
    unshare = shutil.which("unshare")
    return (
        unshare is not None
        and not subprocess.run(
            [unshare, "--mount", "true"], check=False, capture_output=True
        ).returncode
    )
