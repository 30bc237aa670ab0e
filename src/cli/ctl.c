/*
 * ctl.c - `eddy ctl`: looks into a running server, and tells it what to do.
 *
 * One question, one answer. A command is a row of the table: what it asks, and
 * how the answer is shown. With --json the answer is printed as it came.
 */
#include "ctl.h"
#include "app/app_internal.h"
#include "commands.h"
#include "serve/board.h"
#include "wire/json_read.h"

#include <ctype.h>
#include <getopt.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <eddy/bytes.h>
#include <eddy/fiber.h>
#include <eddy/log.h>
#include <eddy/ws.h>

/* As many as the board of a server has slots for. */
#define WORKERS_MAX (ED_BOARD_SLOTS / 2)

/* Lines of `watch` under one line of titles. */
#define LINES_A_TITLE 20

#define WORDS_MAX 3

struct call {
    struct ctl ctl;
    bool json;
    const struct ctl_command *command;
    const char *words[WORDS_MAX]; /* behind the command */
    int word_count;
    const char *sort;
    const char *limit;
    bool chain;
    bool no_wait;
    int status;
};

/* Makes the target, and the body if there is one, of what a call asks; 0 or
 * EXIT_USAGE. */
typedef int make_fn(struct call *call, char target[CTL_TEXT],
                    char body[CTL_TEXT]);

/* Waits for what comes of an answer, and says so in it; 0 or an error. */
typedef int follow_fn(struct call *call, json_t *answer);

struct ctl_command {
    const char *name;
    const char *arguments;
    const char *help;
    const char *target;
    bool acts;     /* a POST */
    make_fn *make; /* NULL: nothing but the target */
    void (*show)(const json_t *answer);
    int words; /* it may have */
    int needs; /* and has to */
    follow_fn *follow;
};

/* ---- what is asked ---- */

/* Any word, fit for a path or a query. */
static char *add_escaped(char *at, const char *end, const char *word)
{
    for (; *word && end - at > 3; word++) {
        if (isalnum((unsigned char)*word) || strchr("-._~:", *word))
            *at++ = *word;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*word);
    }
    *at = '\0';
    return at;
}

static int make_ps(struct call *call, char target[CTL_TEXT],
                   char body[CTL_TEXT])
{
    const char *end = target + CTL_TEXT;
    int64_t limit;

    (void)body;
    char *at = stpcpy(target, "/v1/ps?sort=");
    at = add_escaped(at, end, call->sort ? call->sort : "age");
    if (!call->limit)
        return 0;
    if (ed_bytes_int(ed_bytes(call->limit), &limit) || limit < 1)
        return usage_error("ctl: --limit %s is no number from 1 on",
                           call->limit);
    snprintf(at, (size_t)(end - at), "&limit=%lld", (long long)limit);
    return 0;
}

static int make_stack(struct call *call, char target[CTL_TEXT],
                      char body[CTL_TEXT])
{
    (void)body;
    char *at = stpcpy(target, "/v1/stack/");
    (void)add_escaped(at, target + CTL_TEXT, call->words[0]);
    return 0;
}

static int make_tree(struct call *call, char target[CTL_TEXT],
                     char body[CTL_TEXT])
{
    int64_t pid;

    (void)body;
    if (!call->word_count)
        return 0;
    if (ed_bytes_int(ed_bytes(call->words[0]), &pid) || pid < 1)
        return usage_error("ctl: tree takes the pid of a worker, not '%s'",
                           call->words[0]);
    snprintf(target, CTL_TEXT, "/v1/tree?pid=%lld", (long long)pid);
    return 0;
}

static int make_reload(struct call *call, char target[CTL_TEXT],
                       char body[CTL_TEXT])
{
    (void)target;
    snprintf(body, CTL_TEXT, "{\"chain\":%s}", call->chain ? "true" : "false");
    return 0;
}

/* "+1" and "-1" are of what is wanted now, which only the server knows. */
static int make_scale(struct call *call, char target[CTL_TEXT],
                      char body[CTL_TEXT])
{
    const char *word = call->words[0];
    bool relative = *word == '+' || *word == '-';
    int64_t number;

    (void)target;
    if (ed_bytes_int(ed_bytes(word + (*word == '+')), &number) ||
        number > WORKERS_MAX || number < -WORKERS_MAX || (!relative && !number))
        return usage_error("ctl: scale takes 1 to %d, or a change such as +1 "
                           "or -1, not '%s'",
                           WORKERS_MAX, word);
    if (relative) {
        json_t *status = NULL;
        int err = ctl_ask_json(&call->ctl, "/v1/status", NULL, &status);
        if (err)
            return EXIT_FAILED;
        number += (int64_t)ctl_number(status, "workers_wanted");
        json_decref(status);
    }
    if (number < 1 || number > WORKERS_MAX) {
        (void)ed_fail(ED_EUSAGE,
                      "that would be %lld workers; 1 to %d are "
                      "possible",
                      (long long)number, WORKERS_MAX);
        return EXIT_FAILED;
    }
    snprintf(body, CTL_TEXT, "{\"workers\":%lld}", (long long)number);
    return 0;
}

static int make_log_level(struct call *call, char target[CTL_TEXT],
                          char body[CTL_TEXT])
{
    static const char *const levels[] = {"debug", "info", "warn", "error",
                                         "off"};

    (void)target;
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        if (!strcmp(call->words[0], levels[i])) {
            snprintf(body, CTL_TEXT, "{\"level\":\"%s\"}", levels[i]);
            return 0;
        }
    }
    return usage_error("ctl: log-level is debug, info, warn, error or off, not "
                       "'%s'",
                       call->words[0]);
}

static int make_worker_stop(struct call *call, char target[CTL_TEXT],
                            char body[CTL_TEXT])
{
    int64_t pid;

    (void)target;
    if (ed_bytes_int(ed_bytes(call->words[0]), &pid) || pid < 1)
        return usage_error("ctl: worker-stop takes the pid of a worker, not "
                           "'%s'",
                           call->words[0]);
    snprintf(body, CTL_TEXT, "{\"pid\":%lld}", (long long)pid);
    return 0;
}

/* A server that gives it no number does not tell how it came out. */
static int follow_reload(struct call *call, json_t *answer)
{
    double number = ctl_number(answer, "reload");
    double master = ctl_number(answer, "pid");
    int err = number ? ctl_follow_reload(&call->ctl, number, master) : 0;

    if (!err && number)
        (void)json_object_set_new(answer, "text", json_string("reloaded"));
    return err;
}

static const struct ctl_command commands[] = {
    {"status", "", "state, workers, addresses", "/v1/status",
     .show = ctl_show_status},
    {"stats", "", "requests, latency, connections since the start", "/v1/stats",
     .show = ctl_show_stats},
    {"watch", "", "a line of figures a second, until interrupted", "/v1/live"},
    {"workers", "", "processes and what they do", "/v1/workers",
     .show = ctl_show_workers},
    {"ps", "", "requests in flight (--sort age, --limit N)", "/v1/ps",
     .make = make_ps, .show = ctl_show_ps},
    {"stack", "ID", "where a request of ps waits", "/v1/stack",
     .make = make_stack, .show = ctl_show_stack, .words = 1, .needs = 1},
    {"tree", "[PID]", "fibers and scopes, of all workers or one", "/v1/tree",
     .make = make_tree, .show = ctl_show_tree, .words = 1},
    {"conns", "", "open connections", "/v1/conns", .show = ctl_show_conns},
    {"reload", "", "new code and settings; --chain: a worker at a time",
     "/v1/reload", true, make_reload, ctl_show_done, .follow = follow_reload},
    {"scale", "N", "so many workers; +1 and -1 are changes", "/v1/scale", true,
     make_scale, ctl_show_done, 1, 1},
    {"worker-stop", "PID", "it makes way for another, which starts first",
     "/v1/worker-stop", true, make_worker_stop, ctl_show_done, 1, 1},
    {"drain", "", "end what is in flight and take no more", "/v1/drain", true,
     NULL, ctl_show_done},
    {"resume", "", "serve again after drain", "/v1/resume", true, NULL,
     ctl_show_done},
    {"log-level", "LEVEL", "debug, info, warn, error or off", "/v1/log-level",
     true, make_log_level, ctl_show_done, 1, 1},
    {"reopen", "", "open log files anew, after they were moved", "/v1/reopen",
     true, NULL, ctl_show_done},
    {"upgrade", "", "the program from disk takes over", "/v1/upgrade", true,
     NULL, ctl_show_done},
    {"stop", "", "end what is in flight, then the server", "/v1/stop", true,
     NULL, ctl_show_done},
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* ---- asking ---- */

static int tell_failure(int err)
{
    fprintf(stderr, "eddy ctl: %s\n",
            *ed_error() ? ed_error() : ed_err_text(err));
    return EXIT_FAILED;
}

static void print_json(const json_t *answer)
{
    (void)json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
}

static void print_as_it_is(struct ed_bytes json)
{
    bool ended = json.len && json.ptr[json.len - 1] == '\n';

    (void)fwrite(json.ptr, 1, json.len, stdout);
    fputs(ended ? "" : "\n", stdout);
}

static int ask(struct call *call)
{
    char target[CTL_TEXT], body[CTL_TEXT] = "{}";
    const struct ctl_command *command = call->command;
    ed_res *res;

    snprintf(target, sizeof(target), "%s", command->target);
    if (command->make) {
        int status = command->make(call, target, body);
        if (status == EXIT_FAILED)
            return tell_failure(ED_EUSAGE);
        if (status)
            return status;
    }
    int err = ctl_ask(&call->ctl, target, command->acts ? body : NULL, &res);
    if (err)
        return tell_failure(err);
    json_t *answer = ed_res_json(res);
    if (!answer)
        return tell_failure(ED_ECONTENT);
    bool follows = command->follow && !call->no_wait;
    err = follows ? command->follow(call, answer) : 0;
    if (!err && call->json && follows)
        print_json(answer);
    else if (!err && call->json)
        print_as_it_is(ed_res_body(res));
    else if (!err)
        command->show(answer);
    json_decref(answer);
    return err ? tell_failure(err) : 0;
}

static int watch(struct call *call)
{
    char url[CTL_URL];
    ed_ws *ws ED_WS_AUTO = NULL;
    struct ed_bytes message;

    ctl_url(&call->ctl, call->command->target, url);
    int err = ed_ws_connect(&ws, url);
    for (unsigned i = 0; !err && !(err = ed_ws_recv(ws, &message)); i++) {
        json_t *live = ed_json_load(message, 0, NULL);
        if (call->json)
            print_as_it_is(message);
        else
            ctl_show_live(live, i % LINES_A_TITLE == 0);
        json_decref(live);
        if (fflush(stdout))
            return EXIT_FAILED;
    }
    return err == ED_ECLOSED ? 0 : tell_failure(err);
}

static int run(void *arg)
{
    struct call *call = arg;

    call->status = call->command->show ? ask(call) : watch(call);
    return 0;
}

/* ---- the command line ---- */

static const char help[] =
    "usage: eddy ctl [--socket PATH] [--json] COMMAND [ARGUMENT]\n"
    "\n"
    "Looks into a running server, and tells it what to do.\n"
    "\n";

static const char help_options[] =
    "\n"
    "  --socket PATH   its control socket; by default $EDDY_CTL, else the only "
    "one\n"
    "                  in $RUNTIME_DIRECTORY, /run/eddy, $XDG_RUNTIME_DIR and\n"
    "                  /tmp/eddy-UID, which is named eddy-NAME.ctl, or, of "
    "a unit\n"
    "                  eddy@NAME, /run/eddy/NAME/ctl\n"
    "  --json          the answer as the server gave it\n"
    "  --sort KEY      of ps: age, the oldest first\n"
    "  --limit N       of ps: so many requests at most\n"
    "  --chain         of reload: one worker at a time\n"
    "  --no-wait       of reload: not until it is known how it came out\n"
    "  --help          this\n"
    "\n"
    "Exit status: 0, 1 when it failed, 2 for a wrong command line.\n";

static void show_help(void)
{
    fputs(help, stdout);
    for (size_t i = 0; i < COMMANDS; i++) {
        char name[CTL_TEXT];

        snprintf(name, sizeof(name), "%s %s", commands[i].name,
                 commands[i].arguments);
        printf("  %-16s %s\n", name, commands[i].help);
    }
    fputs(help_options, stdout);
}

static int find_command(struct call *call, const char *name)
{
    struct ed_suggestion best = {0};

    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(name, commands[i].name)) {
            call->command = &commands[i];
            return 0;
        }
        ed_suggest(&best, name, commands[i].name);
    }
    if (best.word)
        return usage_error("ctl has no command '%s' (did you mean '%s'?)", name,
                           best.word);
    return usage_error("ctl has no command '%s'", name);
}

static int take_word(struct call *call, const char *word)
{
    if (!call->command)
        return find_command(call, word);
    if (call->word_count == call->command->words)
        return usage_error("ctl %s: what is '%s'?", call->command->name, word);
    call->words[call->word_count++] = word;
    return 0;
}

static int check_call(const struct call *call)
{
    const struct ctl_command *command = call->command;

    if (!command)
        return usage_error("ctl needs a command");
    if (call->word_count < command->needs)
        return usage_error("ctl: %s needs %s", command->name,
                           command->arguments);
    if ((call->sort || call->limit) && command->make != make_ps)
        return usage_error("ctl: --sort and --limit are of ps");
    if ((call->chain || call->no_wait) && !command->follow)
        return usage_error("ctl: --chain and --no-wait are of reload");
    return 0;
}

/* "-1", which is no option but a change of the number of workers. */
static bool is_negative(const char *word)
{
    return word && word[0] == '-' && isdigit((unsigned char)word[1]);
}

static const struct option options[] = {
    {"socket", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"sort", required_argument, NULL, 'o'},
    {"limit", required_argument, NULL, 'l'},
    {"chain", no_argument, NULL, 'c'},
    {"no-wait", no_argument, NULL, 'n'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int take_option(struct call *call, int option, char **argv)
{
    switch (option) {
    case 's':
        call->ctl.wanted = optarg;
        return 0;
    case 'j':
        call->json = true;
        return 0;
    case 'o':
        call->sort = optarg;
        return 0;
    case 'l':
        call->limit = optarg;
        return 0;
    case 'c':
        call->chain = true;
        return 0;
    case 'n':
        call->no_wait = true;
        return 0;
    case 'h':
        show_help();
        exit(0);
    case 1: /* no option */
        return strcmp(optarg, "help") || call->command
                   ? take_word(call, optarg)
                   : take_option(call, 'h', argv);
    case ':':
        return usage_error("ctl: %s needs a value", argv[optind - 1]);
    default:
        return option_error("ctl", options, argv[optind - 1]);
    }
}

static int read_command_line(struct call *call, int argc, char **argv)
{
    int status = 0;

    opterr = 0;
    while (!status && optind < argc) {
        if (is_negative(argv[optind])) {
            status = take_word(call, argv[optind++]);
            continue;
        }
        int option = getopt_long(argc, argv, "-:h", options, NULL);
        if (option == -1)
            break;
        status = take_option(call, option, argv);
    }
    for (; !status && optind < argc; optind++) /* behind "--" */
        status = take_word(call, argv[optind]);
    return status ? status : check_call(call);
}

int ctl_main(int argc, char **argv)
{
    static struct call call = {.ctl.command = "ctl"};
    int status = read_command_line(&call, argc, argv);

    if (status)
        return status;
    (void)setlocale(LC_CTYPE, "");
    status = ctl_find(&call.ctl);
    if (status)
        return status;
    ed_log_set_level(ED_LOG_OFF); /* what goes wrong is told in a line */
    int err = ed_run(run, &call);
    return err ? tell_failure(err) : call.status;
}
