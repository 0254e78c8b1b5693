#!/bin/sh
# Installs the server into a folder of its own, and tries it: the steps of the Containerfile, for any fresh environment.
#   sh tools/container-install.sh FOLDER [SOURCE]
set -eu
folder=$1
source=${2:-$(dirname "$0")/..}

python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check "$source[serve]"

# It answers, as an ordinary user would start it: an installation without one of its files ends here, not in production.
cd /
said=$(mktemp)
"$folder/bin/voxface" serve --port 0 >"$said" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$said"' EXIT
"$folder/bin/python" - "$said" <<'PROBE'
import re, sys, time, urllib.request

for _ in range(600):
    found = re.search(r"http://\S+:\d+", open(sys.argv[1]).read())
    try:
        if found and urllib.request.urlopen(found[0] + "/readyz", timeout=5).status == 200:
            sys.exit(0)
    except OSError:
        pass
    time.sleep(0.1)
sys.exit("the server did not become ready within a minute")
PROBE
kill "$server"
wait "$server"
"$folder/bin/voxface" --version
