/* link IF...: an Ethernet switch between network interfaces, with delay, loss, rate and cuts, in user space:
 * tests need slow and broken networks on kernels that have no netem.
 *
 * Settings belong to a port and act on what leaves towards it; lines on standard input set them, "all" or an
 * interface first:
 *
 *     all delay 10       ms            v2 rate 1e9        bit/s, 0: unlimited
 *     v1 loss 0.01       share         v2 cut 1           nothing passes in either direction
 *     add v3             one more port: its interface is new (a host was started again)
 *     print v1           "v1 BYTES FRAMES LOST" on standard output
 *     pair v1 v2 1       drops frames between the two only: half of a network is broken
 *
 * Ends when standard input does. Frames carry the virtio header, so that the kernel's large segments and
 * partial checksums pass: what is delayed or lost as one frame may be up to 64 KiB. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PORTS = 16,
    STATIONS = 64,
    VNET_BYTES = 10,
    FRAME_BYTES = 70000,
    QUEUE_BYTES =
        64 << 20, /* a port drops when more waits: a sender that does not listen cannot fill memory */
    BURST = 64    /* frames taken from one port before the others have their turn */
};

struct frame {
    double due;
    uint64_t order; /* frames due at once leave in the order they came */
    struct port *to;
    size_t length;
    unsigned char *bytes;
};

struct port {
    char name[IF_NAMESIZE];
    int socket; /* -1: its interface is gone */
    double delay, loss, rate;
    double free_at; /* the wire is busy until then */
    bool cut;
    size_t queued;
    uint64_t bytes, frames, lost;
};

struct station {
    unsigned char address[ETH_ALEN];
    int port;
};

struct net {
    struct port ports[PORTS];
    int n_ports;
    struct station stations[STATIONS];
    int n_stations;
    bool broken[PORTS][PORTS];
    struct frame *heap; /* the earliest on top */
    size_t n_heap, room;
    uint64_t order, random;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* xorshift, [0, 1): the same losses for the same frames on every run */
static double draw(struct net *net) {
    net->random ^= net->random << 13;
    net->random ^= net->random >> 7;
    net->random ^= net->random << 17;
    return (double)(net->random >> 11) * 0x1p-53;
}

/* ---- frames under way ---- */

static bool before(const struct frame *a, const struct frame *b) {
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void swap(struct frame *a, struct frame *b) {
    struct frame c = *a;
    *a = *b;
    *b = c;
}

static void push(struct net *net, struct frame f) {
    if (net->n_heap == net->room) {
        net->room = net->room ? 2 * net->room : 256;
        net->heap = realloc(net->heap, net->room * sizeof *net->heap);
        if (!net->heap) abort();
    }
    size_t i = net->n_heap++;
    net->heap[i] = f;
    for (; i > 0 && before(&net->heap[i], &net->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&net->heap[i], &net->heap[(i - 1) / 2]);
}

static struct frame pop(struct net *net) {
    struct frame *h = net->heap, top = h[0];
    h[0] = h[--net->n_heap];
    for (size_t i = 0, first; 2 * i + 1 < net->n_heap; i = first) {
        first = 2 * i + 1;
        if (first + 1 < net->n_heap && before(&h[first + 1], &h[first])) ++first;
        if (!before(&h[first], &h[i])) break;
        swap(&h[first], &h[i]);
    }
    return top;
}

static void forward(struct net *net, int from, int to, const unsigned char *bytes, size_t length) {
    struct port *p = &net->ports[to];
    bool dropped = p->socket < 0 || p->cut || net->broken[from][to] || draw(net) < p->loss ||
                   p->queued + length > QUEUE_BYTES;
    if (dropped) {
        ++p->lost;
        return;
    }
    double due = now();
    if (p->rate > 0) {
        if (p->free_at < due) p->free_at = due;
        p->free_at += (double)length * 8 / p->rate;
        due = p->free_at;
    }
    struct frame f = {due + p->delay, net->order++, p, length, malloc(length)};
    if (!f.bytes) abort();
    memcpy(f.bytes, bytes, length);
    p->queued += length;
    push(net, f);
}

static void deliver(struct net *net) {
    while (net->n_heap > 0 && net->heap[0].due <= now()) {
        struct frame f = pop(net);
        f.to->queued -= f.length;
        bool sent = f.to->socket >= 0 && send(f.to->socket, f.bytes, f.length, MSG_DONTWAIT) >= 0;
        if (sent) {
            f.to->bytes += f.length - VNET_BYTES;
            ++f.to->frames;
        } else {
            ++f.to->lost;
        }
        free(f.bytes);
    }
}

/* Which port a station was last heard on; -1: never. */
static int find(const struct net *net, const unsigned char *address) {
    for (int i = 0; i < net->n_stations; ++i)
        if (memcmp(net->stations[i].address, address, ETH_ALEN) == 0) return i;
    return -1;
}

static void learn(struct net *net, const unsigned char *address, int port) {
    int at = find(net, address);
    if (at < 0 && net->n_stations < STATIONS) {
        at = net->n_stations++;
        memcpy(net->stations[at].address, address, ETH_ALEN);
    }
    if (at >= 0) net->stations[at].port = port;
}

static void take(struct net *net, int from) {
    static unsigned char bytes[FRAME_BYTES];
    struct port *p = &net->ports[from];
    for (int i = 0; i < BURST; ++i) {
        ssize_t got = recv(p->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0) {
            if (errno == ENETDOWN || errno == ENXIO || errno == ENODEV) {
                close(p->socket); /* the host was switched off */
                p->socket = -1;
            }
            return;
        }
        if (got < VNET_BYTES + ETH_HLEN || p->cut) continue;
        const unsigned char *ether = bytes + VNET_BYTES;
        learn(net, ether + ETH_ALEN, from);
        int at = ether[0] & 1 ? -1 : find(net, ether);
        for (int to = 0; to < net->n_ports; ++to)
            if (to != from && (at < 0 || net->stations[at].port == to))
                forward(net, from, to, bytes, (size_t)got);
    }
}

/* ---- ports and their settings ---- */

static int open_port(const char *name) {
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), on = 1, room = 32 << 20;
    struct sockaddr_ll at = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    bool good = s >= 0 && bind(s, (struct sockaddr *)&at, sizeof at) == 0 &&
                setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0 &&
                setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) == 0 &&
                setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) == 0;
    if (!good) {
        perror(name);
        exit(1);
    }
    setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    return s;
}

static int port_of(const struct net *net, const char *name) {
    for (int i = 0; i < net->n_ports; ++i)
        if (strcmp(net->ports[i].name, name) == 0) return i;
    return -1;
}

/* A new port, or a known one whose interface was made anew. */
static void add(struct net *net, const char *name) {
    int at = port_of(net, name);
    if (at < 0) {
        if (net->n_ports == PORTS) exit(1);
        at = net->n_ports++;
        snprintf(net->ports[at].name, IF_NAMESIZE, "%s", name);
        net->ports[at].socket = -1;
    }
    if (net->ports[at].socket >= 0) close(net->ports[at].socket);
    net->ports[at].socket = open_port(name);
}

static bool set(struct port *p, const char *what, double value) {
    if (strcmp(what, "delay") == 0)
        p->delay = value * 1e-3;
    else if (strcmp(what, "loss") == 0)
        p->loss = value;
    else if (strcmp(what, "rate") == 0)
        p->rate = value;
    else if (strcmp(what, "cut") == 0)
        p->cut = value != 0;
    else
        return false;
    return true;
}

static bool set_ports(struct net *net, const char *name, const char *what, double value) {
    bool known = false;
    for (int i = 0; i < net->n_ports; ++i)
        if (strcmp(name, "all") == 0 || strcmp(name, net->ports[i].name) == 0)
            known = set(&net->ports[i], what, value);
    return known;
}

static bool obey(struct net *net, const char *line) {
    char a[32] = "", b[32] = "", c[32] = "";
    double value = 0;
    int words = sscanf(line, "%31s %31s %31s", a, b, c);
    if (words == 2 && strcmp(a, "add") == 0) {
        add(net, b);
        return true;
    }
    int at = port_of(net, b);
    if (words == 2 && strcmp(a, "print") == 0 && at >= 0) {
        const struct port *p = &net->ports[at];
        printf("%s %llu %llu %llu\n", p->name, (unsigned long long)p->bytes, (unsigned long long)p->frames,
               (unsigned long long)p->lost);
        return fflush(stdout) == 0;
    }
    if (sscanf(line, "pair %31s %31s %lf", a, b, &value) == 3) {
        int one = port_of(net, a), two = port_of(net, b);
        if (one < 0 || two < 0) return false;
        net->broken[one][two] = net->broken[two][one] = value != 0;
        return true;
    }
    return sscanf(line, "%31s %31s %lf", a, b, &value) == 3 && set_ports(net, a, b, value);
}

/* Whole lines from standard input; false at its end. */
static bool listen_to(struct net *net) {
    static char text[4096];
    static size_t length;
    ssize_t got = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
    if (got <= 0) return false;
    length += (size_t)got;
    text[length] = '\0';
    char *line = text;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (!obey(net, line)) fprintf(stderr, "link: what is \"%s\"?\n", line);
    }
    length = strlen(line);
    memmove(text, line, length);
    return length < sizeof text - 1;
}

static void wait_for_work(struct net *net, struct pollfd *polled) {
    polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (int i = 0; i < net->n_ports; ++i)
        polled[i + 1] = (struct pollfd){.fd = net->ports[i].socket, .events = POLLIN};
    struct timespec span = {1, 0};
    if (net->n_heap > 0) {
        double left = net->heap[0].due - now();
        if (left < 0) left = 0;
        if (left < 1) span = (struct timespec){0, (long)(left * 1e9)};
    }
    ppoll(polled, (nfds_t)net->n_ports + 1, &span, NULL);
}

int main(int count, char **words) {
    static struct net net = {.random = 0x9e3779b97f4a7c15u};
    for (int i = 1; i < count; ++i) add(&net, words[i]);
    struct pollfd polled[PORTS + 1];
    for (;;) {
        wait_for_work(&net, polled);
        deliver(&net);
        int ports = net.n_ports;
        if (polled[0].revents && !listen_to(&net)) return 0;
        for (int i = 0; i < ports; ++i)
            if (polled[i + 1].revents) take(&net, i);
    }
}
