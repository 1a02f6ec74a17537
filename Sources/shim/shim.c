// Holds one program so that it outlives the agent that started it, and notes how it ended.
//
//   lunaport-shim --exec FILE --grace MS [--folder DIR] [--lease FILE] [--cgroup DIR]... [--oom FILE] -- NAME ARGS...
//
// The environment and standard input, output and error are the program's own, so that no secret is on a command line
// or in a file. File 3 is the state file, locked (flock) by whoever started the shim: the lock lasts as long as the
// shim does, which is how others know that it is alive without trusting a process id. File 4 is a pipe that closes when
// the program runs; before that it may carry one line `STAGE ERRNO` that says why it does not.
//
// State file, 512 bytes: at 0 `started shim=PID child=PID at=MS`, at 256 `ended code=N signal=N oom=N stopped=N
// fenced=N at=MS user=US system=US memory=KB .`. Both places are filled before the program starts: on a full disk it does
// not start, for nobody would find it again, and a disk that is full when it ends cannot lose the ending. Nothing is
// synced: it must survive the death of processes, not of the machine, and after a restart of the machine nothing runs
// anyway.
//
// Signals: 40 stops the program (its value is the grace in milliseconds), 41 passes its value on as a signal to the
// program's group, TERM stops with the grace of --grace. All others are ignored: the shim has a session of its own, and
// what is meant for the agent must not end its runs.
#include "system.h"
#include "text.h"

enum {
  STATE = 3,
  STATE_SIZE = 512,
  READY = 4,
  STOP = 40,
  FORWARD = 41,
  CGROUPS_MAX = 4,
  // Tenths of a second to wait for what is left to die; a process that hangs in the kernel must not hold the run.
  LEFT_PATIENCE = 50,
  ENDED_AT = 256,
};

static const char *executable, *folder, *lease, *oom;
static const char *cgroups[CGROUPS_MAX];
static int cgroup_count;
static long long grace = 10000;
static char **arguments, **environment;
// Set by the program's process, which shares this memory until it runs: where it failed, and why.
static const char *volatile failed_stage;
static volatile long failed_errno;
static char stack[16384] __attribute__((aligned(16)));

static _Noreturn void give_up(const char *stage, long error) {
  struct record line = {.size = 0};
  put(&line, stage);
  put_number(&line, " ", error < 0 ? -error : error);
  put(&line, "\n");
  sys_write(READY, line.bytes, line.size);
  sys_exit(1);
}

static long write_file(const char *path, const char *text) {
  long file = sys_open(path, O_WRONLY);
  if (file < 0) return file;
  unsigned long size = 0;
  while (text[size]) size++;
  long result = sys_write((int)file, text, size);
  sys_close((int)file);
  return result < 0 ? result : 0;
}

// Reads a small file as text. Gives 0 where there is none.
static int read_file(const char *path, char *text, unsigned long size) {
  long file = sys_open(path, O_RDONLY);
  if (file < 0) return 0;
  unsigned long have = 0;
  long more;
  while (have < size - 1 && (more = sys_read((int)file, text + have, size - 1 - have)) > 0) have += (unsigned long)more;
  sys_close((int)file);
  text[have] = 0;
  return 1;
}

// The program's process, up to the moment the program replaces it.
static void become_program(void) {
  sys_new_session();
  // Whatever ends the shim must not leave the program running without anyone to note its end.
  sys_control(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < cgroup_count; i++) {
    char path[4096];
    unsigned long at = 0;
    for (const char *from = cgroups[i]; *from && at < sizeof path - 16; from++) path[at++] = *from;
    memcpy(path + at, "/cgroup.procs", 14);
    long error = write_file(path, "0");
    if (error < 0) {
      failed_stage = "cgroup";
      failed_errno = error;
      sys_exit(127);
    }
  }
  // When the machine runs out of memory, the kernel should take the run and not the agent. Best effort.
  write_file("/proc/self/oom_score_adj", "500");
  sys_set_mask(0);
  long error = sys_exec(executable, arguments, environment);
  if (error == -ENOEXEC) {
    // A script without a first line `#!`: a shell reads it, as every shell does. The place before the program's name
    // is the shim's own `--`.
    arguments[0] = (char *)executable;
    arguments[-1] = "/bin/sh";
    error = sys_exec("/bin/sh", arguments - 1, environment);
  }
  failed_stage = "exec";
  failed_errno = error;
  sys_exit(127);
}

static long long now_boot(void) {
  struct __kernel_timespec time = sys_time(7 /* CLOCK_BOOTTIME: goes on while the machine sleeps */);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long now_ms(void) {
  struct __kernel_timespec time = sys_time(0 /* CLOCK_REALTIME */);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

// When the lease ends, in nanoseconds of the boot clock. An unreadable lease has ended.
static long long lease_end(void) {
  char text[64];
  return read_file(lease, text, sizeof text) ? number(text) : 0;
}

static int count_oom(void) {
  static char text[4096];
  if (!oom || !read_file(oom, text, sizeof text)) return 0;
  for (const char *line = text; *line; line++) {
    if ((line == text || line[-1] == '\n') && starts_with(line, "oom_kill ")) return (int)number(line + 9);
  }
  return 0;
}

// Kills every child of this process. A descendant whose parent has died is a child too (PR_SET_CHILD_SUBREAPER), and
// none of the ids read here can have been given to another process, because only this process takes their statuses.
static void kill_children(void) {
  static char text[65536];
  if (!read_file("/proc/thread-self/children", text, sizeof text)) return;
  for (const char *at = text; *at;) {
    long long child = number(at);
    while (*at >= '0' && *at <= '9') at++;
    // A number cut off by the end of the buffer is another process's: only those that a space follows are whole.
    if (child > 1 && *at == ' ') sys_kill((int)child, SIGKILL);
    while (*at == ' ') at++;
  }
}

// Ends what the program left behind, generation by generation, until nothing is left.
static void end_descendants(void) {
  for (int patience = LEFT_PATIENCE; patience > 0;) {
    long reaped = sys_wait(-1, 0, WNOHANG, 0);
    if (reaped > 0) continue;
    if (reaped < 0) return;
    kill_children();
    siginfo_t info;
    struct __kernel_timespec tenth = {0, 100000000};
    if (sys_await_signal(SIGNAL(SIGCHLD), &info, &tenth) < 0) patience--;
  }
}

// Takes the room for both notes. They are then written over it, which needs none.
static long make_room(void) {
  static char page[STATE_SIZE];
  memset(page, ' ', sizeof page);
  page[sizeof page - 1] = '\n';
  long written = sys_write_at(STATE, page, sizeof page, 0);
  return written < 0 ? written : written < STATE_SIZE ? -ENOSPC : 0;
}

static void note_start(int child) {
  struct record line = {.size = 0};
  put_number(&line, "started shim=", sys_process());
  put_number(&line, " child=", child);
  put_number(&line, " at=", now_ms());
  put(&line, "\n");
  sys_write_at(STATE, line.bytes, line.size, 0);
}

static void note_end(int status, const struct rusage *usage, int stopped, int fenced) {
  struct record line = {.size = 0};
  int signal = status & 0x7f;
  put_number(&line, "ended code=", signal ? 0 : (status >> 8) & 0xff);
  put_number(&line, " signal=", signal);
  put_number(&line, " oom=", count_oom());
  put_number(&line, " stopped=", stopped);
  put_number(&line, " fenced=", fenced);
  put_number(&line, " at=", now_ms());
  put_number(&line, " user=", usage->ru_utime.tv_sec * 1000000LL + usage->ru_utime.tv_usec);
  put_number(&line, " system=", usage->ru_stime.tv_sec * 1000000LL + usage->ru_stime.tv_usec);
  put_number(&line, " memory=", usage->ru_maxrss);
  put(&line, " .\n");
  sys_write_at(STATE, line.bytes, line.size, ENDED_AT);
}

// Watches the program until it ends; then ends its descendants and notes it all.
static void hold(int child) {
  int stopped = 0, fenced = 0, timer = -1, status = 0;
  long long kill_at = 0, lease_at = lease ? lease_end() : 0;
  struct rusage usage;
  for (;;) {
    if (lease || kill_at) {
      long long at = !kill_at ? lease_at : !lease ? kill_at : kill_at < lease_at ? kill_at : lease_at;
      if (timer < 0 && sys_new_timer(7 /* CLOCK_BOOTTIME */, SIGALRM, &timer) < 0) timer = -1;
      sys_set_timer(timer, at > 0 ? at : 1);
    }
    siginfo_t info;
    int signal = sys_await_signal(
        SIGNAL(SIGCHLD) | SIGNAL(SIGTERM) | SIGNAL(SIGALRM) | SIGNAL(STOP) | SIGNAL(FORWARD), &info, 0);
    if (signal == SIGCHLD) {
      if (sys_has_ended(child)) {
        // Its status is not taken yet, so its number still names its group and no other.
        sys_kill(-child, SIGKILL);
        sys_wait(child, &status, 0, &usage);
        break;
      }
      // Orphans of the program that ended: taken one by one, the program itself never.
      siginfo_t orphan;
      for (;;) {
        orphan.si_pid = 0;
        if (CALL(__NR_waitid, P_ALL, 0, &orphan, WEXITED | WNOHANG | WNOWAIT, 0) < 0) break;
        if (orphan.si_pid == 0) break;
        if (orphan.si_pid == child) {
          sys_kill(sys_process(), SIGCHLD);
          break;
        }
        sys_wait(orphan.si_pid, 0, WNOHANG, 0);
      }
    } else if (signal == SIGTERM || signal == STOP) {
      long long patience = signal == STOP && info.si_code == SI_QUEUE ? info.si_int : grace;
      stopped = 1;
      if (patience <= 0) {
        sys_kill(-child, SIGKILL);
      } else {
        sys_kill(-child, SIGTERM);
        // A program that was suspended must wake to be able to end.
        sys_kill(-child, SIGCONT);
        long long at = now_boot() + patience * 1000000;
        // A second order may shorten the first, never lengthen it.
        if (!kill_at || at < kill_at) kill_at = at;
      }
    } else if (signal == FORWARD && info.si_code == SI_QUEUE) {
      if (info.si_int > 0 && info.si_int < 65) sys_kill(-child, info.si_int);
    } else if (signal == SIGALRM) {
      long long now = now_boot();
      if (lease && now >= lease_at) {
        lease_at = lease_end();
        if (now >= lease_at) {
          fenced = 1;
          lease = 0;
          sys_kill(-child, SIGKILL);
        }
      }
      if (kill_at && now >= kill_at) {
        kill_at = 0;
        sys_kill(-child, SIGKILL);
      }
    }
  }
  end_descendants();
  note_end(status, &usage, stopped, fenced);
  for (int i = 0; i < cgroup_count; i++) sys_remove_folder(cgroups[i]);
}

// Reads the options. Gives the index of the program's name.
static int read_options(int count, char **values) {
  int at = 1;
  for (; at + 1 < count; at += 2) {
    const char *name = values[at], *value = values[at + 1];
    if (is_same(name, "--")) return at + 1;
    if (is_same(name, "--exec")) executable = value;
    else if (is_same(name, "--folder")) folder = value;
    else if (is_same(name, "--lease")) lease = value;
    else if (is_same(name, "--oom")) oom = value;
    else if (is_same(name, "--grace")) grace = number(value);
    else if (is_same(name, "--cgroup") && cgroup_count < CGROUPS_MAX) cgroups[cgroup_count++] = value;
    else break;
  }
  give_up("options", EINVAL);
}

__attribute__((used)) _Noreturn void begin(long *start) {
  int count = (int)start[0];
  char **values = (char **)(start + 1);
  environment = values + count + 1;
  sys_close_on_exec(STATE);
  sys_close_on_exec(READY);
  // What the agent itself inherited and did not mark is nobody's business here. Best effort: kernels before 5.9 lack it.
  CALL(__NR_close_range, READY + 1, ~0U, 0, 0, 0);
  arguments = values + read_options(count, values);
  if (!executable) give_up("options", EINVAL);
  sys_set_mask(~0UL);
  sys_control(PR_SET_CHILD_SUBREAPER, 1);
  long error = folder ? sys_change_folder(folder) : 0;
  if (error < 0) give_up("folder", error);
  error = make_room();
  if (error < 0) give_up("note", error);
  long child = spawn(stack + sizeof stack, become_program);
  if (child < 0) give_up("fork", child);
  if (failed_stage) {
    // Nobody else may be there to take its status.
    sys_wait((int)child, 0, 0, 0);
    give_up(failed_stage, failed_errno);
  }
  note_start((int)child);
  sys_close(READY);
  hold((int)child);
  sys_exit(0);
}
