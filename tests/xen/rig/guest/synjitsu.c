/*
 * Plays Synjitsu in a guest: the server of a vchan for domain 0 on port "synjitsu", as MirageOS has it (the keys are in
 * data/vchan/0/synjitsu of its xenstore area, the ring it reads is 1024 bytes in the shared page). It
 *
 *   - keeps what it is told, a line of hexadecimal for each ten bytes, in the file it is given, with a line "open" when
 *     it waits for a client and "closed" when that has gone
 *   - answers ARP requests on eth0 for the addresses it was told of, with the MAC it was told
 *
 * synjitsu FILE: one client, then it ends. synjitsu FILE deaf: it reads nothing at all.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <libxenvchan.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RING = 1024, KNOWN = 256 };
struct pair { unsigned char mac[6], ip[4]; };
static struct pair known[KNOWN];
static unsigned told;
static int file;

static void keep(const char *line) {
  if (write(file, line, strlen(line)) < 0) perror("write");
}

static void hear(const struct pair *pair) {
  char line[2 * sizeof *pair + 2];
  for (unsigned i = 0; i < sizeof *pair; i++) sprintf(line + 2 * i, "%02x", ((const unsigned char *)pair)[i]);
  strcat(line, "\n");
  keep(line);
  known[told++ % KNOWN] = *pair;
}

/* RFC 826: who asks for an address we were told of gets the newest MAC for it. */
static void answer(int arp) {
  struct { struct ether_header eth; struct ether_arp arp; } frame;
  struct sockaddr_ll from;
  socklen_t size = sizeof from;
  ssize_t n = recvfrom(arp, &frame, sizeof frame, 0, (void *)&from, &size);
  if (n < (ssize_t)sizeof frame || from.sll_pkttype == PACKET_OUTGOING || ntohs(frame.arp.arp_op) != ARPOP_REQUEST) return;
  for (unsigned i = told; i-- > 0 && i + KNOWN >= told;) {
    const struct pair *pair = &known[i % KNOWN];
    if (memcmp(pair->ip, frame.arp.arp_tpa, 4)) continue;
    memcpy(frame.eth.ether_dhost, frame.arp.arp_sha, 6);
    memcpy(frame.eth.ether_shost, pair->mac, 6);
    frame.arp.arp_op = htons(ARPOP_REPLY);
    memcpy(frame.arp.arp_tha, frame.arp.arp_sha, 10); /* its address, too */
    memcpy(frame.arp.arp_sha, pair, sizeof *pair);
    if (send(arp, &frame, sizeof frame, 0) < 0) perror("send");
    return;
  }
}

int main(int argc, char **argv) {
  file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
  int arp = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
  struct sockaddr_ll eth0 = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = if_nametoindex("eth0") };
  if (file < 0 || arp < 0 || bind(arp, (void *)&eth0, sizeof eth0)) return perror("synjitsu"), 1;
  struct libxenvchan *vchan = libxenvchan_server_init(NULL, 0, "data/vchan/0/synjitsu", RING, RING);
  if (!vchan) return perror("libxenvchan_server_init"), 1;
  vchan->blocking = 0;
  keep("open\n");
  if (argc > 2 && !strcmp(argv[2], "deaf")) for (;;) pause();
  for (;;) {
    struct pair pair;
    int n;
    while ((n = libxenvchan_recv(vchan, &pair, sizeof pair)) == sizeof pair) hear(&pair);
    if (n < 0) break;
    struct pollfd fds[] = { { libxenvchan_fd_for_select(vchan), POLLIN }, { arp, POLLIN } };
    if (poll(fds, 2, -1) < 0) return perror("poll"), 1;
    if (fds[0].revents) libxenvchan_wait(vchan);
    if (fds[1].revents) answer(arp);
  }
  libxenvchan_close(vchan);
  keep("closed\n");
  return 0;
}
