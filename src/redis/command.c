/*
 * command.c - the table of commands that are not like any other.
 */
#include "redis/command.h"

struct row {
    const char *name;
    int8_t first_key;
    uint8_t flags;
};

static const struct row table[] = {
#define REDIS_COMMAND(name, flags, first_key) {#name, first_key, flags},
#include "redis/commands.def"
#undef REDIS_COMMAND
};

/* In capitals, as the table has them. */
static void copy_name(char out[REDIS_NAME + 1], struct ed_bytes name)
{
    size_t len = name.len < REDIS_NAME ? name.len : REDIS_NAME;

    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[i];

        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        /* Texts of errors have it: nothing odd, and no lines of their own. */
        out[i] = c > ' ' && c < 0x7f ? c : '?';
    }
    out[len] = '\0';
}

static const struct row *find(const char *name)
{
    size_t low = 0;
    size_t high = sizeof(table) / sizeof(*table);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, table[middle].name);

        if (!order)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool is_one_of(struct ed_bytes word, const char *const *words)
{
    for (; *words; words++) {
        if (ed_bytes_equal_nocase(word, ed_bytes(*words)))
            return true;
    }
    return false;
}

static unsigned client_flags(struct ed_bytes argument)
{
    static const char *const refused[] = {"REPLY", NULL};
    static const char *const changing[] = {
        "CACHING", "NO-EVICT", "NO-TOUCH", "SETINFO",
        "SETNAME", "TRACKING", NULL,
    };

    if (is_one_of(argument, refused))
        return REDIS_REFUSED;
    return is_one_of(argument, changing) ? REDIS_CHANGES : 0;
}

void redis_command_of(struct redis_command *out, struct ed_bytes name,
                      struct ed_bytes argument)
{
    copy_name(out->name, name);
    const struct row *row = name.len <= REDIS_NAME ? find(out->name) : NULL;
    out->flags = row ? row->flags : 0;
    out->first_key = row ? row->first_key : 1;
    if (!strcmp(out->name, "CLIENT"))
        out->flags = client_flags(argument);
}
