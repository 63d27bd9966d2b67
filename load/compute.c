// Loops and calls for `npm run bench -- lighten`: each export computes something that depends on all of its work.
#define EXPORT(name) __attribute__((export_name(#name)))
#define APART __attribute__((noinline))
#define HOST(space, name) __attribute__((import_module(space), import_name(name)))

typedef unsigned u32;

// That there is a call which waits, as in every guest: what can reach it is taken apart.
HOST("lunatic::message", "receive") u32 receive(const long long *tags, u32 count, unsigned long long ms);

static u32 numbers[50000];

EXPORT(fib) u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

static u32 state = 1;
static u32 next(void) { return (state = state * 1664525 + 1013904223) >> 8; }

APART static void quicksort(int from, int to) {
  while (from < to) {
    u32 pivot = numbers[(from + to) / 2];
    int low = from, high = to;
    while (low <= high) {
      while (numbers[low] < pivot) low++;
      while (numbers[high] > pivot) high--;
      if (low > high) break;
      u32 kept = numbers[low];
      numbers[low++] = numbers[high];
      numbers[high--] = kept;
    }
    if (high - from < to - low) {
      quicksort(from, high);
      from = low;
    } else {
      quicksort(low, to);
      to = high;
    }
  }
}

EXPORT(sort) u32 sort(u32 count) {
  for (u32 i = 0; i < count; i++) numbers[i] = next();
  quicksort(0, (int)count - 1);
  return numbers[count / 2];
}

static u32 turn(u32 x, u32 by) { return x << by | x >> (32 - by); }

// Rounds of the kind that hashes are made of: 16 words of state, much arithmetic between two loop heads.
EXPORT(hash) u32 hash(u32 blocks) {
  u32 a = 1, b = 2, c = 3, d = 4;
  for (u32 block = 0; block < blocks; block++) {
    for (u32 i = 0; i < 64; i++) {
      a += b + numbers[(block + i) % 4096]; d = turn(d ^ a, 16);
      c += d; b = turn(b ^ c, 12);
      a += b; d = turn(d ^ a, 8);
      c += d; b = turn(b ^ c, 7);
    }
  }
  return a ^ b ^ c ^ d;
}

// The tightest loop there is that cannot be computed ahead.
EXPORT(tight) u32 tight(u32 n) {
  u32 x = n;
  while (n-- > 0) {
    x ^= x << 13;
    x ^= x >> 17;
    __asm__ volatile("" : "+r"(x)); // several rounds cannot become one
  }
  return x;
}

EXPORT(sum) u32 sum(u32 times) {
  u32 total = 0;
  while (times-- > 0) {
    __asm__ volatile("" ::: "memory");
    for (u32 i = 0; i < 50000; i++) total += numbers[i] ^ times;
  }
  return total;
}

APART static u32 leaf(u32 x) { return x * 31 + 7; }
APART static u32 branch(u32 x) { return leaf(x) + leaf(x ^ 1); }
EXPORT(calls) u32 calls(u32 n) {
  u32 x = 0;
  for (u32 i = 0; i < n; i++) x += branch(x + i);
  return x;
}

static u32 (*const table[4])(u32) = {leaf, branch, leaf, branch};
EXPORT(indirect) u32 indirect(u32 n) {
  u32 x = 0;
  for (u32 i = 0; i < n; i++) x += table[(x + i) & 3](x);
  return x;
}

EXPORT(frenezulo_main) void frenezulo_main(void) { receive(0, 0, -1ull); }
