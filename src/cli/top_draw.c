/*
 * top_draw.c - the screen of `eddy top`, by ncurses.
 *
 * Each drawing is of the whole; ncurses sends what has changed. What a server
 * says is drawn by put(), which lets nothing through that could move the
 * cursor. Made for 80 columns and 24 lines; less shows less, more shows more.
 */
#include "top.h"

#include <curses.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* Escape is a key of its own when nothing follows for so many ms. */
#define ESCAPE_MS 25

/* The line of bars goes back so many seconds. */
#define SPARK_SECONDS 300

enum colour { PLAIN, TITLE, GOOD, WARN, BAD, COLOURS };

static SCREEN *screen;
static bool colourful;

/* ---- the terminal ---- */

bool top_screen_open(void)
{
    const char *never = getenv("NO_COLOR");

    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return false;
    (void)cbreak();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, true);
    (void)nodelay(stdscr, true);
    (void)set_escdelay(ESCAPE_MS);
    (void)curs_set(0);
    colourful = !(never && *never) && has_colors() && start_color() == OK;
    if (colourful) {
        (void)use_default_colors();
        (void)init_pair(TITLE, COLOR_CYAN, -1);
        (void)init_pair(GOOD, COLOR_GREEN, -1);
        (void)init_pair(WARN, COLOR_YELLOW, -1);
        (void)init_pair(BAD, COLOR_RED, -1);
    }
    return true;
}

void top_screen_close(void)
{
    (void)endwin();
    delscreen(screen);
    screen = NULL;
}

void top_screen_resize(void)
{
    struct winsize size;

    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row && size.ws_col)
        (void)resizeterm(size.ws_row, size.ws_col);
    (void)clearok(stdscr, true);
}

static attr_t look(enum colour colour)
{
    if (!colourful)
        return colour == BAD || colour == TITLE ? A_BOLD : A_NORMAL;
    return COLOR_PAIR(colour) | (colour == TITLE ? A_BOLD : A_NORMAL);
}

/* ---- pieces ---- */

/* Draws a text in so many columns; returns where the next goes. */
static int put(int y, int x, int columns, attr_t attributes, const char *text)
{
    char plain[CTL_TEXT];

    if (y < 0 || y >= LINES || x >= COLS)
        return x;
    columns = columns < COLS - x ? columns : COLS - x;
    int used = ctl_plain(text, columns, plain);
    (void)attrset(attributes);
    (void)mvaddstr(y, x, plain);
    (void)attrset(A_NORMAL);
    return x + used;
}

static int putf(int y, int x, attr_t attributes, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static int putf(int y, int x, attr_t attributes, const char *fmt, ...)
{
    char text[CTL_TEXT];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return put(y, x, INT_MAX, attributes, text);
}

/* To the right end of so many columns. */
static void put_right(int y, int x, int columns, attr_t attributes,
                      const char *text)
{
    int len = (int)strlen(text); /* of ASCII */

    (void)put(y, len < columns ? x + columns - len : x, columns, attributes,
              text);
}

static void fill(int y, attr_t attributes)
{
    if (y < LINES)
        (void)mvchgat(y, 0, -1, attributes, (short)PAIR_NUMBER(attributes),
                      NULL);
}

/* ---- the head ---- */

static enum colour state_colour(const char *state)
{
    if (!strcmp(state, "ready"))
        return GOOD;
    return !strcmp(state, "down") ? BAD : WARN;
}

static void draw_title(const struct top *top)
{
    const json_t *status = top->status;
    const char *program = ctl_string(status, "program");
    const char *name = strrchr(program, '/');
    const char *state = ctl_string(status, "state");
    char age[CTL_TEXT], line[TOP_LINE];

    int x = put(0, 0, INT_MAX, look(TITLE), "eddy top");
    x = put(0, x + 2, 24, A_BOLD, name ? name + 1 : program);
    if (!top->connected) {
        double gone = (double)(ed_now() - top->gone_since) / ED_S;

        snprintf(line, sizeof(line), "the server is gone for %s; trying again",
                 ctl_age(gone, age));
        (void)put(0, x + 2, INT_MAX, look(BAD) | A_BOLD, line);
        return;
    }
    if (!status)
        return;
    x = put(0, x + 2, 12, look(state_colour(state)), state);
    x = putf(0, x + 2, A_NORMAL, "up %s",
             ctl_age(ctl_number(status, "uptime_s"), age));
    (void)putf(0, x + 2, A_DIM,
               "pid %.0f, generation %.0f, %.0f of %.0f workers",
               ctl_number(status, "pid"), ctl_number(status, "generation"),
               ctl_number(status, "workers_ready"),
               ctl_number(status, "workers_wanted"));
    if (top->paused)
        put_right(0, COLS - 8, 8, look(WARN) | A_REVERSE, " paused ");
}

static const char *bar(double share)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄",
                                         "▅", "▆", "▇", "█"};
    static const char *const ascii[] = {".", ".", ":", "-", "=", "+", "*", "#"};
    int step = (int)(share * 8);

    step = step < 0 ? 0 : step > 7 ? 7 : step;
    return wcwidth(L'▁') == 1 ? blocks[step] : ascii[step];
}

static void draw_rates(const struct top *top)
{
    char text[CTL_TEXT];
    int x = 20, columns = COLS - x - 14;
    double peak = 0;

    (void)put(1, 0, 7, A_NORMAL, "req/s");
    put_right(1, 7, 11, A_BOLD,
              ctl_rate(ctl_number(top->live, "requests_per_s"), text));
    if (columns < 8)
        return;
    int each = (SPARK_SECONDS + columns - 1) / columns;
    for (int i = 0; i < columns; i++) {
        double rate = top_rate(top, i, columns, each);
        peak = rate > peak ? rate : peak;
    }
    for (int i = 0; i < columns; i++) {
        double rate = top_rate(top, i, columns, each);
        if (rate >= 0)
            (void)put(1, x + i, 1, look(TITLE) & ~A_BOLD,
                      bar(peak > 0 ? rate / peak : 0));
    }
    (void)putf(1, x + columns + 1, A_DIM, "peak %s", ctl_rate(peak, text));
}

static void draw_classes(const struct top *top)
{
    static const struct {
        const char *name;
        enum colour colour;
    } classes[] = {{"2xx", GOOD}, {"3xx", PLAIN}, {"4xx", WARN}, {"5xx", BAD}};
    const json_t *rates = json_object_get(top->live, "by_class_per_s");
    char text[CTL_TEXT];
    int x = 7;

    (void)put(2, 0, 7, A_NORMAL, "status");
    for (int i = 0; i < 4; i++) {
        double rate = ctl_number(rates, classes[i].name);
        attr_t attributes = rate > 0 ? look(classes[i].colour) : A_DIM;

        (void)put(2, x, 4, A_DIM, classes[i].name);
        put_right(2, x + 3, 8, attributes, ctl_rate(rate, text));
        x += 13;
    }
    (void)putf(2, x + 2, A_NORMAL, "cpu %.0f %%",
               100 * ctl_number(top->live, "cpu"));
}

static void draw_latency(const struct top *top)
{
    static const char *const quantiles[][2] = {
        {"p50", "p50_s"}, {"p90", "p90_s"}, {"p99", "p99_s"}};
    const json_t *latency = json_object_get(top->live, "latency");
    char text[CTL_TEXT];
    int x = 7;

    (void)put(3, 0, 8, A_NORMAL, "time");
    for (int i = 0; i < 3; i++) {
        (void)put(3, x, 4, A_DIM, quantiles[i][0]);
        put_right(3, x + 3, 8, A_NORMAL,
                  ctl_latency(ctl_number(latency, quantiles[i][1]), text));
        x += 13;
    }
    double queued = ctl_number(top->live, "queued");
    x = putf(3, x, A_NORMAL, "running %.0f",
             ctl_number(top->live, "in_flight"));
    x = putf(3, x + 2, queued > 0 ? look(WARN) : A_NORMAL, "in line %.0f",
             queued);
    (void)putf(3, x + 2, A_NORMAL, "open %.0f", ctl_number(top->live, "open"));
}

/* ---- workers ---- */

static void number_text(const json_t *worker, const char *key, char *out)
{
    (void)ctl_count(ctl_number(worker, key), out);
}

static void rate_text(const json_t *worker, const char *key, char *out)
{
    (void)ctl_rate(ctl_number(worker, key), out);
}

static void share_text(const json_t *worker, const char *key, char *out)
{
    snprintf(out, CTL_TEXT, "%.0f %%", 100 * ctl_number(worker, key));
}

static void size_text(const json_t *worker, const char *key, char *out)
{
    (void)ctl_size(ctl_number(worker, key), out);
}

static void pid_text(const json_t *worker, const char *key, char *out)
{
    snprintf(out, CTL_TEXT, "%.0f", ctl_number(worker, key));
}

static void latency_text(const json_t *worker, const char *key, char *out)
{
    worker = json_object_get(worker, "latency");
    (void)ctl_latency(ctl_number(worker, key), out);
}

/* 80 columns in all, with a space between two. `sort` is one of top_sorts. */
static const struct worker_column {
    const char *title, *key;
    int width;
    void (*text)(const json_t *worker, const char *key, char *out);
    const char *sort;
} worker_columns[] = {
    {"WORKER", "slot", 6, pid_text, "worker"},
    {"PID", "pid", 7, pid_text, NULL},
    {"STATE", "state", 9, NULL, NULL},
    {"REQ/S", "requests_per_s", 8, rate_text, "req/s"},
    {"CPU", "cpu", 6, share_text, "cpu"},
    {"MEMORY", "memory_bytes", 9, size_text, "memory"},
    {"RUNNING", "in_flight", 7, number_text, "running"},
    {"OPEN", "open", 6, number_text, NULL},
    {"P99", "p99_s", 7, latency_text, "p99"},
    {"BLOCKED", "blocked", 7, number_text, NULL},
};
#define WORKER_COLUMNS (sizeof(worker_columns) / sizeof(*worker_columns))

static void draw_worker_titles(const struct top *top, int y)
{
    const char *sort = top_sorts[top->sort].name;
    int x = 0;

    for (size_t i = 0; i < WORKER_COLUMNS; i++) {
        const struct worker_column *c = &worker_columns[i];
        attr_t attributes = look(TITLE);

        if (c->sort && !strcmp(c->sort, sort))
            attributes |= A_UNDERLINE;
        if (c->text)
            put_right(y, x, c->width, attributes, c->title);
        else
            (void)put(y, x, c->width, attributes, c->title);
        x += c->width + (c->text ? 1 : 0);
    }
}

static void draw_worker(const json_t *worker, int y)
{
    char text[CTL_TEXT];
    int x = 0;

    for (size_t i = 0; i < WORKER_COLUMNS; i++) {
        const struct worker_column *c = &worker_columns[i];
        attr_t attributes = A_NORMAL;

        if (!strcmp(c->key, "blocked") && ctl_number(worker, c->key) > 0)
            attributes = look(WARN);
        if (c->text) {
            c->text(worker, c->key, text);
            put_right(y, x, c->width, attributes, text);
        } else {
            const char *state = ctl_string(worker, c->key);
            (void)put(y, x, c->width, look(state_colour(state)), state);
        }
        x += c->width + (c->text ? 1 : 0);
    }
}

/* Returns the line below. */
static int draw_workers(const struct top *top, int y, int lines)
{
    json_t *workers = top_workers(top);
    int count = (int)json_array_size(workers);
    int shown = count > lines ? lines - 1 : count;

    draw_worker_titles(top, y++);
    for (int i = 0; i < shown; i++)
        draw_worker(json_array_get(workers, (size_t)i), y++);
    if (shown < count)
        (void)putf(y++, 0, A_DIM, "  and %d more", count - shown);
    json_decref(workers);
    return y;
}

/* ---- requests ---- */

static void draw_request(const json_t *request, int y, int target_width)
{
    const char *waits_for = ctl_string(request, "waits_for");
    char age[CTL_TEXT];

    put_right(y, 0, 8, A_NORMAL, ctl_age(ctl_number(request, "age_s"), age));
    (void)putf(y, 9, A_NORMAL, "%6.0f", ctl_number(request, "slot"));
    (void)put(y, 16, 7, A_NORMAL, ctl_string(request, "state"));
    (void)put(y, 24, 6, A_NORMAL, ctl_string(request, "method"));
    (void)put(y, 31, target_width, A_NORMAL, ctl_string(request, "target"));
    (void)put(y, 32 + target_width, COLS, A_NORMAL,
              *waits_for ? waits_for : "-");
}

static int draw_requests(const struct top *top, int y, int lines)
{
    const json_t *slowest = top_slowest(top);
    int count = (int)json_array_size(slowest);
    int selected = (int)top_selected(top);
    int target_width = (COLS - 32) * 3 / 5;
    int first = selected >= lines ? selected - lines + 1 : 0;

    if (target_width < 8)
        target_width = 8;
    (void)put(y, 0, INT_MAX, look(TITLE), "     AGE WORKER STATE   METHOD");
    (void)put(y, 31, INT_MAX, look(TITLE), "TARGET");
    (void)put(y++, 32 + target_width, INT_MAX, look(TITLE), "WAITS FOR");
    if (!count)
        (void)put(y++, 0, INT_MAX, A_DIM, "  no request in flight");
    for (int i = first; i < count && i - first < lines; i++) {
        draw_request(json_array_get(slowest, (size_t)i), y, target_width);
        if (i == selected)
            fill(y, A_REVERSE);
        y++;
    }
    return y;
}

static void draw_events(const struct top *top, int y, int lines)
{
    for (int i = 0; i < lines && i < (int)top->event_count; i++) {
        const struct top_event *event =
            &top->events[(top->event_count - 1 - (size_t)i) % TOP_EVENTS];

        int x = put(y + i, 0, INT_MAX, look(WARN), "blocked ");
        x = put(y + i, x, INT_MAX, A_DIM, event->time);
        (void)put(y + i, x + 1, INT_MAX, A_NORMAL, event->text);
    }
}

/* ---- the foot ---- */

static void draw_foot(const struct top *top, const char *keys)
{
    (void)move(LINES - 1, 0);
    (void)clrtoeol();
    if (top->asks)
        (void)put(LINES - 1, 0, INT_MAX, look(WARN) | A_BOLD,
                  "start all workers anew, with new code and settings? y/n");
    else if (ed_now() < top->message_until)
        (void)put(LINES - 1, 0, INT_MAX, A_BOLD, top->message);
    else
        (void)put(LINES - 1, 0, INT_MAX, A_DIM, keys);
}

/* ---- all of it ---- */

#define HEAD_LINES 5 /* with the empty one */
#define FOOT_LINES 1
/* Titles of two tables, and what is empty behind each. */
#define TITLE_LINES 4
#define SLOWEST_MIN 5

static void draw_all(const struct top *top)
{
    int lines = LINES - HEAD_LINES - TITLE_LINES - FOOT_LINES;
    int workers = (int)json_array_size(json_object_get(top->live, "workers"));
    int slowest = (int)json_array_size(top_slowest(top));
    int events = top->event_count < 3 ? (int)top->event_count : 3;

    draw_title(top);
    if (!top->live) {
        (void)put(2, 0, INT_MAX, A_DIM, "waiting for the first figures");
        return;
    }
    draw_rates(top);
    draw_classes(top);
    draw_latency(top);
    if (workers > lines - events - SLOWEST_MIN)
        workers = lines - events - SLOWEST_MIN;
    if (workers < 2)
        workers = 2;
    if (slowest > lines - events - workers)
        slowest = lines - events - workers;
    int y = draw_workers(top, HEAD_LINES, workers);
    y = draw_requests(top, y + 1, slowest);
    draw_events(top, y + 1, events);
    for (int i = 1; !top->connected && i < LINES - 1; i++)
        fill(i, A_DIM);
}

static int draw_frames(const json_t *fiber, int y)
{
    const char *waits_for = ctl_string(fiber, "waits_for");
    char place[CTL_TEXT];
    size_t index;
    json_t *frame;

    (void)putf(y++, 0, A_NORMAL, "%s, started at %s",
               ctl_string(fiber, "fiber"), ctl_string(fiber, "place"));
    (void)putf(y++, 0, A_NORMAL, "%s %s", ctl_string(fiber, "state"),
               waits_for);
    json_array_foreach(json_object_get(fiber, "frames"), index, frame)
    {
        ctl_place(frame, place);
        (void)putf(y++, 2, A_NORMAL, "#%-2zu %.1000s", index, place);
    }
    return y + 1;
}

static void draw_stack(const struct top *top)
{
    size_t index;
    json_t *child;
    int y = 2 - top->scroll;

    y = draw_frames(top->stack, y);
    json_array_foreach(json_object_get(top->stack, "children"), index, child)
        y = draw_frames(child, y);
    (void)move(0, 0);
    (void)clrtoeol();
    (void)move(1, 0);
    (void)clrtoeol();
    (void)putf(0, 0, look(TITLE), "request %s of worker %.0f",
               ctl_string(top->stack, "id"), ctl_number(top->stack, "pid"));
}

void top_draw(struct top *top)
{
    (void)erase();
    if (top->view == TOP_STACK) {
        draw_stack(top);
        draw_foot(top, "esc back  enter look again  up/down scroll  q quit");
    } else {
        draw_all(top);
        draw_foot(top, COLS < 76 ? "q s p r + - up/down enter"
                                 : "q quit  s sort  p pause  r reload  +/- "
                                   "workers  up/down, enter: a stack");
    }
    (void)refresh();
}
