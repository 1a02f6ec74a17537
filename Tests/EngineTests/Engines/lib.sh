# shellcheck shell=bash disable=SC2034,SC2154
# Shared by the engine scripts of this folder; each is `NAME.sh start|stop|kill|restart`.
#
#   start    installs what is missing, starts the engine, waits until it answers; its last line is one JSON object:
#            {"settings": {"docker": {...}}, "env": {...}}, what `plugin test --settings` and an agent need
#   stop     ends the engine and what runs on it; PURGE=1 removes its state, too
#   kill     kill -9 of the daemon, as a crash would
#   restart  kill, then start with the state that is there
#
# A script defines state, engine_start, engine_stop and engine_kill, and ends with: engine_main "$@"
# Everything listens on loopback addresses and Unix sockets only. State lies in $engine_work/NAME.

# A Unix socket's path has 107 bytes at most: keep this folder's name short.
engine_work=${LUNAPORT_ENGINE_WORK:-${TMPDIR:-/tmp}/lunaport-engines}
engine_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
engine_name=$(basename "$0" .sh)

say() { echo "[$engine_name] $*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# need_packages NAME...: Debian packages, without starting the daemons that they bring.
need_packages() {
  local missing=() package as_root=() policy=/usr/sbin/policy-rc.d
  for package in "$@"; do
    # shellcheck disable=SC2016 # dpkg-query's own braces
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == 'install ok'* ]] || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
    # shellcheck disable=SC2064 # the path as it is now
    trap "${as_root[*]} rm -f $policy" EXIT
  fi
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq)
  "${as_root[@]}" "${install[@]}" install --no-install-recommends -y "${missing[@]}" >/dev/null 2>&1 || {
    "${as_root[@]}" "${install[@]}" update >/dev/null
    "${as_root[@]}" "${install[@]}" install --no-install-recommends -y "${missing[@]}" >/dev/null
  } || die "cannot install ${missing[*]}"
}

# short_path PATH: fails early where a Unix socket would not fit.
short_path() { [ "${#1}" -lt 100 ] || die "too long for a Unix socket: $1; set LUNAPORT_ENGINE_WORK to a shorter folder"; }

# start_time PID: the kernel's start time of a living process. A process that nobody reaped stays a zombie, which
# kill -0 calls alive, and pids are used again: only pid and start time together say that it is the same one.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086 # words are wanted
  set -- $stat
  [ "$1" != Z ] && echo "${20}"
}

# alive PIDFILE: whether the process recorded there runs.
alive() {
  local pid started
  [ -s "$1" ] && read -r pid started <"$1" && [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ]
}

# record PIDFILE PID
record() { echo "$2 $(start_time "$2")" >"$1"; }

# spawn PIDFILE LOGFILE COMMAND...: detached; nothing where it is alive already.
spawn() {
  local pidfile=$1 log=$2
  shift 2
  alive "$pidfile" && return 0
  setsid nohup "$@" >>"$log" 2>&1 </dev/null &
  record "$pidfile" $!
}

# reap PIDFILE [SECONDS]: TERM, wait, KILL.
reap() {
  local pidfile=$1 seconds=${2:-10} pid
  if alive "$pidfile"; then
    read -r pid _ <"$pidfile"
    kill -TERM "$pid" 2>/dev/null || true
    wait_for "$seconds" gone "$pidfile" || kill -KILL "$pid" 2>/dev/null || true
    wait_for 5 gone "$pidfile" || die "process $pid does not end"
  fi
  rm -f "$pidfile"
}

# crash PIDFILE: kill -9, and wait until it is gone.
crash() {
  local pid
  alive "$1" || return 0
  read -r pid _ <"$1"
  kill -KILL "$pid" 2>/dev/null || true
  wait_for 5 gone "$1" || die "process $pid does not end"
}

gone() { ! alive "$1"; }

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local left=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.1
  done
}

# unmount_below FOLDER: what engines leave mounted there: dockerd its data folder on itself, killed ones whatever they had.
unmount_below() { awk -v folder="$1/" 'index($2, folder) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l; }

# clear_away FOLDER: after a stop; the state itself goes where PURGE=1 asks for it.
clear_away() {
  unmount_below "$1"
  [ "${PURGE:-0}" != 1 ] || rm -rf "$1"
}

engine_main() {
  case "${1:-}" in
    start) engine_start ;;
    stop)
      engine_stop
      clear_away "$state"
      ;;
    kill) engine_kill ;;
    restart)
      engine_kill
      engine_start
      ;;
    *)
      echo "usage: $engine_name.sh start|stop|kill|restart" >&2
      exit 64
      ;;
  esac
}
