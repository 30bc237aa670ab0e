/*
 * curl_multi.c - libcurl's multi interface asking a server as fast as it is
 * answered: a peer of the `client` benchmark, with the options of client.c.
 *
 *     curl_multi [--fresh] [-c CONCURRENCY] [-t SECONDS] [-w SECONDS] URL
 *
 * The socket interface with epoll is its fastest way (one event costs one
 * call, however many transfers there are), and connections are kept. So are
 * easy handles, with all they are set to; with --fresh every request has a new
 * one, as in programs that fetch one thing and then another.
 */
#include "clients.h"
#include <curl/curl.h>
#include <sys/epoll.h>

static struct {
    CURLM *multi;
    int epoll;
    int64_t timeout_at; /* 0: none */
    bool fresh;
    struct client_run run;
} state;

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    *(size_t *)arg += size * n;
    return size * n;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                        void *known)
{
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    (void)arg;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(state.epoll, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(state.multi, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    must(epoll_ctl(state.epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                   &event),
         "epoll_ctl");
    curl_multi_assign(state.multi, fd, &state);
    return 0;
}

static int set_timeout(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    (void)arg;
    state.timeout_at = ms < 0 ? 0 : now_ns() + ms * 1000000;
    return 0;
}

static void add_request(void)
{
    CURL *easy = curl_easy_init();
    size_t *got = calloc(1, sizeof(*got));

    if (!easy || !got)
        die("curl_easy_init");
    curl_easy_setopt(easy, CURLOPT_URL, state.run.url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, got);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, got);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_multi_add_handle(state.multi, easy);
}

/* Asks once more, with the handle of a request that has ended. */
static void ask_again(CURL *easy, size_t *got)
{
    curl_multi_remove_handle(state.multi, easy);
    if (state.fresh) {
        curl_easy_cleanup(easy);
        free(got);
        add_request();
    } else {
        *got = 0;
        curl_multi_add_handle(state.multi, easy);
    }
}

/* Counts what has ended, and asks again. */
static void collect(void)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(state.multi, &left))) {
        CURL *easy = message->easy_handle;
        size_t *got;
        long status;

        errno = 0;
        if (message->msg != CURLMSG_DONE)
            continue;
        if (message->data.result)
            die("%s", curl_easy_strerror(message->data.result));
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &got);
        if (status != 200 || !*got)
            die("answered %ld with %zu bytes", status, *got);
        run_answered(&state.run);
        if (!run_ended(&state.run))
            ask_again(easy, got);
    }
}

static int wait_ms(void)
{
    int64_t left;

    if (!state.timeout_at)
        return 100;
    left = (state.timeout_at - now_ns()) / 1000000;
    return left < 0 ? 0 : (int)left;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    int running;

    state.fresh = argc > 1 && !strcmp(argv[1], "--fresh");
    run_options(&state.run, argc - state.fresh, argv + state.fresh);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    state.multi = curl_multi_init();
    state.epoll = must(epoll_create1(0), "epoll_create1");
    curl_multi_setopt(state.multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(state.multi, CURLMOPT_TIMERFUNCTION, set_timeout);
    curl_multi_setopt(state.multi, CURLMOPT_MAXCONNECTS,
                      (long)state.run.concurrency);
    for (int i = 0; i < state.run.concurrency; i++)
        add_request();
    while (!run_ended(&state.run)) {
        int n = epoll_wait(state.epoll, events, 256, wait_ms());

        for (int i = 0; i < n; i++)
            curl_multi_socket_action(
                state.multi, events[i].data.fd,
                (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0),
                &running);
        if (state.timeout_at && now_ns() >= state.timeout_at) {
            state.timeout_at = 0;
            curl_multi_socket_action(state.multi, CURL_SOCKET_TIMEOUT, 0,
                                     &running);
        }
        collect();
    }
    run_report(&state.run);
    return 0;
}
