/* Storage calls that fail on demand; loaded into the server by LD_PRELOAD.
 *
 * FAULT_FILES   path of the database: files whose path begins so are ours, and so is their folder
 * FAULT         kind of fault: a name of `kinds`
 * FAULT_AT      which call fails: 1 is the first that can have this fault
 * FAULT_LASTS   if set, all later calls fail too
 * FAULT_REPORT  file that gets the call's name and path when it happens
 * FAULT_ROOM    file that, as long as it is there, says by how many bytes our files may grow meanwhile; or
 *               "none": they can only be read
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN = 1, READ = 2, WRITE = 4, RESIZE = 8, SYNC = 16, MAP = 32, UNLINK = 64 };
static const char *const names[] = {
    [OPEN] = "open", [READ] = "read", [WRITE] = "write", [RESIZE] = "resize",
    [SYNC] = "sync", [MAP] = "map",   [UNLINK] = "unlink",
};

static const struct kind {
    const char *name;
    int calls;   /* calls that can have it */
    int error;   /* 0: the process is killed */
    int torn;    /* half of the bytes are written before that */
} kinds[] = {
    {"eio", OPEN | READ | WRITE | RESIZE | SYNC | MAP | UNLINK, EIO, 0},
    {"enospc", WRITE, ENOSPC, 0}, /* a file may shrink on a full disk */
    {"torn", WRITE, EIO, 1},
    {"torn-kill", WRITE, 0, 1},
    {"sync", SYNC, EIO, 0},
    {"kill", OPEN | READ | WRITE | RESIZE | SYNC | MAP | UNLINK, 0, 0},
};

static const struct kind *kind;
static const char *files, *room;
static long at;
static atomic_long calls, grown;
static char *paths[65536]; /* of our files, by descriptor */

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("FAULT"), *n = getenv("FAULT_AT");
    files = getenv("FAULT_FILES");
    room = getenv("FAULT_ROOM");
    at = n ? atol(n) : 0;
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(name, kinds[i].name)) kind = &kinds[i];
}

static int is_ours(const char *path) {
    if (!files) return 0;
    size_t folder = strrchr(files, '/') - files;
    return !strncmp(path, files, strlen(files)) || (strlen(path) == folder && !strncmp(path, files, folder));
}

static const char *ours(int fd) { return fd >= 0 && fd < 65536 ? paths[fd] : NULL; }

static void report(int call, const char *path) {
    char line[4096];
    int length = snprintf(line, sizeof line, "%s %s", names[call], path);
    int fd = syscall(SYS_openat, AT_FDCWD, getenv("FAULT_REPORT"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

/* Whether this call on one of our files fails; sets errno if so. */
static int fails(int call, const char *path) {
    if (!kind || !(kind->calls & call)) return 0;
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (n < at || (n > at && !getenv("FAULT_LASTS"))) return 0;
    if (n == at) report(call, path);
    if (!kind->torn && !kind->error) kill(getpid(), SIGKILL);
    errno = kind->error;
    return 1;
}

/* By how many bytes our files may grow; -1: they can only be read. */
static long growth_max(void) {
    long bytes;
    FILE *file = room ? fopen(room, "r") : NULL;
    if (!file) return LONG_MAX;
    if (fscanf(file, "%ld", &bytes) != 1) bytes = -1;
    fclose(file);
    return bytes;
}

static int is_read_only(const char *path) {
    if (!path || growth_max() >= 0) return 0;
    errno = EROFS;
    return 1;
}

/* How many of these bytes find room, where the file would end at `end`; errno is set if none does. */
static size_t fitting(int fd, off_t end, size_t count) {
    struct stat now;
    if (fstat(fd, &now) || end <= now.st_size) return count;
    long most = growth_max(), growth = end - now.st_size;
    if (most == LONG_MAX) grown = 0;
    long left = most - grown;
    size_t missing = growth > left ? growth - (left > 0 ? left : 0) : 0;
    if (missing >= count) {
        errno = ENOSPC;
        return 0;
    }
    grown += growth - missing;
    return count - missing;
}

static int opened(const char *path, int flags, mode_t mode) {
    if (is_ours(path) && fails(OPEN, path)) return -1;
    if (flags & (O_WRONLY | O_RDWR) && is_ours(path) && is_read_only(path)) return -1;
    int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < 65536) paths[fd] = is_ours(path) ? strdup(path) : NULL;
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return opened(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return opened(path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < 65536) paths[fd] = NULL;
    return syscall(SYS_close, fd);
}

ssize_t pread64(int fd, void *bytes, size_t count, off_t offset) {
    if (ours(fd) && fails(READ, ours(fd))) return -1;
    return syscall(SYS_pread64, fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    if (ours(fd) && fails(WRITE, ours(fd))) {
        if (kind->torn) syscall(SYS_pwrite64, fd, bytes, count / 2, offset);
        if (!kind->error) kill(getpid(), SIGKILL);
        errno = kind->error;
        return -1;
    }
    if (is_read_only(ours(fd))) return -1;
    if (ours(fd) && count && !(count = fitting(fd, offset + count, count))) return -1;
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
}

int ftruncate64(int fd, off_t length) {
    if (ours(fd) && fails(RESIZE, ours(fd))) return -1;
    if (is_read_only(ours(fd)) || (ours(fd) && !fitting(fd, length, 1))) return -1;
    return syscall(SYS_ftruncate, fd, length);
}

int fsync(int fd) {
    if (ours(fd) && fails(SYNC, ours(fd))) return -1;
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    if (ours(fd) && fails(SYNC, ours(fd))) return -1;
    return syscall(SYS_fdatasync, fd);
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (ours(fd) && fails(MAP, ours(fd))) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

int unlink(const char *path) {
    if (is_ours(path) && (fails(UNLINK, path) || is_read_only(path))) return -1;
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
