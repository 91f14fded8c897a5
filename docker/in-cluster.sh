#!/bin/sh
# Run a command on a node of the Ray cluster that has neither CPUs nor GPUs, so that no trial is placed here: in-cluster COMMAND …
# NOTE: a driver needs a Ray node on its own machine, as this container is one; the node goes when the container does.
set -eu
: "${RAY_AUTH_MODE:?is not set: token, as on the nodes of the cluster}"
ray start --address="${HARNESS_RAY_HEAD:-head:6379}" --num-cpus=0 --num-gpus=0 --object-store-memory=134217728 >/dev/null
exec "$@"
