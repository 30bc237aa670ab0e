/*
 * values.c - what a program's parts give its handlers, by name and type.
 *
 * Owns the list of an app's values. There are few of an app, so it is walked:
 * texts of one key are nearly always one text in memory.
 */
#include "app/app_internal.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || !strcmp(a, b);
}

static struct ed_app_value *find_value(const ed_app *app,
                                       const struct ed_app_key *key)
{
    for (struct ed_app_value *v = app->values; v; v = v->next) {
        if (v->key == key || (same_text(v->key->name, key->name) &&
                              same_text(v->key->type, key->type)))
            return v;
    }
    return NULL;
}

void ed_app_set_value(ed_app *app, const struct ed_app_key *key,
                      const void *value)
{
    struct ed_app_value *v = find_value(app, key);
    if (!v) {
        v = ed_app_alloc(app, sizeof *v);
        *v = (struct ed_app_value){.next = app->values, .key = key};
        app->values = v;
    }
    v->value = value;
}

void *ed_app_value(const ed_app *app, const struct ed_app_key *key)
{
    for (; app; app = app->outer) {
        const struct ed_app_value *v = find_value(app, key);
        if (v && v->value)
            return (void *)v->value;
    }
    return NULL;
}
