// Serves the files of its directory "www" with the C library: GET /NAME/path is www/path; a body is written to data/upload first.
// ?do=hold opens 50 files and 50 listings, and loops for ever.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#define send send_message // the C library has a send of its own
#include "guest.h"

ENTRY {
  static char path[1024], content[65536];
  take_request();
  if (parameter_is("do", "hold")) {
    for (int i = 0; i < 50; i++) {
      DIR *directory = opendir("www");
      if (fopen("www/page", "r") == NULL || directory == NULL || readdir(directory) == NULL) __builtin_trap();
    }
    for (volatile int i = 0;; i++) {}
  }
  if (body.length > 0) {
    FILE *upload = fopen("data/upload", "w");
    if (upload == NULL) {
      reply(500, "no upload", 9);
      return;
    }
    fwrite(body.at, 1, body.length, upload);
    fclose(upload);
  }
  uint32_t start = 1;
  while (start < uri.length && uri.at[start] != '/') start++;
  snprintf(path, sizeof path, "www%.*s", (int)(uri.length - start), (const char *)uri.at + start);
  FILE *file = fopen(path, "r");
  if (file == NULL) {
    int length = snprintf(content, sizeof content, "error %d", errno);
    reply(404, content, length);
    return;
  }
  uint32_t length = fread(content, 1, sizeof content, file);
  fclose(file);
  reply(200, content, length);
}
