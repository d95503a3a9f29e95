// LD_PRELOAD library that makes the n-th call of one kind fail, so that tests can prove that no
// failure leaves a half-written file. INJECT_ERRORS=CALL:N[:all|:kill|:usr1|:term] with CALL
// one of write, fsync, rename; N from 1; "all" fails every later call too, "kill" ends the process
// there with SIGKILL, "usr1" and "term" send it that signal and let the call succeed. Writes to descriptors 0, 1 and 2
// are neither counted nor failed. INJECT_ERRORS_LOG names a file that is created when the fault
// fires. (Not BALLAST_...: those variables are options of the tools.)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static void report(void) {
  const char* path = getenv("INJECT_ERRORS_LOG");
  if (path == NULL) return;
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
}

// Counts a call of `kind`; nonzero when it has to fail.
static int fails(const char* kind) {
  const char* plan = getenv("INJECT_ERRORS");
  const size_t length = strlen(kind);
  if (plan == NULL || strncmp(plan, kind, length) != 0 || plan[length] != ':') return 0;
  char* mode = NULL;
  const long target = strtol(plan + length + 1, &mode, 10);
  const long number = atomic_fetch_add(&calls, 1) + 1;
  if (number != target && !(number > target && strcmp(mode, ":all") == 0)) return 0;
  report();
  if (strcmp(mode, ":kill") == 0) kill(getpid(), SIGKILL);
  const int number_of_signal =
      strcmp(mode, ":usr1") == 0 ? SIGUSR1 : (strcmp(mode, ":term") == 0 ? SIGTERM : 0);
  if (number_of_signal != 0) {
    kill(getpid(), number_of_signal);
    return 0;
  }
  return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* data, size_t bytes) {
  if (fd > 2 && fails("write")) {
    errno = ENOSPC;
    return -1;
  }
  return NEXT(write)(fd, data, bytes);
}

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  if (fd > 2 && fails("write")) {
    errno = ENOSPC;
    return -1;
  }
  return NEXT(pwrite)(fd, data, bytes, offset);
}

int fsync(int fd) {
  if (fails("fsync")) {
    errno = EIO;
    return -1;
  }
  return NEXT(fsync)(fd);
}

int fdatasync(int fd) {
  if (fails("fsync")) {
    errno = EIO;
    return -1;
  }
  return NEXT(fdatasync)(fd);
}

int rename(const char* from, const char* to) {
  if (fails("rename")) {
    errno = EIO;
    return -1;
  }
  return NEXT(rename)(from, to);
}

int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned int flags) {
  if (fails("rename")) {
    errno = EIO;
    return -1;
  }
  return NEXT(renameat2)(from_fd, from, to_fd, to, flags);
}
