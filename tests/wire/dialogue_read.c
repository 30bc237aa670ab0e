/*
 * dialogue_read.c - from a file to dialogues. Owns the language.
 */
#include "dialogue.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *file;
    int line;
    char *at;
    bool failed;
};

static void complain(struct reader *r, const char *what)
{
    if (!r->failed)
        fprintf(stderr, "%s:%d: %s at '%.30s'\n", r->file, r->line, what,
                r->at);
    r->failed = true;
}

static void *make(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        abort();
    return p;
}

static void add(struct ed_buf *buf, const void *data, size_t len)
{
    if (ed_buf_add(buf, data, len))
        abort();
}

/* ---- words, numbers, texts ---- */

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n')
        r->at++;
}

/* Takes the words if they come next. */
static bool take(struct reader *r, const char *words)
{
    size_t len = strlen(words);
    skip_blanks(r);
    if (strncmp(r->at, words, len) ||
        strchr("abcdefghijklmnopqrstuvwxyz_", r->at[len] ? r->at[len] : ' '))
        return false;
    r->at += len;
    return true;
}

static int64_t take_number(struct reader *r)
{
    char *end;
    skip_blanks(r);
    long long n = strtoll(r->at, &end, 10);
    if (end == r->at)
        complain(r, "a number is missing");
    r->at = end;
    return n;
}

static char take_escape(struct reader *r)
{
    static const char letters[] = "rnt0\"\\", meaning[] = "\r\n\t\0\"\\";
    char c = *r->at++;
    const char *known = c ? strchr(letters, c) : NULL;
    if (known)
        return meaning[known - letters];
    if (c == 'x' && isxdigit((unsigned char)r->at[0]) &&
        isxdigit((unsigned char)r->at[1])) {
        const char digits[] = {r->at[0], r->at[1], '\0'};
        r->at += 2;
        return (char)strtoul(digits, NULL, 16);
    }
    complain(r, "unknown escape");
    return 0;
}

/* One text in quotes, `times` over. */
static void take_quoted(struct reader *r, int64_t times, struct ed_buf *out)
{
    struct ed_buf once = {0};
    for (r->at++; *r->at != '"' && !r->failed;) {
        char c = *r->at++;
        if (!c)
            complain(r, "the text does not end");
        if (c == '\\')
            c = take_escape(r);
        add(&once, &c, 1);
    }
    if (!r->failed)
        r->at++;
    while (times-- > 0)
        add(out, once.ptr, once.len);
    ed_buf_free(&once);
}

/* Texts side by side are one; a number before one repeats it. */
static void take_text(struct reader *r, struct ed_buf *out)
{
    bool any = false;
    for (;;) {
        int64_t times = 1;
        skip_blanks(r);
        if (*r->at >= '0' && *r->at <= '9') {
            times = take_number(r);
            if (!take(r, "x"))
                complain(r, "'x' is missing");
            skip_blanks(r);
        }
        if (*r->at != '"' || r->failed)
            break;
        take_quoted(r, times, out);
        any = true;
    }
    if (!any)
        complain(r, "a text is missing");
}

static int64_t take_duration(struct reader *r)
{
    int64_t n = take_number(r);
    if (take(r, "ms"))
        return n * ED_MS;
    if (!take(r, "s"))
        complain(r, "'ms' or 's' is missing");
    return n * ED_S;
}

/* ---- steps ---- */

static void take_clause(struct reader *r, struct step *step, int kind)
{
    struct clause **end = &step->clauses;
    while (*end)
        end = &(*end)->next;
    *end = make(sizeof **end);
    (*end)->kind = kind;
    take_text(r, &(*end)->text);
}

static void take_answer(struct reader *r, struct step *step)
{
    step->kind = SERVER_ANSWERS;
    step->status = (int)take_number(r);
    while (!r->failed) {
        if (take(r, "with body")) {
            step->has_body = true;
            take_text(r, &step->text);
        } else if (take(r, "with field")) {
            take_clause(r, step, WITH_FIELD);
        } else if (take(r, "with trailer")) {
            take_clause(r, step, WITH_TRAILER);
        } else if (take(r, "without field")) {
            take_clause(r, step, WITHOUT_FIELD);
        } else if (take(r, "without body")) {
            step->has_body = true;
        } else if (take(r, "to HEAD")) {
            step->to_head = true;
        } else if (take(r, "cut short")) {
            step->cut = true;
        } else {
            break;
        }
    }
}

static void take_step(struct reader *r, struct step *step)
{
    step->line = r->line;
    if (take(r, "client sends")) {
        step->kind = CLIENT_SENDS;
        take_text(r, &step->text);
    } else if (take(r, "client waits")) {
        step->kind = CLIENT_WAITS;
        step->duration = take_duration(r);
    } else if (take(r, "client half-closes")) {
        step->kind = CLIENT_HALF_CLOSES;
    } else if (take(r, "client closes")) {
        step->kind = CLIENT_CLOSES;
    } else if (take(r, "server answers")) {
        take_answer(r, step);
    } else if (take(r, "server sends nothing for")) {
        step->kind = SERVER_SENDS_NOTHING;
        step->duration = take_duration(r);
    } else if (take(r, "server sends")) {
        step->kind = SERVER_SENDS;
        take_text(r, &step->text);
    } else if (take(r, "server closes after")) {
        step->kind = SERVER_CLOSES_AFTER;
        take_text(r, &step->text);
    } else if (take(r, "server closes")) {
        step->kind = SERVER_CLOSES;
    } else {
        complain(r, "unknown step");
    }
}

static void take_option(struct reader *r, struct ed_server_options *o)
{
    if (take(r, "max_line"))
        o->max_line = (uint32_t)take_number(r);
    else if (take(r, "max_fields"))
        o->max_fields = (uint32_t)take_number(r);
    else if (take(r, "max_head"))
        o->max_head = (uint32_t)take_number(r);
    else if (take(r, "max_body"))
        o->max_body = (size_t)take_number(r);
    else if (take(r, "half_close"))
        o->half_close = true;
    else if (take(r, "request_timeout"))
        o->request_timeout = take_duration(r);
    else
        complain(r, "unknown option");
}

/* ---- files ---- */

struct reading {
    struct dialogue **end;
    struct dialogue *dialogue;
    struct step **step_end;
};

static void begin_dialogue(struct reader *r, struct reading *now)
{
    struct dialogue *d = make(sizeof *d);
    struct ed_buf name = {0};
    take_text(r, &name);
    add(&name, "", 1);
    d->name = name.ptr;
    d->file = r->file;
    d->options.size = sizeof d->options;
    *now->end = d;
    now->end = &d->next;
    now->dialogue = d;
    now->step_end = &d->steps;
}

/* One line, with those that continue it. */
static void take_line(struct reader *r, struct reading *now)
{
    if (take(r, "dialogue")) {
        begin_dialogue(r, now);
    } else if (!now->dialogue) {
        complain(r, "a step before the first dialogue");
    } else if (take(r, "server has")) {
        take_option(r, &now->dialogue->options);
    } else {
        struct step *step = make(sizeof *step);
        *now->step_end = step;
        now->step_end = &step->next;
        take_step(r, step);
    }
    skip_blanks(r);
    if (*r->at)
        complain(r, "more than was expected");
}

static bool is_nothing(const char *line)
{
    return *line == '#' || *line == '\n' || !*line;
}

/* A line that begins with white space continues the one before. */
struct dialogue **dialogue_read(const char *file, struct dialogue **end)
{
    struct reader r = {.file = file};
    struct reading now = {.end = end};
    struct ed_buf whole = {0};
    char *line = NULL;
    size_t size = 0;
    int number = 0;
    FILE *in = fopen(file, "r");
    bool more = in != NULL;

    while (more && !r.failed) {
        more = getline(&line, &size, in) >= 0;
        number++;
        if (more && (*line == ' ' || *line == '\t')) {
            add(&whole, line, strlen(line));
            continue;
        }
        if (whole.len) {
            add(&whole, "", 1);
            r.at = whole.ptr;
            take_line(&r, &now);
            ed_buf_free(&whole);
            whole = (struct ed_buf){0};
        }
        r.line = number;
        if (more && !is_nothing(line))
            add(&whole, line, strlen(line));
    }
    if (!in)
        perror(file);
    else
        fclose(in);
    ed_buf_free(&whole);
    free(line);
    return in && !r.failed ? now.end : NULL;
}

static void free_steps(struct step *step)
{
    while (step) {
        struct step *next = step->next;
        while (step->clauses) {
            struct clause *c = step->clauses;
            step->clauses = c->next;
            ed_buf_free(&c->text);
            free(c);
        }
        ed_buf_free(&step->text);
        free(step);
        step = next;
    }
}

void dialogue_free(struct dialogue *all)
{
    while (all) {
        struct dialogue *next = all->next;
        free_steps(all->steps);
        free(all->name);
        free(all);
        all = next;
    }
}
