// The seam to what Linux has and Swift's Glibc module has not: epoll, eventfd, process file descriptors, memory files.
// The functions here exist because their C forms are variadic, macros over unions, or need a feature macro.
#ifndef LUNAPORT_LINUX_H
#define LUNAPORT_LINUX_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Whether the process behind `pidfd` has ended; its exit code and signal are then filled in. With `leave` its status
// stays to be taken again. Gives 1, 0 (still running) or a negative errno (-ECHILD: not a child of ours).
static inline int linux_status(int pidfd, int leave, int *code, int *signal) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  if (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG | (leave ? WNOWAIT : 0)) < 0)
    return -errno;
  if (info.si_pid == 0) return 0;
  *code = info.si_code == CLD_EXITED ? info.si_status : 0;
  *signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
  return 1;
}

// Sends `signal` with `value` to the process behind `pidfd`, and to no other. Gives 0 or a negative errno.
static inline int linux_send(int pidfd, int signal, int value) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int = value;
  return pidfd_send_signal(pidfd, signal, &info, 0) < 0 ? -errno : 0;
}

// A file in memory with close-on-exec. Gives its descriptor or a negative errno.
static inline int linux_memory_file(const char *name) {
  long file = syscall(SYS_memfd_create, name, 1u /* MFD_CLOEXEC */);
  return file < 0 ? -errno : (int)file;
}

// A file descriptor of `file`'s description that is at least `least`, with close-on-exec. A negative errno on failure.
static inline int linux_duplicate(int file, int least) {
  int copy = fcntl(file, F_DUPFD_CLOEXEC, least);
  return copy < 0 ? -errno : copy;
}

// Both ends of a new pipe, with close-on-exec. Gives 0 or a negative errno.
static inline int linux_pipe(int *read_end, int *write_end) {
  int ends[2];
  if (syscall(SYS_pipe2, ends, O_CLOEXEC) < 0) return -errno;
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}

// Takes a connection, nonblocking and with close-on-exec; `address` is room for `size` bytes of its address. Gives its
// descriptor or a negative errno.
static inline int linux_accept(int socket, void *address, unsigned *size) {
  long connection = syscall(SYS_accept4, socket, address, size, O_NONBLOCK | O_CLOEXEC);
  return connection < 0 ? -errno : (int)connection;
}

// Both declared by <spawn.h> only under _GNU_SOURCE, which a module cannot set for the headers it shares with Glibc.
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

// Copies all of file `from` to the empty file `to`: as a shared extent where the file system can, else inside the kernel,
// else by hand. Gives 0 or a negative errno.
static inline int linux_copy(int from, int to) {
  if (ioctl(to, 0x40049409ul /* FICLONE */, from) == 0) return 0;
  for (;;) {
    long copied = syscall(SYS_copy_file_range, from, (void *)0, to, (void *)0, (size_t)1 << 30, 0u);
    if (copied == 0) return 0;
    if (copied < 0) break;
  }
  if (errno != EXDEV && errno != ENOSYS && errno != EINVAL && errno != EOPNOTSUPP && errno != EPERM) return -errno;
  char bytes[16384];
  for (;;) {
    ssize_t got = read(from, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return got < 0 ? -errno : 0;
    for (ssize_t done = 0; done < got;) {
      ssize_t put = write(to, bytes + done, (size_t)(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return -errno;
      done += put;
    }
  }
}

static inline int linux_open(const char *path, int flags, mode_t mode) {
  int file = open(path, flags | O_CLOEXEC, mode);
  return file < 0 ? -errno : file;
}

// Opens what is there under `name` in an open folder. Gives its descriptor or a negative errno.
static inline int linux_open_at(int folder, const char *name, int flags) {
  int file = openat(folder, name, flags | O_CLOEXEC);
  return file < 0 ? -errno : file;
}

// Raises the soft limit of open files to the hard limit. Best effort: what is refused leaves it as it is.
static inline void linux_raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
