#!/bin/sh
# MediaPipe's library needs EGL and GLES, its OpenCV needs GL and GLib. Installs them with apt where that is allowed;
# elsewhere says what is missing: the capture tests then skip themselves, by name.
packages="libegl1 libgles2 libgl1 libglib2.0-0"
missing=""
for library in libEGL.so.1 libGLESv2.so.2 libGL.so.1 libgthread-2.0.so.0; do
    ldconfig -p 2>/dev/null | grep -q "$library" || missing="$missing $library"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    (apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages) \
        >/dev/null 2>&1 && exit 0
fi
echo "SKIPPED: the capture tests lack$missing. On Debian: apt-get install $packages"
exit 0
