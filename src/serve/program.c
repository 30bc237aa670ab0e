/*
 * program.c - which process of a program this is.
 */
#include "serve/program.h"

#include <eddy/error.h>
#include <eddy/log.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "serve/admin.h"
#include "serve/explain.h"
#include "serve/launch.h"
#include "serve/log_file.h"
#include "serve/master.h"
#include "serve/worker.h"

enum { FAILED = 1 };

struct process {
    const struct ed_serve_program *program;
    const char *name;
    struct ed_settings settings;
    char *directory; /* where the process began */
    bool preload;
    ed_app *preloaded;                /* made in the master */
    const struct ed_explanation *why; /* the app cannot be made */
};

const char *ed_program_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "program";
}

/* A module is called by its own name, a program by its own. */
static void name_it(struct process *p)
{
    const char *module = ed_settings_argument(&p->settings, 0);

    if (!module)
        module = p->settings.wsgi;
    if (module)
        p->name = ed_program_name(module);
}

/* ---- a worker, an admin process ---- */

static ed_app *make(void *arg)
{
    struct process *p = arg;

    if (p->why)
        return ed_explain_app(p->why);
    if (p->preloaded) {
        ed_settings_publish(&p->settings); /* there may be newer ones */
        return p->preloaded;
    }
    return p->program->make(&p->settings, p->program->arg);
}

static int work(const struct ed_launch *launch, void *arg)
{
    struct process *p = arg;
    const struct ed_worker_options options = {
        .name = p->name,
        .settings = &p->settings,
        .launch = launch,
        .make = make,
        .arg = p,
    };

    p->why = launch ? launch->why : NULL;
    return ed_worker_run(&options);
}

static int administer(const struct ed_launch *launch, struct process *p)
{
    const struct ed_admin_options options = {
        .name = p->name,
        .settings = &p->settings,
        .launch = launch,
    };

    return ed_admin_run(&options);
}

static int run_child(struct process *p, const struct ed_launch *launch)
{
    int err =
        ed_settings_take(&p->settings, &p->program->from, launch->settings);

    if (!err && ed_settings_check(&p->settings))
        err = ED_EPARSE;
    if (err) {
        ed_log_error("cannot start: settings: %s", ed_err_text(err));
        return FAILED;
    }
    ed_log_file_use(&p->settings);
    name_it(p);
    return launch->role == ED_ROLE_WORKER ? work(launch, p)
                                          : administer(launch, p);
}

/* ---- the master ---- */

/* The file as it is found when a process starts, so that a new one put in its
 * place is used: not what /proc/self/exe leads to. */
static char *find_program(const char *directory, const char *name)
{
    char path[PATH_MAX];

    if (strchr(name, '/')) {
        bool leads = *name == '/' || !directory; /* from anywhere */
        snprintf(path, sizeof path, "%s%s%s", leads ? "" : directory,
                 leads ? "" : "/", name);
        return access(path, X_OK) ? NULL : strdup(path);
    }
    struct ed_bytes rest = ed_bytes(getenv("PATH"));
    while (rest.ptr) {
        struct ed_bytes dir = ed_bytes_cut(&rest, ':');
        int len = snprintf(path, sizeof path, "%.*s%s%s", (int)dir.len, dir.ptr,
                           dir.len ? "/" : "", name);
        if (len < (int)sizeof path && !access(path, X_OK))
            return strdup(path);
    }
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    return len > 0 ? strndup(path, (size_t)len) : NULL;
}

/* The words this process was started with: main() may have changed its copy
 * since. NULL without /proc, or memory. */
static char **command_line(void)
{
    FILE *in = fopen("/proc/self/cmdline", "re");
    char **words = NULL, *word = NULL;
    size_t room = 0, count = 0;

    while (in && getdelim(&word, &room, '\0', in) >= 0) {
        char **more = realloc(words, (count + 2) * sizeof *words);
        if (!more)
            break;
        words = more;
        words[count++] = word;
        words[count] = NULL;
        word = NULL;
        room = 0;
    }
    free(word);
    if (in)
        fclose(in);
    return words;
}

static void free_command_line(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

/* What is run: the module, the program itself, or all of an application whose
 * sources are run as they are. */
static const char *watched(const struct process *p, const char *file)
{
    if (p->settings.wsgi)
        return ".";
    const char *module = ed_settings_argument(&p->settings, 0);

    return module ? module : file;
}

static int lead(struct process *p)
{
    char **command = command_line();
    char *file = command ? find_program(p->directory, command[0]) : NULL;
    const struct ed_master_options options = {
        .name = p->name,
        .settings = &p->settings,
        .program =
            {
                .file = file,
                .argv = command,
                .watched = watched(p, file),
                .directory = p->directory,
                .preload = p->preload,
                .run = work,
                .arg = p,
            },
    };

    if (!file) {
        free_command_line(command);
        ed_log_error("not starting: the program's file is not found");
        return FAILED;
    }
    int status = ed_master_run(&options);
    free(file);
    free_command_line(command);
    return status;
}

/* What only a master does, and a file that is for one may say all the same. */
static void warn_of_single(const struct ed_settings *s)
{
    const struct {
        const char *name;
        bool given;
    } of_master[] = {
        {"admin", s->admin.count > 0},
        {"pidfile", s->pidfile != NULL},
        {"ctl", s->ctl && strcmp(s->ctl, "none") != 0},
    };

    for (size_t i = 0; i < sizeof of_master / sizeof *of_master; i++) {
        if (of_master[i].given)
            ed_log_warn("%s does nothing with single: there is no master",
                        of_master[i].name);
    }
}

static int run_leader(struct process *p)
{
    const struct ed_serve_program *program = p->program;
    int status = ed_settings_read(&p->settings, &program->from, program->argc,
                                  program->argv);

    if (status == ED_SETTINGS_GO_ON && program->begin)
        status = program->begin(&p->settings, program->arg);
    if (status != ED_SETTINGS_GO_ON)
        return status;
    name_it(p);
    p->directory = getcwd(NULL, 0);
    if (p->settings.workdir && chdir(p->settings.workdir)) {
        ed_log_error("workdir %s: %s", p->settings.workdir,
                     ed_err_text(-errno));
        return FAILED;
    }
    ed_log_file_use(&p->settings); /* it is found from there, as in workers */
    if (p->settings.single) {
        warn_of_single(&p->settings);
        return work(NULL, p);
    }
    p->preload = p->settings.preload;
    if (p->preload) {
        p->preloaded = program->make(&p->settings, program->arg);
        if (!p->preloaded)
            return FAILED;
    }
    int led = lead(p);
    ed_app_free(p->preloaded);
    return led;
}

int ed_serve_program(const struct ed_serve_program *program)
{
    struct process p = {
        .program = program,
        .name = ed_program_name(program->argc > 0 ? program->argv[0] : NULL),
    };
    struct ed_launch launch;

    if (ed_launch_take(&launch)) {
        ed_log_error("EDDY_SERVE says nothing that makes sense");
        ed_launch_free(&launch);
        return FAILED;
    }
    int status =
        launch.role == ED_ROLE_MASTER ? run_leader(&p) : run_child(&p, &launch);
    if (p.settings.inside)
        ed_settings_free(&p.settings);
    free(p.directory);
    ed_launch_free(&launch);
    return status;
}
