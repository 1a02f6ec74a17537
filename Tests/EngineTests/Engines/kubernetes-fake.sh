#!/usr/bin/env bash
# kubernetes.sh with a node that only plays its part: for states that a real node reaches only in trouble.
set -euo pipefail
LUNAPORT_KUBE_NODE=fake exec "$(dirname "$0")/kubernetes.sh" "$@"
