/* A provider that costs nothing: answers every call at once, or streams an answer at a model's pace.
 *
 *     mock_upstream          serves on a free port of 127.0.0.1, which it prints, until it is told to end
 *
 * A POST whose body asks for a stream gets 60 chunks, one every 5.7 ms, the last but one with the usage; any other
 * POST gets 1.7 KB of JSON. Both have the headers of OpenAI's answers. GET answers with how many calls and streams
 * were asked for so far: what the cost of a proxy is divided by. One thread, one epoll.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNKS 60
#define CHUNK_NS 5700000LL
#define MOST_REQUEST (1 << 20)
#define EVENTS 256

/* As OpenAI answers; what differs is the content type and how the end of the body is told. */
#define HEAD(type, framing)                                                                        \
    "HTTP/1.1 200 OK\r\nDate: Fri, 27 Nov 2026 12:00:00 GMT\r\nContent-Type: " type "\r\n" framing \
    "Connection: keep-alive\r\naccess-control-expose-headers: X-Request-ID\r\n"                    \
    "openai-organization: larkspur\r\nopenai-processing-ms: 412\r\nopenai-version: 2020-10-01\r\n" \
    "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 30000000\r\n"                  \
    "x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 29999700\r\n"           \
    "x-ratelimit-reset-requests: 6ms\r\nx-request-id: req_0123456789abcdef0123456789abcdef\r\n"    \
    "strict-transport-security: max-age=31536000; includeSubDomains\r\n\r\n"

typedef struct connection {
    int fd;
    int sent; /* chunks of the stream that is being answered */
    int64_t due;
    struct connection *next; /* in the queue of streams */
    size_t held;
    size_t room;
    char *request;
} connection;

static int poller;
static uint64_t calls, streams;
/* All streams have one pace, so whoever was served last is due last. */
static connection *first, *last;
static char json[8192], chunk[CHUNKS][1024];
static size_t json_size, chunk_size[CHUNKS];

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void write_answers(void) {
    char body[4096], data[900], text[851];
    for (size_t n = 0; n < sizeof text - 1; n++)
        text[n] = "A pool is billed money that one rule governs. "[n % 46];
    text[sizeof text - 1] = 0;
    /* Indented, as OpenAI's answers are: who parses and writes them anew changes bytes. */
    int size = snprintf(body, sizeof body,
        "{\n  \"id\": \"chatcmpl-0123456789\",\n  \"object\": \"chat.completion\",\n  \"created\": 1795780800,\n"
        "  \"model\": \"gpt-4o-mini-2024-07-18\",\n  \"choices\": [\n    {\n      \"index\": 0,\n"
        "      \"message\": {\n        \"role\": \"assistant\",\n        \"content\": \"%s\",\n"
        "        \"refusal\": null,\n        \"annotations\": []\n      },\n      \"logprobs\": null,\n"
        "      \"finish_reason\": \"stop\"\n    }\n  ],\n  \"usage\": {\n    \"prompt_tokens\": 212,\n"
        "    \"completion_tokens\": 180,\n    \"total_tokens\": 392,\n    \"prompt_tokens_details\": {\n"
        "      \"cached_tokens\": 128,\n      \"audio_tokens\": 0\n    },\n    \"completion_tokens_details\": {\n"
        "      \"reasoning_tokens\": 0,\n      \"audio_tokens\": 0,\n      \"accepted_prediction_tokens\": 0,\n"
        "      \"rejected_prediction_tokens\": 0\n    }\n  },\n  \"service_tier\": \"default\",\n"
        "  \"system_fingerprint\": \"fp_0123456789\"\n}\n", text);
    json_size = snprintf(json, sizeof json, HEAD("application/json", "Content-Length: %d\r\n") "%s", size, body);
    for (int n = 0; n < CHUNKS; n++) {
        const char *start = "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
            "\"created\":1795780800,\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\","
            "\"system_fingerprint\":\"fp_0123456789\",";
        if (n == CHUNKS - 1)
            size = snprintf(data, sizeof data, "data: [DONE]\n\n");
        else if (n == CHUNKS - 2)
            size = snprintf(data, sizeof data, "%s\"choices\":[],\"usage\":{\"prompt_tokens\":212,"
                "\"completion_tokens\":57,\"total_tokens\":269,\"prompt_tokens_details\":{\"cached_tokens\":128}}}\n\n",
                start);
        else
            size = snprintf(data, sizeof data, "%s\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word%02d\"},"
                "\"logprobs\":null,\"finish_reason\":%s}],\"usage\":null}\n\n",
                start, n, n == CHUNKS - 3 ? "\"stop\"" : "null");
        chunk_size[n] = snprintf(chunk[n], sizeof chunk[n], "%x\r\n%s\r\n%s", size, data,
            n == CHUNKS - 1 ? "0\r\n\r\n" : "");
    }
}

static void leave(connection *c) {
    connection **at = &first, *before = NULL;
    for (; *at && *at != c; before = *at, at = &(*at)->next)
        ;
    if (*at) {
        *at = c->next;
        if (last == c)
            last = before;
    }
    close(c->fd);
    free(c->request);
    free(c);
}

/* Whether all of it went out. What the other side does not read within its buffers ends the connection. */
static int put(connection *c, const char *bytes, size_t size) {
    if (send(c->fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size)
        return 1;
    leave(c);
    return 0;
}

static void queue(connection *c, int64_t due) {
    c->due = due;
    c->next = NULL;
    if (last)
        last->next = c;
    else
        first = c;
    last = c;
}

static int start_stream(connection *c) {
    static const char head[] = HEAD("text/event-stream; charset=utf-8", "Transfer-Encoding: chunked\r\n");
    char both[sizeof head + sizeof chunk[0]];
    memcpy(both, head, sizeof head - 1);
    memcpy(both + sizeof head - 1, chunk[0], chunk_size[0]);
    if (!put(c, both, sizeof head - 1 + chunk_size[0]))
        return 0;
    c->sent = 1;
    queue(c, now_ns() + CHUNK_NS);
    return 1;
}

static void go_on(void) {
    int64_t now = now_ns();
    while (first && first->due <= now) {
        connection *c = first;
        first = c->next;
        if (!first)
            last = NULL;
        c->next = NULL;
        int n = c->sent++;
        if (put(c, chunk[n], chunk_size[n]) && n < CHUNKS - 1)
            queue(c, c->due + CHUNK_NS);
    }
}

/* The size of the first request that is held, its head alone in *head; 0 where it is not all there. */
static size_t whole(connection *c, size_t *head) {
    char *end = memmem(c->request, c->held, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *head = end + 4 - c->request;
    for (char *line = c->request; line < end; line = (char *)memmem(line, end + 2 - line, "\r\n", 2) + 2) {
        if (!strncasecmp(line, "content-length:", 15)) {
            size_t size = *head + strtoul(line + 15, NULL, 10);
            return size <= c->held ? size : 0;
        }
        if (!strncasecmp(line, "transfer-encoding:", 18)) {
            char *rest = memmem(end + 4, c->held - *head, "0\r\n\r\n", 5);
            return rest ? (size_t)(rest + 5 - c->request) : 0;
        }
    }
    return *head;
}

static int answer(connection *c, const char *body, size_t size) {
    if (!strncmp(c->request, "POST", 4)) {
        if (memmem(body, size, "\"stream\":true", 13) || memmem(body, size, "\"stream\": true", 14)) {
            streams++;
            return start_stream(c);
        }
        calls++;
        return put(c, json, json_size);
    }
    char counts[200], told[400];
    int length = snprintf(counts, sizeof counts, "{\"calls\":%llu,\"streams\":%llu}", (unsigned long long)calls,
        (unsigned long long)streams);
    length = snprintf(told, sizeof told, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        length, counts);
    return put(c, told, length);
}

static void hear(connection *c) {
    if (c->room - c->held < 4096) {
        c->room = c->room ? 2 * c->room : 8192;
        c->request = c->room <= MOST_REQUEST ? realloc(c->request, c->room) : NULL;
        if (!c->request)
            exit(1);
    }
    ssize_t size = recv(c->fd, c->request + c->held, c->room - c->held, 0);
    if (size <= 0) {
        if (size == 0 || (errno != EAGAIN && errno != EINTR))
            leave(c);
        return;
    }
    c->held += size;
    size_t head = 0, request = whole(c, &head);
    if (!request)
        return;
    /* Who sends a second request ahead of the first answer gets it when more is heard; no proxy here does. */
    int stays = answer(c, c->request + head, request - head);
    if (stays) {
        c->held -= request;
        memmove(c->request, c->request + request, c->held);
    }
}

int main(void) {
    int one = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    if (bind(listening, (struct sockaddr *)&place, length) || listen(listening, 4096))
        return perror("mock_upstream"), 1;
    getsockname(listening, (struct sockaddr *)&place, &length);
    write_answers();
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, listening, &event);
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    for (;;) {
        int64_t wait = first ? (first->due - now_ns() + 999999) / 1000000 : -1;
        int ready = epoll_wait(poller, events, EVENTS, first && wait < 0 ? 0 : (int)wait);
        for (int n = 0; n < ready; n++) {
            if (events[n].data.ptr) {
                hear(events[n].data.ptr);
                continue;
            }
            int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0)
                continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            connection *c = calloc(1, sizeof *c);
            c->fd = fd;
            event.data.ptr = c;
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        }
        go_on();
    }
}
