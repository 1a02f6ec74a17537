#!/usr/bin/env bash
# The double of SageMaker and Vertex AI (cloud-double/double.py) on a loopback port. Jobs outlive a kill of the double.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

state=$engine_work/cloud
venv=$engine_work/cloud-venv
port=${LUNAPORT_CLOUD_PORT:-25100}
url=http://127.0.0.1:$port

answers() { curl -fsS "$url/_double/jobs"; }

aws() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$state/aws.json" "$1"; }

engine_start() {
  need_packages python3-venv curl
  mkdir -p "$state"
  if ! "$venv/bin/python" -c 'import botocore, cryptography, googleapiclient' 2>/dev/null; then
    say "installing botocore, cryptography and google-api-python-client"
    python3 -m venv "$venv"
    "$venv/bin/pip" --quiet install botocore cryptography google-api-python-client
  fi
  spawn "$state/double.pid" "$state/double.log" "$venv/bin/python" -B "$engine_folder/cloud-double/double.py" "$port" "$state"
  wait_for 30 answers || die "the double does not answer; see $state/double.log"
  # The keys are for this loopback double alone; it made them itself.
  printf '{"settings": {"sagemaker": {"region": "us-east-1", "endpoint": "%s", "logs_endpoint": "%s", "log_settle": "1s", "log_requests": 6000}, ' "$url" "$url"
  printf '"vertex": {"location": "us-central1", "endpoint": "%s", "logs_endpoint": "%s", "key_file": "%s", "log_settle": "1s", "log_requests": 6000}}, ' \
    "$url" "$url" "$state/service-account.json"
  printf '"env": {"AWS_ACCESS_KEY_ID": "%s", "AWS_SECRET_ACCESS_KEY": "%s", "LUNAPORT_CLOUD": "%s"}}\n' \
    "$(aws access_key_id)" "$(aws secret_access_key)" "$url"
}

engine_stop() {
  local folder
  # Jobs end by themselves where they are asked to.
  for folder in "$state"/sagemaker/* "$state"/vertex/*; do
    [ ! -d "$folder" ] || touch "$folder/stop"
  done
  reap "$state/double.pid" 5
}

engine_kill() { crash "$state/double.pid"; }

engine_main "$@"
