// Does one bad thing by ?do=: loop, loop-fill, loop-copy, recursion, trap, divide, bounds, memory-bomb, exit (?code=N), scratch-bomb,
// log-flood, self-flood, fd-storm, clock-storm, bad-pointer, no-message, pointers; ?every=N only on each Nth request, else it answers.
#include "guest.h"

static uint32_t requests;
static volatile uint32_t sink;

__attribute__((noinline)) static uint32_t recurse(uint32_t depth) {
  volatile uint32_t here = depth;
  return depth == UINT32_MAX ? 0 : recurse(depth + 1) + here; // the stack ends long before
}

// Grows until it is refused, then touches every page; answers with the pages it got.
static void memory_bomb(void) {
  while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1) {}
  while (__builtin_wasm_memory_grow(0, 1) != (size_t)-1) {}
  size_t pages = __builtin_wasm_memory_size(0);
  for (size_t page = 1; page < pages; page++) *(volatile uint8_t *)(page * 65536) = 1;
  text_length = 0;
  add_number(pages);
  reply(200, text, text_length);
}

// Returns 1 if it has answered itself.
static int misbehave(void) {
  static uint8_t block[65536];
  if (parameter_is("do", "loop")) for (;;) sink++;
  if (parameter_is("do", "loop-fill")) for (;;) __builtin_memset(block, sink, sizeof block);
  if (parameter_is("do", "loop-copy")) for (;;) __builtin_memmove(block + 1, block, sizeof block - 1);
  if (parameter_is("do", "recursion")) sink = recurse(0);
  if (parameter_is("do", "trap")) __builtin_trap();
  static volatile uint32_t zero;
  if (parameter_is("do", "divide")) sink = 1000 / zero; // 1 / x would become a comparison
  if (parameter_is("do", "bounds")) sink = *(volatile uint32_t *)0x7ffffff0;
  if (parameter_is("do", "memory-bomb")) {
    memory_bomb();
    return 1;
  }
  if (parameter_is("do", "exit")) proc_exit(parameter_number("code", 1));
  if (parameter_is("do", "scratch-bomb")) for (create_data(0, 0);;) write_data(block, sizeof block);
  if (parameter_is("do", "log-flood")) {
    for (uint32_t i = 0; i < sizeof block; i++) block[i] = i % 64 == 63 ? '\n' : 'x';
    struct vector vector = {block, sizeof block};
    for (uint32_t written;;) fd_write(1, &vector, 1, &written);
  }
  if (parameter_is("do", "self-flood")) {
    for (;;) {
      create_data(1, 0);
      write_data(block, 1024);
      send(process_id());
    }
  }
  if (parameter_is("do", "fd-storm")) {
    struct vector vector = {block, 1};
    uint32_t written;
    for (uint32_t fd = 0;; fd++) if (fd != 1 && fd != 2) fd_write(fd, &vector, 1, &written);
  }
  if (parameter_is("do", "clock-storm")) for (;;) sink = now_ms();
  if (parameter_is("do", "bad-pointer")) write_data((void *)0xfffffff0, 0x100);
  if (parameter_is("do", "no-message")) {
    write_reply(200, "", 0);
    send_reply();
    send(reply_to); // the message has gone: there is none to send
  }
  if (parameter_is("do", "pointers")) {
    struct vector vector = {(void *)0xfffffff0, 0xffffffff};
    uint32_t written;
    fd_write(1, &vector, 1, &written);
    random_get((void *)0xfffffff0, 0xffffffff);
    fd_write(1, (void *)0xfffffff8, 0xffffffff, (void *)0xfffffffc);
  }
  return 0;
}

ENTRY {
  take_request();
  if (++requests % parameter_number("every", 1) == 0 && misbehave()) return;
  reply_text("survived\n");
}
