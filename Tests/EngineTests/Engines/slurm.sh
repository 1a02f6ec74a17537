#!/usr/bin/env bash
# Debian's Slurm on loopback: munged, slurmctld, slurmd, and slurmrestd with JWT. No systemd, no accounting database.
# One node that poses as 16 processors and 2 GPUs; cgroup v1 holds jobs to their memory.
# Partitions: main; scavenge, whose jobs are cancelled where urgent needs their place.
# The last line has `settings_rest` beside `settings`: the same Slurm through slurmrestd.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

state=$engine_work/slurm
export SLURM_CONF=$state/slurm.conf
controller_port=${SLURM_CONTROLLER_PORT:-26817}
node_port=${SLURM_NODE_PORT:-26818}
rest_port=${SLURM_REST_PORT:-26820}
# Ended jobs stay in squeue for so many seconds.
job_age=${SLURM_MIN_JOB_AGE:-600}
node=$(hostname -s)

write_configuration() {
  cat >"$state/cgroup.conf" <<CONF
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainCores=no
CONF
  # GPUs that are no devices: enough for Slurm to count and to bind them.
  echo "NodeName=$node Name=gpu File=/dev/tty[1-2]" >"$state/gres.conf"
  cat >"$SLURM_CONF" <<CONF
ClusterName=local
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmctldPort=$controller_port
SlurmdPort=$node_port
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$state/munge.sock
CredType=cred/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=$state/jwt.key
StateSaveLocation=$state/state
SlurmdSpoolDir=$state/spool
SlurmctldPidFile=$state/slurmctld.run
SlurmdPidFile=$state/slurmd.run
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdLogFile=$state/log/slurmd.log
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
GresTypes=gpu
PropagateResourceLimits=NONE
ReturnToService=2
MinJobAge=$job_age
MaxJobCount=20000
KillWait=5
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
NodeName=$node NodeAddr=127.0.0.1 CPUs=16 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE PriorityTier=5 PreemptMode=OFF State=UP
PartitionName=scavenge Nodes=$node MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=urgent Nodes=$node MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP
CONF
}

answers_munge() { munge -n -S "$state/munge.sock" | unmunge -S "$state/munge.sock"; }
answers_node() { sinfo -h -o %T | grep -qE 'idle|mixed|allocated'; }
answers_rest() {
  curl -fsS -H 'X-SLURM-USER-NAME: root' -H "X-SLURM-USER-TOKEN: $token" "http://127.0.0.1:$rest_port/slurm/v0.0.38/ping"
}

engine_start() {
  need_packages munge slurmctld slurmd slurm-client slurmrestd slurm-wlm-jwt-plugin openssl curl
  short_path "$state/munge.sock"
  # Slurm must find its own host name on loopback.
  getent hosts "$node" | grep -q '^127\.' || echo "127.0.0.1 $node" >>/etc/hosts
  mkdir -p "$state"/{state,spool,log,munge,rest}
  chmod 755 "$engine_work" "$state"
  chmod 700 "$state/munge"
  [ -s "$state/munge/key" ] || (umask 077 && openssl rand -out "$state/munge/key" 128)
  [ -s "$state/jwt.key" ] || (umask 077 && openssl rand -out "$state/jwt.key" 32)
  write_configuration
  spawn "$state/munged.pid" "$state/log/munged.out" munged --foreground --force --key-file="$state/munge/key" \
    --socket="$state/munge.sock" --pid-file="$state/munge/pid" --log-file="$state/log/munged.log" \
    --seed-file="$state/munge/seed" --num-threads=2
  wait_for 10 answers_munge || die "munged does not answer; see $state/log/munged.log"
  spawn "$state/slurmctld.pid" "$state/log/slurmctld.out" slurmctld -D -f "$SLURM_CONF"
  wait_for 15 scontrol ping || die "slurmctld does not answer; see $state/log/slurmctld.log"
  spawn "$state/slurmd.pid" "$state/log/slurmd.out" slurmd -D -f "$SLURM_CONF" -N "$node"
  # A controller that was killed may have lost its newest jobs and then gives their ids again; it drains the node that
  # has seen them.
  scontrol update NodeName="$node" State=RESUME 2>/dev/null || true
  wait_for 30 answers_node || die "the node is not ready; see $state/log/slurmd.log"
  # slurmrestd refuses to run as root or as SlurmUser: it takes a JWT with each request.
  chown nobody "$state/rest"
  spawn "$state/slurmrestd.pid" "$state/log/slurmrestd.out" setpriv --reuid=nobody --regid=nogroup --clear-groups \
    env SLURM_JWT=daemon slurmrestd -f "$SLURM_CONF" -a rest_auth/jwt -s openapi/v0.0.38 "127.0.0.1:$rest_port" \
    "unix:$state/rest/sock"
  token=$(scontrol token username=root lifespan=60 | cut -d= -f2)
  wait_for 10 answers_rest || die "slurmrestd does not answer; see $state/log/slurmrestd.out"
  printf '{"settings": {"slurm": {"conf": "%s"}}, ' "$SLURM_CONF"
  printf '"settings_rest": {"slurm": {"conf": "%s", "url": "http://127.0.0.1:%s", "user": "root", "memory_limits": true}}, ' \
    "$SLURM_CONF" "$rest_port"
  printf '"env": {"SLURM_CONF": "%s"}}\n' "$SLURM_CONF"
}

nothing_runs() { [ -z "$(squeue -h)" ]; }

engine_stop() {
  local daemon folder
  if alive "$state/slurmctld.pid"; then
    timeout 10 scancel --user="$(id -un)" || true
    wait_for 10 nothing_runs || true
  fi
  for daemon in slurmrestd slurmd slurmctld munged; do reap "$state/$daemon.pid"; done
  for folder in /sys/fs/cgroup/*/"slurm_$node"; do
    [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
}

engine_kill() {
  # The controller writes its jobs down some seconds after they came (5 at most). One that dies before has Slurm itself
  # end them, which is not what a driver is to be tried on.
  sleep 6
  crash "$state/slurmctld.pid"
  crash "$state/slurmrestd.pid"
}

engine_main "$@"
