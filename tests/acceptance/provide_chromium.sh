#!/bin/sh
# Makes sure that the browser tests have a Chromium: one that is there, else Playwright's own, else the distribution's.
set -u
python=$1

present() {
    [ -n "${HEARTBEAT_CHROMIUM:-}" ] && [ -x "$HEARTBEAT_CHROMIUM" ] && return 0
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    "$python" - <<'PYTHON'
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not Path(playwright.chromium.executable_path).exists())
PYTHON
}

present && exit 0
echo "No Chromium is here: asking Playwright for its own"
timeout 300 "$python" -m playwright install --with-deps chromium >/dev/null 2>&1 && present && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Playwright could not get one: installing the distribution's"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1
    present && exit 0
fi
echo "error: the browser tests need Chromium; install it, or set HEARTBEAT_CHROMIUM to its path" >&2
exit 1
