// A program that does to files what its arguments say, with the C library: "write" NAME TEXT, "ls" NAME, … one after the other.
// Prints a line for each: the operation, and what came of it or the error's number.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int cat(const char *name) {
  char buffer[100];
  FILE *file = fopen(name, "r");
  if (file == NULL) return -1;
  size_t got;
  while ((got = fread(buffer, 1, sizeof buffer, file)) > 0) fwrite(buffer, 1, got, stdout);
  return ferror(file) ? -1 : fclose(file);
}

static int put(const char *name, const char *mode, const char *text) {
  FILE *file = fopen(name, mode);
  if (file == NULL) return -1;
  if (fputs(text, file) < 0) return -1;
  return fclose(file);
}

static int ls(const char *name) {
  char *names[4096];
  size_t count = 0;
  DIR *directory = opendir(name);
  if (directory == NULL) return -1;
  for (struct dirent *entry; count < 4096 && (entry = readdir(directory)) != NULL;) {
    const char *kind = entry->d_name[0] == '.' ? "" : entry->d_type == DT_DIR ? "/" : entry->d_type == DT_LNK ? "@" : "";
    asprintf(&names[count++], "%s%s", entry->d_name, kind);
  }
  qsort(names, count, sizeof *names, compare);
  for (size_t i = 0; i < count; i++) printf("%s%s", i == 0 ? "" : " ", names[i]);
  return closedir(directory);
}

static int describe(int result, const struct stat *found) {
  if (result != 0) return -1;
  const char *kind = S_ISDIR(found->st_mode) ? "directory" : S_ISREG(found->st_mode) ? "file" : S_ISLNK(found->st_mode) ? "link" : "other";
  printf("%s of %lld", kind, S_ISREG(found->st_mode) ? (long long)found->st_size : 0);
  return 0;
}

// Writes, seeks back over the end, and reads what lies where.
static int seek(const char *name) {
  char buffer[8] = {0};
  int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return -1;
  write(file, "abcdef", 6);
  off_t second = lseek(file, -4, SEEK_END);
  read(file, buffer, 2);
  pwrite(file, "XY", 2, 0);
  off_t here = lseek(file, 0, SEEK_CUR);
  pread(file, buffer + 2, 4, 0);
  if (lseek(file, -1, SEEK_SET) != -1 || errno != EINVAL) return -1;
  ftruncate(file, 9);
  printf("%lld %lld %s %lld", (long long)second, (long long)here, buffer, (long long)lseek(file, 0, SEEK_END));
  return close(file);
}

static int touch(const char *name, const char *seconds) {
  struct timespec times[2] = {{atoll(seconds), 0}, {atoll(seconds) + 1, 500000000}};
  struct stat found;
  if (utimensat(AT_FDCWD, name, times, 0) != 0 || stat(name, &found) != 0) return -1;
  printf("%lld %lld.%03ld", (long long)found.st_atim.tv_sec, (long long)found.st_mtim.tv_sec, found.st_mtim.tv_nsec / 1000000);
  return 0;
}

static int flood(const char *name) {
  int opened = 0;
  while (open(name, O_RDONLY) >= 0) opened++;
  printf("%d ", opened);
  return -1;
}

static int target(const char *name) {
  char buffer[100];
  ssize_t length = readlink(name, buffer, sizeof buffer);
  if (length < 0) return -1;
  fwrite(buffer, 1, length, stdout);
  return 0;
}

int main(int count, char **arguments) {
  for (int i = 1; i < count;) {
    const char *what = arguments[i++], *a = arguments[i++], *b = i < count ? arguments[i] : "";
    struct stat found;
    int result = -2, two = 1;
    printf("%s: ", what);
    if (strcmp(what, "write") == 0) result = put(a, "w", b);
    else if (strcmp(what, "append") == 0) result = put(a, "a", b);
    else if (strcmp(what, "mv") == 0) result = rename(a, b);
    else if (strcmp(what, "ln") == 0) result = link(a, b);
    else if (strcmp(what, "symlink") == 0) result = symlink(a, b);
    else if (strcmp(what, "truncate") == 0) result = truncate(a, atoll(b));
    else if (strcmp(what, "touch") == 0) result = touch(a, b);
    else two = 0;
    i += two;
    if (strcmp(what, "cat") == 0) result = cat(a);
    else if (strcmp(what, "ls") == 0) result = ls(a);
    else if (strcmp(what, "stat") == 0) result = describe(stat(a, &found), &found);
    else if (strcmp(what, "lstat") == 0) result = describe(lstat(a, &found), &found);
    else if (strcmp(what, "mkdir") == 0) result = mkdir(a, 0755);
    else if (strcmp(what, "rmdir") == 0) result = rmdir(a);
    else if (strcmp(what, "rm") == 0) result = unlink(a);
    else if (strcmp(what, "readlink") == 0) result = target(a);
    else if (strcmp(what, "seek") == 0) result = seek(a);
    else if (strcmp(what, "flood") == 0) result = flood(a);
    if (result == -2) abort();
    if (result == -1) printf("error %d", errno);
    putchar('\n');
  }
  return 0;
}
