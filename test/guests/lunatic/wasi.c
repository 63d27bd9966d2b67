// WASI preview 1 where the C library does not go: clocks, polls, hints, rights, signals and sockets. Files lie in /db.
// Run with --dir FOLDER::/db (test/integration/lunatic-programs.test.ts); the folder is empty before.
#include "tap.h"

enum { BAD_FD = 8, INVALID = 28, NOT_SUPPORTED = 52, NOT_CAPABLE = 76 };
enum { WRITE = 1 << 6 };
#define ALL 0x1fffffffull
#define MS 1000000ull

struct stat { uint64_t device, inode; uint8_t type; uint64_t links, size, accessed, modified, changed; };
struct subscription {
  uint64_t userdata;
  uint64_t type;
  uint32_t clock;
  uint64_t timeout, precision;
  uint16_t flags;
};
struct event { uint64_t userdata; uint16_t error; uint8_t type; uint64_t bytes; uint16_t flags; };
struct prestat { uint32_t type, length; };

WASI("clock_res_get") uint32_t clock_res_get(uint32_t id, uint64_t *nanoseconds);
WASI("fd_advise") uint32_t fd_advise(uint32_t fd, uint64_t offset, uint64_t length, uint32_t advice);
WASI("fd_allocate") uint32_t fd_allocate(uint32_t fd, uint64_t offset, uint64_t length);
WASI("fd_datasync") uint32_t fd_datasync(uint32_t fd);
WASI("fd_sync") uint32_t fd_sync(uint32_t fd);
WASI("fd_tell") uint32_t fd_tell(uint32_t fd, uint64_t *place);
WASI("fd_fdstat_set_rights") uint32_t fd_fdstat_set_rights(uint32_t fd, uint64_t base, uint64_t inheriting);
WASI("fd_filestat_get") uint32_t fd_filestat_get(uint32_t fd, struct stat *stat);
WASI("fd_filestat_set_times")
uint32_t fd_filestat_set_times(uint32_t fd, uint64_t accessed, uint64_t modified, uint32_t flags);
WASI("fd_prestat_get") uint32_t fd_prestat_get(uint32_t fd, struct prestat *prestat);
WASI("fd_prestat_dir_name") uint32_t fd_prestat_dir_name(uint32_t fd, char *to, uint32_t length);
WASI("fd_renumber") uint32_t fd_renumber(uint32_t from, uint32_t to);
WASI("path_open") uint32_t path_open(uint32_t fd, uint32_t follow, const char *path, uint32_t length, uint32_t how,
                                     uint64_t base, uint64_t inheriting, uint32_t flags, uint32_t *opened);
WASI("poll_oneoff") uint32_t poll_oneoff(const struct subscription *subscriptions, struct event *events, uint32_t count,
                                         uint32_t *happened);
WASI("proc_raise") uint32_t proc_raise(uint32_t signal);
WASI("sched_yield") uint32_t sched_yield(void);
WASI("sock_accept") uint32_t sock_accept(uint32_t fd, uint32_t flags, uint32_t *accepted);
WASI("sock_recv") uint32_t sock_recv(uint32_t fd, const struct vector *vectors, uint32_t count, uint32_t flags,
                                     uint32_t *got, uint32_t *out_flags);
WASI("sock_send") uint32_t sock_send(uint32_t fd, const struct vector *vectors, uint32_t count, uint32_t flags,
                                     uint32_t *sent);
WASI("sock_shutdown") uint32_t sock_shutdown(uint32_t fd, uint32_t how);

static uint32_t opened(const char *name) {
  struct prestat prestat;
  char path[16];
  uint32_t fd;
  for (uint32_t root = 3; fd_prestat_get(root, &prestat) == 0; root++) {
    if (prestat.length != 3 || fd_prestat_dir_name(root, path, 3) != 0 || path[1] != 'd') continue;
    EQUAL(path_open(root, 0, name, length_of(name), 1, ALL, ALL, 0, &fd), 0);
    return fd;
  }
  fail(__LINE__, "there is no /db");
}

static void polls_wait(void) {
  uint64_t resolution = 0, before = now_ms();
  EQUAL(clock_res_get(1, &resolution), 0);
  EQUAL(resolution, MS);
  EQUAL(clock_res_get(9, &resolution), INVALID);
  struct subscription clocks[] = {
    {.userdata = 1, .clock = 1, .timeout = 60000 * MS},
    {.userdata = 2, .clock = 1, .timeout = 30 * MS},
  };
  struct event events[2] = {0};
  uint32_t happened = 0;
  EQUAL(poll_oneoff(clocks, events, 2, &happened), 0);
  EQUAL(happened, 1);
  EQUAL(events[0].userdata, 2);
  EQUAL(events[0].error, 0);
  EXPECT(now_ms() - before >= 28);
  EQUAL(poll_oneoff(clocks, events, 0, &happened), INVALID);
  EQUAL(sched_yield(), 0);
}

static void files_have_sizes_and_times(void) {
  struct stat stat;
  uint32_t fd = opened("sized");
  EQUAL(fd_allocate(fd, 10, 10), 0);
  EQUAL(fd_advise(fd, 0, 0, 1), 0);
  EQUAL(fd_advise(fd, 0, 0, 77), INVALID);
  EQUAL(fd_filestat_set_times(fd, 5000 * MS, 6000 * MS, 5), 0);
  EQUAL(fd_sync(fd), 0);
  EQUAL(fd_datasync(fd), 0);
  EQUAL(fd_filestat_get(fd, &stat), 0);
  EQUAL(stat.type, 4);
  EQUAL(stat.size, 20);
  EQUAL(stat.modified, 6000 * MS);
}

static void numbers_and_rights_change(void) {
  uint32_t one = opened("one"), other = opened("other"), written;
  struct vector vector = {"text", 4};
  EQUAL(fd_write(other, &vector, 1, &written), 0);
  EQUAL(fd_renumber(other, one), 0);
  uint64_t place = 0;
  EQUAL(fd_tell(one, &place), 0);
  EQUAL(place, 4);
  EQUAL(fd_tell(other, &place), BAD_FD);
  EQUAL(fd_fdstat_set_rights(one, ALL & ~WRITE & 0xff, 0), 0);
  EQUAL(fd_write(one, &vector, 1, &written), NOT_CAPABLE);
  EQUAL(fd_fdstat_set_rights(one, WRITE, 0), NOT_CAPABLE);
}

static void sockets_are_not_there(void) {
  uint32_t got, flags;
  struct vector vector = {text, sizeof text};
  EQUAL(proc_raise(9), NOT_SUPPORTED);
  EQUAL(sock_accept(3, 0, &got), NOT_SUPPORTED);
  EQUAL(sock_recv(3, &vector, 1, 0, &got, &flags), NOT_SUPPORTED);
  EQUAL(sock_send(3, &vector, 1, 0, &got), NOT_SUPPORTED);
  EQUAL(sock_shutdown(3, 0), NOT_SUPPORTED);
}

TESTS(
  TEST("a poll waits for the first of its clocks", polls_wait),
  TEST("a file is given room, times and hints", files_have_sizes_and_times),
  TEST("a descriptor gets another number and fewer rights", numbers_and_rights_change),
  TEST("signals and sockets are not supported", sockets_are_not_there)
)
