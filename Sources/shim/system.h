// What the shim needs of the kernel, without a C library.
//
// Why none: a C library probes the processor when it starts (dozens of CPUID instructions, each of which leaves a
// virtual machine), which costs more than everything else the shim does. Starting it this way takes a quarter of the
// time of a static executable with glibc, and it is started once for every run.
//
// Errors come back as negative numbers, as the kernel gives them.
#ifndef SHIM_SYSTEM_H
#define SHIM_SYSTEM_H

#include <asm/siginfo.h>
#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/time.h>
#include <linux/wait.h>

#if defined(__x86_64__)

static inline long system_call(long number, long a, long b, long c, long d, long e) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                   : "rcx", "r11", "memory");
  return result;
}

// The kernel starts a program with argc, argv and the environment on the stack, and calls nothing.
__asm__(".globl _start\n"
        "_start:\n"
        "  xor %ebp, %ebp\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call begin\n");

// Runs `body` in a new process that shares this one's memory, on a stack of its own, and stops this one until the new
// one has replaced its program or ended (as vfork does). Gives the new process's id.
static inline long spawn(void *stack_end, void (*body)(void)) {
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  long result;
  __asm__ volatile("syscall\n"
                   "  test %%rax, %%rax\n"
                   "  jnz 1f\n"
                   "  xor %%ebp, %%ebp\n"
                   "  call *%[body]\n"
                   "  hlt\n"
                   "1:\n"
                   : "=a"(result)
                   : "a"(__NR_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(stack_end), "d"(0), "r"(r10),
                     "r"(r8), [body] "b"(body)
                   : "rcx", "r11", "memory", "cc");
  return result;
}

#elif defined(__aarch64__)

static inline long system_call(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  bl begin\n");

static inline long spawn(void *stack_end, void (*body)(void)) {
  register long x8 __asm__("x8") = __NR_clone;
  register long x0 __asm__("x0") = CLONE_VM | CLONE_VFORK | SIGCHLD;
  register void *x1 __asm__("x1") = stack_end;
  register long x2 __asm__("x2") = 0;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = 0;
  register void (*x19)(void) __asm__("x19") = body;
  __asm__ volatile("svc 0\n"
                   "  cbnz x0, 1f\n"
                   "  mov x29, #0\n"
                   "  blr x19\n"
                   "  brk #1\n"
                   "1:\n"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19)
                   : "memory", "cc", "x30");
  return x0;
}

#else
#error "the shim knows x86_64 and aarch64; another processor needs its system call and start sequence here"
#endif

#define CALL(number, a, b, c, d, e) \
  system_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

// A set of signals as the kernel takes it, one bit each.
typedef unsigned long signals;
#define SIGNAL(number) (1UL << ((number) - 1))

static inline long sys_open(const char *path, int flags) {
  return CALL(__NR_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0, 0);
}
static inline long sys_read(int file, void *bytes, unsigned long size) {
  return CALL(__NR_read, file, bytes, size, 0, 0);
}
static inline long sys_write(int file, const void *bytes, unsigned long size) {
  return CALL(__NR_write, file, bytes, size, 0, 0);
}
static inline long sys_write_at(int file, const void *bytes, unsigned long size, long offset) {
  return CALL(__NR_pwrite64, file, bytes, size, offset, 0);
}
static inline void sys_close(int file) { CALL(__NR_close, file, 0, 0, 0, 0); }
static inline void sys_close_on_exec(int file) { CALL(__NR_fcntl, file, F_SETFD, FD_CLOEXEC, 0, 0); }
static inline long sys_change_folder(const char *path) { return CALL(__NR_chdir, path, 0, 0, 0, 0); }
static inline long sys_remove_folder(const char *path) {
  return CALL(__NR_unlinkat, AT_FDCWD, path, AT_REMOVEDIR, 0, 0);
}
static inline long sys_exec(const char *path, char **arguments, char **environment) {
  return CALL(__NR_execve, path, arguments, environment, 0, 0);
}
static inline long sys_kill(int process, int signal) { return CALL(__NR_kill, process, signal, 0, 0, 0); }
static inline int sys_process(void) { return (int)CALL(__NR_getpid, 0, 0, 0, 0, 0); }
static inline void sys_new_session(void) { CALL(__NR_setsid, 0, 0, 0, 0, 0); }
static inline void sys_control(int option, long value) { CALL(__NR_prctl, option, value, 0, 0, 0); }
static inline long sys_wait(int process, int *status, int options, struct rusage *usage) {
  return CALL(__NR_wait4, process, status, options, usage, 0);
}
// Whether child `process` has ended, without taking its status: its number stays its own.
static inline int sys_has_ended(int process) {
  siginfo_t info;
  info.si_pid = 0;
  long result = CALL(__NR_waitid, P_PID, process, &info, WEXITED | WNOHANG | WNOWAIT, 0);
  return result == 0 && info.si_pid == process;
}
static inline void sys_set_mask(signals set) {
  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &set, 0, sizeof set, 0);
}
// Waits for one of `set`, at most `timeout` (NULL: for ever). Gives the signal's number.
static inline int sys_await_signal(signals set, siginfo_t *info, const struct __kernel_timespec *timeout) {
  return (int)CALL(__NR_rt_sigtimedwait, &set, info, timeout, sizeof set, 0);
}
static inline struct __kernel_timespec sys_time(int clock) {
  struct __kernel_timespec time = {0, 0};
  CALL(__NR_clock_gettime, clock, &time, 0, 0, 0);
  return time;
}
static inline long sys_new_timer(int clock, int signal, int *timer) {
  struct sigevent event;
  char *bytes = (char *)&event;
  for (unsigned long i = 0; i < sizeof event; i++) bytes[i] = 0;
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = signal;
  return CALL(__NR_timer_create, clock, &event, timer, 0, 0);
}
// Arms `timer` for the nanosecond `at` of its clock; 0 disarms it.
static inline void sys_set_timer(int timer, long long at) {
  struct __kernel_itimerspec setting = {{0, 0}, {at / 1000000000, at % 1000000000}};
  CALL(__NR_timer_settime, timer, TIMER_ABSTIME, &setting, 0, 0);
}
static inline _Noreturn void sys_exit(int code) {
  for (;;) CALL(__NR_exit_group, code, 0, 0, 0, 0);
}

#endif
