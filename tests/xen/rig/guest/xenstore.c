/*
 * xenstore read KEY, xenstore write KEY VALUE: one key of this domain's own area, relative to /local/domain/ID, by
 * speaking the wire protocol (io/xs_wire.h) on /dev/xen/xenbus, so that the guest needs no libxenstore.
 * Exits with 1 and xenstored's word for it (ENOENT ...) when that is refused.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { XS_READ = 2, XS_WRITE = 11, XS_ERROR = 16, PAYLOAD_MAX = 4096 };
struct message {
  uint32_t type, request, transaction, length;
  char payload[PAYLOAD_MAX + 1];
};
enum { HEADER = 16 };

int main(int argc, char **argv) {
  static struct message m;
  int writing = argc == 4 && !strcmp(argv[1], "write");
  if (!writing && !(argc == 3 && !strcmp(argv[1], "read"))) return 2;
  m.type = writing ? XS_WRITE : XS_READ;
  m.length = snprintf(m.payload, PAYLOAD_MAX, "%s%c%s", argv[2], 0, writing ? argv[3] : "");
  if (m.length > PAYLOAD_MAX) return 2;

  int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
  if (fd < 0) return perror("/dev/xen/xenbus"), 1;
  size_t size = HEADER + m.length;
  if (write(fd, &m, size) != (ssize_t)size) return perror("write"), 1;
  for (size_t got = 0; got < HEADER || got < HEADER + m.length;) {
    ssize_t n = read(fd, (char *)&m + got, sizeof m - 1 - got);
    if (n <= 0) return perror("read"), 1;
    got += n;
  }
  m.payload[m.length] = 0;
  if (m.type == XS_ERROR) return fprintf(stderr, "%s: %s\n", argv[2], m.payload), 1;
  if (!writing) fwrite(m.payload, 1, m.length, stdout);
  return 0;
}
