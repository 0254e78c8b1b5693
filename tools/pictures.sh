#!/bin/sh
# The pictures of README and docs, by the commands that anybody can run. Run it in the repository's root.
# flite tells the phones of the shipped sample, which its voice spoke (src/voxface/samples/README.md).
set -e
voxface=${VOXFACE:-.venv/bin/voxface}
sample=src/voxface/samples/hello.flac
images=${1:-docs/images}
phones=$(mktemp -d)/hello.lab
flite -voice slt -psdur -t "Hello, I am voxface. Please buy five blue moons before the morning." none |
  tr ' ' '\n' | awk -F: 'BEGIN { print "#" } NF > 1 { print $2, 125, $1 }' > "$phones"
$voxface render $sample -o "$images/face.gif" --size 320
$voxface plot $sample -o "$images/blue_moons.png" --phones "$phones" --from 2.06 --to 3.36 --faces 14 --camera mouth \
  --channels lipGap,jawOpen,mouthClose,mouthPucker --title "please buy five blue moons"
$voxface head sheet -o "$images/head_poses.png" --size 180
rm -r "$(dirname "$phones")"
ls -l "$images/face.gif" "$images/blue_moons.png" "$images/head_poses.png"
