#!/bin/sh
# The pictures of README and docs, by the commands that anybody can run. Run it in the repository's root.
set -e
voxface=${VOXFACE:-.venv/bin/voxface}
sample=src/voxface/samples/hello.flac
images=${1:-docs/images}
$voxface render $sample -o "$images/face.gif" --size 320
$voxface plot $sample -o "$images/blue_moons.png" --phones src/voxface/samples/hello.lab --from 2.04 --to 3.36 \
  --faces 16 --camera front,mouth --width 1600 --channels lipGap,mouthPucker,mouthRollLower \
  --title 'a voice says "please buy five blue moons"'
$voxface head sheet -o "$images/head_poses.png" --size 180
ls -l "$images/face.gif" "$images/blue_moons.png" "$images/head_poses.png"
