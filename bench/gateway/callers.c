/* Calls a server as clients do, and says how long each of them waited and whether any byte was another.
 *
 *     callers -p PORT -u PATH -b BODY -e EXPECTED -c CONNECTIONS -t SECONDS [-r RATE] [-i IDS] [-H HEADER]...
 *
 * Posts what the file BODY holds on so many connections of 127.0.0.1, kept alive, one call at a time on each: RATE
 * calls a second in all, or, without a rate, the next as soon as the last has ended. When SECONDS are over it waits for
 * the calls at work. The body of each answer is compared with the file EXPECTED. With -i every call has its number in
 * the header x-apportion-call, and the file IDS has the numbers whose answers came whole. Ends early when the server
 * cannot be reached any more. Prints one object of JSON, with medians in microseconds, from the moment of sending to
 * the first and to the last byte of the body.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_CONNECTIONS 1024
#define MOST_CALLS (1 << 22)
#define DRAIN_NS 120000000000LL

typedef enum { HEAD, LENGTH, CHUNK_LINE, CHUNK, CHUNK_END, TRAILER, UNTIL_CLOSED } part;

typedef struct {
    int fd; /* -1 where there is none */
    int busy;
    part at;
    int status;
    int other; /* a byte of the body is not as expected */
    size_t left; /* bytes of the body, or of the chunk */
    size_t body;
    uint64_t number;
    int64_t sent, first;
    size_t held;
    char in[65536];
} connection;

static connection connections[MOST_CONNECTIONS];
static int count = 1, poller, port, gone;
static char *body, *expected, *path = "/", headers[4096];
static size_t body_size, expected_size, done, other, bad, cut;
static uint64_t numbered;
static FILE *ids;
static uint32_t *waited, *waited_first;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static char *read_file(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    char *bytes = malloc(1 << 20);
    if (!file || !bytes) {
        perror(name);
        exit(2);
    }
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static int reach(connection *c) {
    int one = 1;
    struct sockaddr_in place = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&place, sizeof place)) {
        close(c->fd);
        c->fd = -1;
        return 0;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
    return 1;
}

static void hang_up(connection *c) {
    close(c->fd);
    c->fd = -1;
    cut += c->busy;
    c->busy = 0;
}

static void ask(connection *c) {
    static char request[1 << 21];
    if (c->fd < 0 && !reach(c)) {
        gone = 1;
        return;
    }
    char number[64] = "";
    c->number = numbered++;
    if (ids)
        snprintf(number, sizeof number, "x-apportion-call: %llu\r\n", (unsigned long long)c->number);
    int size = snprintf(request, sizeof request,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
        "User-Agent: OpenAI/Python 3.56.0\r\nX-Stainless-Lang: python\r\nX-Stainless-Async: async:asyncio\r\n"
        "%s%sContent-Length: %zu\r\n\r\n", path, port, headers, number, body_size);
    memcpy(request + size, body, body_size);
    c->busy = 1;
    c->sent = now_ns();
    c->at = HEAD;
    c->status = c->other = 0;
    c->left = c->body = c->held = 0;
    c->first = 0;
    if (send(c->fd, request, size + body_size, MSG_NOSIGNAL) != (ssize_t)(size + body_size))
        hang_up(c);
}

static void ended(connection *c) {
    int64_t now = now_ns();
    c->busy = 0;
    bad += c->status != 200;
    other += c->other || c->body != expected_size;
    if (done < MOST_CALLS) {
        waited[done] = (now - c->sent) / 1000;
        waited_first[done] = ((c->first ? c->first : now) - c->sent) / 1000;
    }
    done++;
    if (ids && c->status == 200)
        fprintf(ids, "%llu\n", (unsigned long long)c->number);
}

static void take(connection *c, const char *bytes, size_t size) {
    if (!c->first)
        c->first = now_ns();
    if (c->body + size > expected_size || memcmp(expected + c->body, bytes, size))
        c->other = 1;
    c->body += size;
}

/* Reads the head that is held up to `end`. */
static void understand(connection *c, char *end) {
    c->status = atoi(c->in + 9);
    c->at = UNTIL_CLOSED;
    for (char *line = c->in; line < end; line = (char *)memmem(line, end + 2 - line, "\r\n", 2) + 2) {
        if (!strncasecmp(line, "content-length:", 15)) {
            c->left = strtoul(line + 15, NULL, 10);
            c->at = LENGTH;
        }
        if (!strncasecmp(line, "transfer-encoding:", 18))
            c->at = CHUNK_LINE;
    }
}

/* Takes one step through what is held; how many bytes it was, or 0 where more is needed or the answer has ended. */
static size_t step(connection *c, char *bytes, size_t size) {
    char *end = memmem(bytes, size, c->at == HEAD ? "\r\n\r\n" : "\r\n", c->at == HEAD ? 4 : 2);
    size_t taken = size < c->left ? size : c->left;
    switch (c->at) {
    case HEAD:
        if (!end)
            return 0;
        understand(c, end);
        if (c->at == LENGTH && !c->left)
            ended(c);
        return end + 4 - bytes;
    case LENGTH:
    case CHUNK:
        take(c, bytes, taken);
        c->left -= taken;
        if (!c->left && c->at == LENGTH)
            ended(c);
        if (!c->left)
            c->at = CHUNK_END;
        return taken;
    case CHUNK_LINE:
        if (!end)
            return 0;
        c->left = strtoul(bytes, NULL, 16);
        c->at = c->left ? CHUNK : TRAILER;
        return end + 2 - bytes;
    case CHUNK_END:
        if (size < 2)
            return 0;
        c->at = CHUNK_LINE;
        return 2;
    case TRAILER:
        if (!end)
            return 0;
        if (end == bytes)
            ended(c);
        return end + 2 - bytes;
    case UNTIL_CLOSED:
        take(c, bytes, size);
        return size;
    }
    return 0;
}

static void hear(connection *c) {
    ssize_t size = recv(c->fd, c->in + c->held, sizeof c->in - c->held, 0);
    if (size <= 0) {
        if (size == 0 && c->busy && c->at == UNTIL_CLOSED)
            ended(c);
        hang_up(c);
        return;
    }
    c->held += size;
    size_t at = 0, taken;
    while (c->busy && at < c->held && (taken = step(c, c->in + at, c->held - at)))
        at += taken;
    c->held -= at;
    memmove(c->in, c->in + at, c->held);
}

static int by_size(const void *a, const void *b) {
    return (*(const uint32_t *)a > *(const uint32_t *)b) - (*(const uint32_t *)a < *(const uint32_t *)b);
}

static uint32_t middle(uint32_t *times) {
    size_t kept = done < MOST_CALLS ? done : MOST_CALLS;
    qsort(times, kept, sizeof *times, by_size);
    return kept ? times[kept / 2] : 0;
}

static void run(int64_t for_ns, double rate) {
    struct epoll_event events[256];
    int64_t began = now_ns(), stop = began + for_ns, now, next = began;
    int busy = 0;
    while (((now = now_ns()) < stop && !gone) || busy) {
        if (now > stop + DRAIN_NS)
            return;
        busy = 0;
        for (int n = 0; n < count; n++) {
            if (!connections[n].busy && now < stop && !gone && (!rate || now >= next)) {
                ask(&connections[n]);
                next = (now > next + 1e9 ? now : next) + (rate ? (int64_t)(1e9 / rate) : 0);
            }
            busy += connections[n].busy;
        }
        int64_t wait = rate && next > now && next < stop ? (next - now) / 1000000 + 1 : 10;
        int ready = epoll_wait(poller, events, 256, (int)(wait < 10 ? wait : 10));
        for (int n = 0; n < ready; n++)
            hear(events[n].data.ptr);
    }
}

int main(int argc, char **argv) {
    double seconds = 1, rate = 0;
    for (int option; (option = getopt(argc, argv, "p:u:b:e:c:t:r:i:H:")) != -1;) {
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'b': body = read_file(optarg, &body_size); break;
        case 'e': expected = read_file(optarg, &expected_size); break;
        case 'c': count = atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 'i': ids = fopen(optarg, "w"); break;
        case 'H':
            if (strlen(headers) + strlen(optarg) + 3 > sizeof headers)
                return 2;
            strcat(strcat(headers, optarg), "\r\n");
            break;
        default: return 2;
        }
    }
    if (!body || !expected || count < 1 || count > MOST_CONNECTIONS)
        return 2;
    waited = calloc(MOST_CALLS, sizeof *waited);
    waited_first = calloc(MOST_CALLS, sizeof *waited_first);
    poller = epoll_create1(0);
    for (int n = 0; n < count; n++)
        connections[n].fd = -1;
    run((int64_t)(seconds * 1e9), rate);
    if (ids)
        fclose(ids);
    printf("{\"calls\":%zu,\"bad_status\":%zu,\"cut\":%zu,\"other_bytes\":%zu,\"median_us\":%u,\"first_median_us\":%u}\n",
        done, bad, cut, other, middle(waited), middle(waited_first));
}
