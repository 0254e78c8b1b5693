#!/bin/sh
# Debian packages that parts of voxface need: MediaPipe's library wants EGL and GLES, its OpenCV GL and GLib; synthetic
# speech wants engines, voices and WordNet's sentences; the viewer is tried in Chromium. Installs them with apt where that
# is allowed; elsewhere says what is missing: the tests that need it then skip themselves, by name.
# The Russian voice (festvox-ru, 180 MB) comes only with the argument "model": evaluation in another language uses it.
missing=""
need() {  # need COMMAND-THAT-SUCCEEDS-IF-THERE PACKAGE
    sh -c "$1" >/dev/null 2>&1 || missing="$missing $2"
}
library() { need "ldconfig -p | grep -q $1" "$2"; }
library libEGL.so.1 libegl1
library libGLESv2.so.2 libgles2
library libGL.so.1 libgl1
library libgthread-2.0.so.0 libglib2.0-0
library libflite.so.1 libflite1
library libespeak-ng.so.1 espeak-ng
need "command -v festival" festival
need "test -d /usr/share/festival/voices/english/kal_diphone" festvox-kallpc16k
need "test -d /usr/share/festival/voices/english/ked_diphone" festvox-kdlpc16k
need "test -d /usr/share/festival/voices/us/cmu_us_slt_arctic_hts -o -d /usr/share/festival/voices/english/cmu_us_slt_arctic_hts" festvox-us-slt-hts
need "test -f /usr/share/wordnet/data.noun" wordnet-base
need "command -v chromium || command -v google-chrome" chromium
[ "${1:-}" = model ] && need "test -d /usr/share/festival/voices/russian" festvox-ru
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    (apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing) \
        >/dev/null 2>&1 && exit 0
fi
echo "SKIPPED: tests of capture, of synthetic speech and of the viewer that lack$missing. On Debian: apt-get install$missing"
exit 0
