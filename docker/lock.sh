#!/usr/bin/env bash
# Write requirements.lock, torch.lock and cuda.lock anew: what pip resolves for requirements.in and setup.cfg under constraints.txt.
# To be run on Linux x86-64 with the Python of the images; it downloads metadata and installs nothing.
set -euo pipefail
cd "$(dirname "$0")"
report=$(mktemp)
trap 'rm -f "$report"' EXIT
python3 -m pip install --quiet --dry-run --ignore-installed --report "$report" -c ../constraints.txt -r requirements.in ..
python3 - "$report" <<'PYTHON'
import json
import re
import sys

OWN, TORCH, CUDA = re.compile("harness"), re.compile("torch|torchvision"), re.compile("nvidia-.*|cuda-.*|triton")
HEAD = "# Made by docker/lock.sh from requirements.in, setup.cfg and constraints.txt; do not edit.\n"
found = {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in json.load(open(sys.argv[1]))["install"]}
lines = {"requirements.lock": [], "torch.lock": [], "cuda.lock": []}
for name, version in sorted(found.items(), key=lambda item: item[0].lower()):
    if OWN.fullmatch(name):
        continue
    file = "torch.lock" if TORCH.fullmatch(name) else "cuda.lock" if CUDA.fullmatch(name) else "requirements.lock"
    lines[file].append(f"{name}=={version}\n")
for file, entries in lines.items():
    with open(file, "w") as stream:
        stream.write(HEAD + "".join(entries))
PYTHON
