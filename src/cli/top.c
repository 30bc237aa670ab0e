/*
 * top.c - `eddy top`: a running server in the terminal, live.
 *
 * One loop, some fibers: one follows the server's messages and finds it again
 * when it was gone, one waits for keys, one for signals. What a key asks of the
 * server is done by fibers of their own, so that the screen never waits.
 */
#include "top.h"
#include "commands.h"
#include "core/io.h"
#include "wire/json_read.h"

#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/log.h>
#include <eddy/signal.h>
#include <eddy/ws.h>

/* Between two attempts to find a server that is gone. */
static const int64_t RETRY = ED_S / 2;

/* Its state changes seldom. */
static const int64_t STATUS_EVERY = 2 * ED_S;

/* A server sends a message a second; one that says nothing for so long does not
 * live. */
static const int64_t SILENCE_MAX = 10 * ED_S;

/* Escape as ncurses gives it, and what enter may be. */
enum { KEY_ESCAPE = 27, KEY_RETURN = '\r' };

/* ---- the server ---- */

static void set_connected(struct top *top, bool connected)
{
    if (top->connected && !connected)
        top->gone_since = ed_now();
    top->connected = connected;
}

static void refresh_status(struct top *top)
{
    json_t *status;

    if (ctl_ask_json(&top->ctl, "/v1/status", NULL, &status))
        return;
    json_decref(top->status);
    top->status = status;
}

static int receive(void *ws_and_message)
{
    void **both = ws_and_message;

    return ed_ws_recv(both[0], both[1]);
}

/* One connection, until it ends. */
static int follow_once(struct top *top)
{
    ed_ws *ws ED_WS_AUTO = NULL;
    struct ed_bytes message;
    char url[CTL_URL];

    ctl_url(&top->ctl, "/v1/live", url);
    int err = ed_ws_connect(&ws, url, .max_message = (size_t)16 << 20);
    if (err)
        return err;
    refresh_status(top);
    set_connected(top, true);
    void *both[] = {ws, &message};
    while (!(err = ed_with_timeout(SILENCE_MAX, receive, both))) {
        json_t *live = ed_json_load(message, 0, NULL);
        if (live)
            top_take(top, live);
        if (!top->paused)
            top_draw(top);
    }
    return err;
}

static int follow(void *arg)
{
    struct top *top = arg;
    int err;

    for (;;) {
        (void)follow_once(top);
        if ((err = ed_cancelled()))
            return err;
        set_connected(top, false);
        top_draw(top);
        if ((err = ed_sleep(RETRY)))
            return err;
        (void)ctl_find_again(&top->ctl);
    }
}

static int attend_status(void *arg)
{
    struct top *top = arg;
    int err;

    while (!(err = ed_sleep(STATUS_EVERY))) {
        if (top->connected)
            refresh_status(top);
        if (!top->connected || top->message_until)
            top_draw(top);
    }
    return err;
}

/* ---- what is asked of it ---- */

static void tell_outcome(struct top *top, int err, const json_t *answer)
{
    const char *text = ctl_string(answer, "text");

    if (err)
        top_say(top, "%s", *ed_error() ? ed_error() : ed_err_text(err));
    else
        top_say(top, "%s", *text ? text : "done");
    top_draw(top);
}

static int reload(void *arg)
{
    struct top *top = arg;
    json_t *answer = NULL;
    int err =
        ctl_ask_json(&top->ctl, "/v1/reload", "{\"chain\":false}", &answer);

    tell_outcome(top, err, answer);
    json_decref(answer);
    return 0;
}

/* Keys may come faster than answers: one after the other, so that two changes
 * are of two workers. */
static int scale(struct top *top, int by)
{
    ed_mutex *held ED_MUTEX_AUTO = NULL;
    json_t *answer = NULL;
    char body[64];

    if (ed_mutex_hold(&top->scaling, &held))
        return 0;
    refresh_status(top);
    int wanted = (int)ctl_number(top->status, "workers_wanted") + by;
    if (wanted < 1) {
        top_say(top, "one worker is the least");
        return 0;
    }
    snprintf(body, sizeof(body), "{\"workers\":%d}", wanted);
    int err = ctl_ask_json(&top->ctl, "/v1/scale", body, &answer);
    tell_outcome(top, err, answer);
    json_decref(answer);
    refresh_status(top);
    return 0;
}

static int scale_up(void *top)
{
    return scale(top, 1);
}

static int scale_down(void *top)
{
    return scale(top, -1);
}

static int look_at_stack(void *arg)
{
    struct top *top = arg;
    char target[CTL_TEXT];
    json_t *stack;
    const json_t *request = json_array_get(top_slowest(top), top_selected(top));
    const char *id =
        ctl_string(top->view == TOP_STACK ? top->stack : request, "id");

    /* Ids are the server's own words, and fit for a path. */
    if (!*id || strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ-._~:") != strlen(id))
        return 0;
    snprintf(target, sizeof(target), "/v1/stack/%.200s", id);
    int err = ctl_ask_json(&top->ctl, target, NULL, &stack);
    if (err) {
        tell_outcome(top, err, NULL);
        return 0;
    }
    json_decref(top->stack);
    top->stack = stack;
    top->scroll = 0;
    top->view = TOP_STACK;
    top_draw(top);
    return 0;
}

/* ---- keys ---- */

static void do_pause(struct top *top)
{
    top->paused = !top->paused;
}

static void do_sort(struct top *top)
{
    top->sort = (top->sort + 1) % top_sort_count;
}

static void do_ask(struct top *top)
{
    top->asks = true;
}

static void do_more(struct top *top)
{
    ed_go(top->deeds, scale_up, top);
}

static void do_fewer(struct top *top)
{
    ed_go(top->deeds, scale_down, top);
}

static void do_stack(struct top *top)
{
    ed_go(top->deeds, look_at_stack, top);
}

static void do_up(struct top *top)
{
    if (top->view == TOP_ALL)
        top_select(top, -1);
    else if (top->scroll)
        top->scroll--;
}

static void do_down(struct top *top)
{
    if (top->view == TOP_ALL)
        top_select(top, 1);
    else if (top->scroll < 1000) /* longer than any stack */
        top->scroll++;
}

static void do_back(struct top *top)
{
    top->view = TOP_ALL;
}

static const struct {
    int key;
    void (*act)(struct top *top);
} keys[] = {
    {'s', do_sort},         {'p', do_pause},          {' ', do_pause},
    {'r', do_ask},          {'+', do_more},           {'=', do_more},
    {'-', do_fewer},        {KEY_UP, do_up},          {'k', do_up},
    {KEY_DOWN, do_down},    {'j', do_down},           {KEY_ENTER, do_stack},
    {KEY_RETURN, do_stack}, {'\n', do_stack},         {KEY_ESCAPE, do_back},
    {KEY_LEFT, do_back},    {KEY_BACKSPACE, do_back},
};

/* Returns whether it was the last one. */
static bool take_key(struct top *top, int key)
{
    if (top->asks) {
        top->asks = false;
        if (key == 'y' || key == 'Y')
            ed_go(top->deeds, reload, top);
        return false;
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        if (keys[i].key == key)
            keys[i].act(top);
    }
    return key == 'q' || key == 'Q';
}

/* Whether nobody is at the terminal any more. */
static bool is_hung_up(void)
{
    struct pollfd poll_fd = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&poll_fd, 1, 0) > 0 &&
           (poll_fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int wait_for_keys(void *arg)
{
    struct top *top = arg;
    int err, key;

    ed_scope(deeds, .independent = true);
    top->deeds = deeds;
    while (!(err = ed_io_wait_fd(STDIN_FILENO, false, "a key"))) {
        while ((key = getch()) != ERR) {
            if (take_key(top, key))
                return ED_ECLOSED;
        }
        if (is_hung_up())
            return ED_ECLOSED;
        top_draw(top);
    }
    return err;
}

static int wait_for_signals(void *arg)
{
    ed_signals *signals ED_SIGNALS_AUTO = NULL;
    int signo;
    int err = ed_signals_open(&signals, SIGWINCH, SIGINT, SIGTERM, SIGHUP);

    while (!err && !(err = ed_signals_next(signals, &signo))) {
        if (signo != SIGWINCH)
            return ED_ECLOSED;
        top_screen_resize();
        top_draw(arg);
    }
    return err;
}

/* ---- the command ---- */

static int run(void *arg)
{
    struct top *top = arg;

    if (!top_screen_open())
        return ed_fail(ED_EUSAGE, "this terminal (TERM) is not known");
    top->gone_since = ed_now();
    ed_scope(all);
    ed_go(all, wait_for_signals, top);
    ed_go(all, wait_for_keys, top);
    ed_go(all, follow, top);
    ed_go(all, attend_status, top);
    int err = ed_wait(all);
    top_screen_close();
    top_forget(top);
    return err == ED_ECLOSED ? 0 : err;
}

static const char help[] =
    "usage: eddy top [--socket PATH]\n"
    "\n"
    "Shows a running server, live: requests a second, latencies, workers, the\n"
    "requests in flight that have lasted longest, loops that stood still.\n"
    "\n"
    "  q            quits\n"
    "  s            sorts the workers by the next column\n"
    "  p            stops the picture, and lets it go on\n"
    "  r            has all workers started anew; asks first\n"
    "  + -          one worker more, one fewer\n"
    "  up, down     choose a request; enter shows its stack, esc leads back\n"
    "\n"
    "  --socket PATH   its control socket; found as by eddy ctl\n"
    "  --help          this\n";

int top_main(int argc, char **argv)
{
    static struct top top = {.ctl.command = "top"};
    const struct ctl_options options = {.help = help};
    int status = ctl_read_options(&top.ctl, &options, argc, argv);

    if (status)
        return status;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fputs("eddy top: it needs a terminal; eddy ctl watch does not\n",
              stderr);
        return EXIT_FAILED;
    }
    (void)setlocale(LC_CTYPE, "");
    status = ctl_find(&top.ctl);
    if (status)
        return status;
    ed_log_set_level(ED_LOG_OFF); /* the screen is taken */
    /* A slow terminal keeps the loop, and nobody else waits for it. */
    int err = ed_run(run, &top, .blocked_after = -1);
    if (err)
        fprintf(stderr, "eddy top: %s\n", ed_err_text(err));
    return err ? EXIT_FAILED : 0;
}
