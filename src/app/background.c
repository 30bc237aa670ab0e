/*
 * background.c - tasks that run beside the requests.
 *
 * Owns the tasks that were asked for and are not started yet. They are started
 * by a fiber of the app's, never by the one that asks: a task outlives the
 * request that asked for it, so it must inherit nothing from it.
 */
#include "app/app_internal.h"

#include <stdlib.h>

struct task {
    struct ed_list node;
    ed_fn *fn;
    void *arg;
    const char *name;
    const char *place;
};

int ed_app_background_(ed_app *app, ed_fn *fn, void *arg, const char *name,
                       const char *place)
{
    struct task *task = malloc(sizeof *task);
    if (!task)
        return ED_ENOMEM;
    task->fn = fn;
    task->arg = arg;
    task->name = name;
    task->place = place;
    ed_list_add_back(&app->tasks, &task->node);
    ed_waitq_wake(&app->task_starter, 0);
    return 0;
}

static struct task *take_task(ed_app *app)
{
    struct ed_list *node = ed_list_take(&app->tasks);
    return node ? ED_CONTAINER(node, struct task, node) : NULL;
}

void ed_app_start_tasks(ed_app *app, ed_scope *scope)
{
    struct task *task;
    while ((task = take_task(app))) {
        int err =
            ed_go_at_(scope, task->fn, task->arg, task->name, task->place);
        (void)err; /* the scope keeps it, and logs it */
        free(task);
    }
}

int ed_app_start_tasks_to_come(ed_app *app, ed_scope *scope)
{
    for (;;) {
        ed_app_start_tasks(app, scope);
        int err = ed_waitq_wait(&app->task_starter, "tasks to start", NULL);
        if (err)
            return err;
    }
}

void ed_app_drop_tasks(ed_app *app)
{
    struct task *task;
    while ((task = take_task(app)))
        free(task);
}
