#!/usr/bin/env bash
# Holds a running server against its OpenAPI document: the document is valid, and the server answers as it says, whatever
# it is sent.
#
# usage: schemathesis.sh [URL KEY_FILE]
# Without arguments it starts .build/release/lunaport on a folder of its own. What is sent is the same each time, so that
# a change fails by what it changed; SCHEMATHESIS_SEED is for looking further.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=.build/schemathesis
if ! [ -x "$tools/bin/schemathesis" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" --quiet install 'schemathesis==4.*' 'openapi-spec-validator==0.*'
fi

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap finish EXIT

if [ $# -eq 2 ]; then
  url=$1
  key_file=$2
else
  .build/release/lunaport up --no-agent --data "$work/data" --listen 127.0.0.1:0 --queues queues.d --plugins plugins \
    >"$work/ready" 2>"$work/log" &
  server=$!
  for _ in $(seq 100); do
    if grep -q '^ready ' "$work/ready"; then break; fi
    sleep 0.1
  done
  url=$(sed -n 's/^ready //p' "$work/ready")
  key_file=$work/data/admin.key
  if [ -z "$url" ]; then
    cat "$work/log" >&2
    exit 1
  fi
fi
key=$(cat "$key_file")

call() { # METHOD PATH [JSON]
  curl --fail-with-body --silent --show-error -X "$1" "$url/api/v1/$2" -H "Authorization: Bearer $key" \
    -H 'Content-Type: application/json' ${3:+--data-binary "$3"}
}
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Something of everything, so that what is named is there.
blob() { # TEXT
  local sha256
  sha256=$(printf %s "$1" | sha256sum | cut -d ' ' -f 1)
  call PUT "blobs/$sha256" "$1" >/dev/null
  printf %s "$sha256"
}
program=$(blob 'print(1)')
file="{\"path\":\"a.py\",\"sha256\":\"$program\",\"size\":8,\"executable\":false}"
manifest=$(blob "{\"files\":[$file]}")
source="{\"kind\":\"code\",\"manifest\":\"$manifest\",\"entry_point\":[\"python3\",\"a.py\"]}"
call POST jobs "{\"project\":\"p\",\"name\":\"train\",\"source\":$source}" >/dev/null
call POST queues '{"name":"made","target":"process","resource":{}}' >/dev/null
run=$(call POST runs '{"job":"p/train","queue":"made"}' | field id)
agent=$(call POST agents '{"name":"a","host":"h","queues":["made"],"max_jobs":1,"allow_partial":true,"protocol":1,
  "holding":[],"offer":{"drivers":[],"builders":[]}}' | field id)

cat >"$work/schemathesis.toml" <<END
# What is well formed may still be refused for how things stand: a job that is not there, a target without a driver.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "431"]

[[operations]]
include-path-regex = '/runs/\{id\}/log$'
parameters = { "path.id" = "$run", "query.follow" = "false" }

[[operations]]
include-path-regex = '/runs/\{id\}(/(stop|retry|explain|history|samples))?$'
parameters = { "path.id" = "$run" }

[[operations]]
include-path-regex = '/agents/\{id\}'
include-method = ["GET", "POST"]
exclude-operation-id = "leaseRuns"
parameters = { "path.id" = "$agent" }

# Waits as long as it is asked to.
[[operations]]
include-operation-id = "leaseRuns"
checks = { max_response_time = 70 }

[[operations]]
include-path-regex = '/queues/\{entity\}'
include-method = ["GET", "POST"]
parameters = { "path.entity" = "default", "path.name" = "made" }

[[operations]]
include-path-regex = '/jobs/\{entity\}'
parameters = { "path.entity" = "default", "path.project" = "p", "path.name" = "train" }

[[operations]]
include-path-regex = '/blobs/\{sha256\}'
include-method = "GET"
parameters = { "path.sha256" = "$program" }
END

curl --fail --silent "$url/api/v1/openapi.json" >"$work/openapi.json"
"$tools/bin/openapi-spec-validator" "$work/openapi.json"

# Streams of events never end, and revoking would end the run's own key: both have tests of their own. Names of what is
# there are given above, so what one request made is not what the next one asks for: availability cannot be judged.
"$tools/bin/schemathesis" --config-file "$work/schemathesis.toml" run "$url/api/v1/openapi.json" \
  --header "Authorization: Bearer $key" --checks all \
  --exclude-checks ensure_resource_availability --max-examples "${SCHEMATHESIS_EXAMPLES:-25}" --workers 1 \
  --seed "${SCHEMATHESIS_SEED:-7}" --generation-database none --request-timeout 70 \
  --exclude-operation-id watchEvents --exclude-operation-id revokeKey --no-color

if [ -n "$server" ] && grep -q failed "$work/log"; then
  cat "$work/log" >&2
  exit 1
fi
