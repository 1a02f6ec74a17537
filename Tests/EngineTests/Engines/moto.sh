#!/usr/bin/env bash
# moto_server (PyPI) on a loopback port, with SigV4 verified: a second judge of signatures, by other people. Its
# training jobs end at once and run nothing, so that it is good for that alone.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

state=$engine_work/moto
venv=$engine_work/moto-venv
port=${LUNAPORT_MOTO_PORT:-25000}
url=http://127.0.0.1:$port
# Calls that make a user, its access key and its policy; after them moto verifies each signature.
free_calls=3

answers() { curl -fsS "$url/moto-api/data.json"; }

# Makes a user that may do anything in SageMaker and read logs, and keeps its key.
make_user() {
  "$venv/bin/python" - "$url" "$state/aws.json" <<'PYTHON'
import json
import os
import sys

import boto3

iam = boto3.client(
    "iam", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="first", aws_secret_access_key="first"
)
allowed = {"Effect": "Allow", "Action": ["sagemaker:*", "logs:*"], "Resource": "*"}
iam.create_user(UserName="launcher")
key = iam.create_access_key(UserName="launcher")["AccessKey"]
policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
iam.put_user_policy(UserName="launcher", PolicyName="launch", PolicyDocument=policy)
with os.fdopen(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
    json.dump({"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}, file)
PYTHON
}

aws() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$state/aws.json" "$1"; }

engine_start() {
  need_packages python3-venv curl
  mkdir -p "$state"
  if [ ! -x "$venv/bin/moto_server" ]; then
    say "installing moto"
    python3 -m venv "$venv"
    "$venv/bin/pip" --quiet install 'moto[server,sagemaker,logs,iam]==5.2.5' boto3
  fi
  # It keeps everything in memory: a new process knows no user.
  alive "$state/moto.pid" || rm -f "$state/aws.json"
  spawn "$state/moto.pid" "$state/moto.log" env INITIAL_NO_AUTH_ACTION_COUNT="$free_calls" \
    "$venv/bin/moto_server" -H 127.0.0.1 -p "$port"
  wait_for 30 answers || die "moto does not answer; see $state/moto.log"
  [ -s "$state/aws.json" ] || make_user
  printf '{"settings": {"sagemaker": {"region": "us-east-1", "endpoint": "%s", "logs_endpoint": "%s", "log_settle": "0s"}}, ' "$url" "$url"
  printf '"env": {"AWS_ACCESS_KEY_ID": "%s", "AWS_SECRET_ACCESS_KEY": "%s"}}\n' "$(aws key)" "$(aws secret)"
}

engine_stop() {
  reap "$state/moto.pid" 5
}

engine_kill() { crash "$state/moto.pid"; }

engine_main "$@"
