#!/usr/bin/env bash
# Make what git must not hold: random secrets, the folders of compose.yaml's state, and .env. What is there already is kept.
#   docker/secrets.sh [cpu|gpu] [FOLDER]     FOLDER: where to; default: beside this script
set -euo pipefail
umask 077
target=${1:-cpu}
case $target in cpu | gpu) ;; *) echo "usage: $0 [cpu|gpu] [FOLDER]" >&2 && exit 2 ;; esac
folder=${2:-$(dirname "$0")}
mkdir -p "$folder"
cd "$folder"

random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
# secret FILE: standard input into it, unless it is there
secret() {
  mkdir -p "$(dirname "secrets/$1")"
  if [ -s "secrets/$1" ]; then cat >/dev/null; else cat >"secrets/$1"; fi
}

random | secret ray/auth_token
random | secret database/password
random | secret mlflow/flask_key
random | secret mlflow/password
random | secret s3/key
database=$(<secrets/database/password) mlflow=$(<secrets/mlflow/password) s3=$(<secrets/s3/key)

secret database/pgpass <<<"db:5432:*:mlflow:$database"
secret mlflow/basic_auth.ini <<INI
[mlflow]
default_permission = READ
database_uri = postgresql+psycopg://mlflow@db/mlflow
admin_username = harness
admin_password = $mlflow
INI
secret mlflow/credentials <<INI
[mlflow]
mlflow_tracking_username = harness
mlflow_tracking_password = $mlflow
INI
secret s3/credentials <<INI
[default]
aws_access_key_id = harness
aws_secret_access_key = $s3
INI
secret s3/identities.json <<JSON
{"identities": [{"name": "harness", "credentials": [{"accessKey": "harness", "secretKey": "$s3"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON

# Everything runs as the caller; for root, who is no user to run trainings as, as the one behind sudo or user 1000.
uid=$(id -u) gid=$(id -g)
[ "$uid" != 0 ] || { uid=${SUDO_UID:-1000} && gid=${SUDO_GID:-1000}; }
[ "$uid" != 0 ] || { uid=1000 && gid=1000; }
[ -e .env ] || cat >.env <<ENV
HARNESS_UID=$uid
HARNESS_GID=$gid
HARNESS_TARGET=$target
COMPOSE_PROFILES=$target
ENV
mkdir -p state/workspace state/data state/cache state/database state/objects
[ "$(id -u)" != 0 ] || chown -R "$uid:$gid" secrets state .env
echo "secrets, state and .env are in $PWD; MLflow's user is harness, its password in secrets/mlflow/password"
