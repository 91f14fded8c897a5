#!/usr/bin/env bash
# Add to .env, which compose reads, the digest that each base image's tag names today: docker/pin.sh [FOLDER OF .env]
# Asks the registry through whichever of these is there: docker buildx, skopeo, crane. Run it again to move to newer images.
set -euo pipefail
here=$(dirname "$0")
env=${1:-$here}/.env

digest() {
  if docker buildx version >/dev/null 2>&1; then
    docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
  elif command -v skopeo >/dev/null; then
    skopeo inspect --no-tags --format '{{.Digest}}' "docker://docker.io/$(case $1 in */*) ;; *) echo library/ ;; esac)$1"
  elif command -v crane >/dev/null; then
    crane digest "$1"
  else
    echo "pin.sh asks a registry with docker buildx, skopeo or crane; none of them is here" >&2
    return 1
  fi
}

# compose.yaml names each image once, as ${NAME_IMAGE:-repository:tag}
images=$(sed -nE 's/.*\$\{([A-Z]+_IMAGE):-([^}]+)\}.*/\1 \2/p' "$here/compose.yaml")
pinned=''
while read -r name image; do
  sha=$(digest "$image")
  [[ $sha =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "$image: no digest but: $sha" >&2 && exit 1; }
  pinned+="$name=$image@$sha"$'\n'
done <<<"$images"
touch "$env"
rest=$(grep -v '^[A-Z]*_IMAGE=' "$env" || true)
printf '%s\n%s' "$rest" "$pinned" >"$env.new"
mv "$env.new" "$env"
printf '%s' "$pinned"
