/*
 * statement.c - the table of statements, their plans, and how parameters find
 * their places.
 *
 * Owns the compiled texts. Finding one that is known costs a hash and a
 * comparison of its text. One leaves the table when it holds more than it
 * should, the least recently used first, but not while a link or a call has
 * it: under the same text there must not be two that a link could prepare.
 */
#include "pg/statement.h"

#include "base/hash.h"
#include "net/crypto.h"
#include "pg/link.h"
#include <eddy/fiber.h>
#include <ctype.h>
#include <eddy/pg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    /* Statements kept by text, for each that a link may have prepared: texts
     * that differ are cheap beside plans on servers. */
    TEXTS_A_PLAN = 4,
    TEXTS_UNPREPARED = 1024,
    /* Longer texts are made by programs, with values in them, and come once.
     * They are neither kept nor prepared. */
    TEXT_MAX = 16 * 1024,
    /* Looked at for one to drop, at most, when a new one comes. */
    DROP_TRIES = 16,
};

/* ---- the table ---- */

static size_t power_of_two(size_t at_least)
{
    size_t n = 16;
    while (n < at_least)
        n *= 2;
    return n;
}

int pg_statements_init(struct pg_statements *table, int per_link,
                       int64_t lifetime)
{
    *table = (struct pg_statements){.per_link = per_link, .lifetime = lifetime};
    ed_list_init(&table->recent);
    table->most = TEXTS_UNPREPARED;
    if (per_link > 0)
        table->most = (size_t)per_link * TEXTS_A_PLAN;
    table->slot_count = power_of_two(table->most);
    table->slots = calloc(table->slot_count, sizeof(struct pg_statement *));
    return table->slots ? 0 : ED_ENOMEM;
}

static struct pg_statement **slot_of(const struct pg_statements *table,
                                     uint64_t hash)
{
    return &table->slots[hash & (table->slot_count - 1)];
}

static struct pg_statement **address_of(struct pg_statements *table,
                                        const char *sql)
{
    /* Fibonacci hashing; the low bits of an address are all alike. */
    uint64_t hash = (uint64_t)(uintptr_t)sql * 0x9e3779b97f4a7c15u;
    return &table->by_address[(hash >> 40) % PG_STATEMENT_ADDRESSES];
}

static void forget_addresses(struct pg_statements *table,
                             const struct pg_statement *s)
{
    for (size_t i = 0; i < PG_STATEMENT_ADDRESSES; i++) {
        if (table->by_address[i] == s)
            table->by_address[i] = NULL;
    }
}

static void take_out(struct pg_statement *s)
{
    forget_addresses(s->table, s);
    struct pg_statement **at = slot_of(s->table, s->hash);
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    ed_list_remove(&s->node);
    s->table->count--;
    s->table = NULL;
    pg_statement_release(s);
}

void pg_statements_free(struct pg_statements *table)
{
    while (!ed_list_empty(&table->recent))
        take_out(ED_CONTAINER(table->recent.next, struct pg_statement, node));
    free(table->slots);
    table->slots = NULL;
}

static void drop_one(struct pg_statements *table)
{
    struct ed_list *link = table->recent.prev;
    for (int i = 0; i < DROP_TRIES && link != &table->recent; i++) {
        struct pg_statement *s = ED_CONTAINER(link, struct pg_statement, node);
        link = link->prev;
        if (s->references == 1) {
            take_out(s);
            return;
        }
    }
}

static void put_in(struct pg_statements *table, struct pg_statement *s)
{
    if (table->count >= table->most)
        drop_one(table);
    struct pg_statement **slot = slot_of(table, s->hash);
    s->chain = *slot;
    *slot = s;
    s->table = table;
    s->references++;
    table->count++;
    ed_list_add_front(&table->recent, &s->node);
}

static struct pg_statement *find(struct pg_statements *table,
                                 struct ed_bytes source, uint64_t hash)
{
    struct pg_statement *s = *slot_of(table, hash);
    while (s && (s->hash != hash || !ed_bytes_equal(s->source, source)))
        s = s->chain;
    return s;
}

/* ---- statements ---- */

/* Behind the comment that stands at p; p, if there is none. The text is known
 * to be well formed. */
static const char *skip_comment(const char *p)
{
    if (p[0] == '-' && p[1] == '-')
        return p + strcspn(p, "\r\n");
    if (p[0] != '/' || p[1] != '*')
        return p;
    unsigned depth = 0; /* they nest */
    do {
        bool opens = p[0] == '/' && p[1] == '*';
        bool closes = p[0] == '*' && p[1] == '/';
        depth += opens;
        depth -= closes;
        p += opens || closes ? 2 : 1;
    } while (depth);
    return p;
}

static bool begins_with(const char *p, const char *word)
{
    size_t len = strlen(word);
    return !strncasecmp(p, word, len) && (unsigned char)p[len] < 0x80 &&
           !isalnum((unsigned char)p[len]) && p[len] != '_';
}

static bool commits(const char *p)
{
    for (const char *from = NULL; p != from;) {
        from = p;
        p = skip_comment(p + strspn(p, " \t\r\n\f\v"));
    }
    return begins_with(p, "call") || begins_with(p, "do");
}

static int make(struct ed_bytes source, uint64_t hash,
                struct pg_statement **out)
{
    struct pg_statement *s = malloc(sizeof *s + source.len + 1);
    if (!s)
        return ED_ENOMEM;
    char *text = (char *)(s + 1);
    memcpy(text, source.ptr, source.len + 1);
    *s = (struct pg_statement){
        .references = 1,
        .hash = hash,
        .source = {text, source.len},
    };
    ed_list_init(&s->node);
    struct ed_sql_error wrong;
    int err = ed_sql_compile(&s->sql, source, &wrong);
    if (err == ED_EUSAGE)
        (void)ed_fail(err, "SQL, line %zu, column %zu: %s", wrong.line,
                      wrong.column, wrong.why);
    if (err) {
        free(s);
        return err;
    }
    s->commits = commits(text);
    *out = s;
    return 0;
}

static int use(struct pg_statements *table, struct pg_statement *s,
               struct pg_statement **out)
{
    if (table->recent.next != &s->node) {
        ed_list_remove(&s->node);
        ed_list_add_front(&table->recent, &s->node);
    }
    s->references++;
    *out = s;
    return 0;
}

int pg_statement_get(struct pg_statements *table, const char *sql,
                     struct pg_statement **out)
{
    struct pg_statement **at = address_of(table, sql);
    if (*at && !strcmp((*at)->source.ptr, sql))
        return use(table, *at, out);
    struct ed_bytes source = ed_bytes(sql);
    uint64_t hash = ed_hash(source);
    struct pg_statement *s = find(table, source, hash);
    if (s) {
        *at = s;
        return use(table, s, out);
    }
    int err = make(source, hash, out);
    if (!err && source.len <= TEXT_MAX) {
        put_in(table, *out);
        *at = *out;
    }
    return err;
}

void pg_statement_release(struct pg_statement *s)
{
    if (--s->references)
        return;
    while (s->spare) {
        struct pg_call *call = s->spare;
        s->spare = call->spare;
        free(call);
    }
    while (s->plans) {
        struct pg_plan *plan = s->plans;
        s->plans = plan->next;
        free(plan);
    }
    ed_sql_free(s->sql);
    free(s);
}

int pg_statement_check_single(const struct pg_statement *s)
{
    if (!s->sql->several)
        return 0;
    return ed_fail(
        ED_EUSAGE,
        "several statements in one text: ed_pg_script() is for them");
}

char *pg_statement_text(const struct pg_statement *s, char *out, size_t size)
{
    static const char more[] = "...";
    size_t len = 0;
    bool gap = false;
    for (size_t i = 0; i < s->source.len; i++) {
        char byte = s->source.ptr[i];
        if ((unsigned char)byte <= ' ') {
            gap = len > 0;
            continue;
        }
        if (len + 2 + sizeof more > size) {
            while (len && ((unsigned char)out[len - 1] & 0xc0) == 0x80)
                len--; /* not in the midst of a character */
            if (len && (unsigned char)out[len - 1] >= 0xc0)
                len--;
            memcpy(out + len, more, sizeof more);
            return out;
        }
        if (gap)
            out[len++] = ' ';
        gap = false;
        out[len++] = byte;
    }
    out[len] = '\0';
    return out;
}

/* ---- plans ---- */

static bool fits(const struct pg_plan *plan, const struct pg_params *params)
{
    for (int i = 0; i < params->count; i++) {
        if (plan->types[i] != params->types[i] && params->values[i])
            return false;
    }
    return true;
}

static int name_plan(struct pg_plan *plan, const struct pg_params *params)
{
    struct ed_bytes text = plan->statement->sql->text;
    char digest[ED_DIGEST_TEXT];
    struct ed_buf buf = {0};
    int err = ed_buf_add(&buf, text.ptr, text.len + 1);
    for (int i = 0; i < params->count && !err; i++) {
        if (plan->types[i])
            err = ed_buf_addf(&buf, "%d:%u,", i, plan->types[i]);
    }
    if (!err)
        err = ed_digest_text(ED_SHA256, ed_buf_bytes(&buf), digest);
    ed_buf_free(&buf);
    if (err)
        return err;
    memcpy(plan->name, "ed_", 3);
    memcpy(plan->name + 3, digest, PG_PLAN_NAME - 4);
    return 0;
}

static int add_plan(struct pg_statement *s, const struct pg_params *params,
                    struct pg_plan **out)
{
    size_t types = (size_t)params->count * sizeof(Oid);
    struct pg_plan *plan = calloc(1, sizeof *plan + types);
    if (!plan)
        return ED_ENOMEM;
    plan->statement = s;
    if (types)
        memcpy(plan->types, params->types, types);
    int err = name_plan(plan, params);
    if (err) {
        free(plan);
        return err;
    }
    plan->next = s->plans;
    s->plans = plan;
    *out = plan;
    return 0;
}

int pg_statement_plan(struct pg_statement *s, const struct pg_params *params,
                      struct pg_plan **out)
{
    for (struct pg_plan *plan = s->plans; plan; plan = plan->next) {
        if (fits(plan, params)) {
            *out = plan;
            return 0;
        }
    }
    return add_plan(s, params, out);
}

bool pg_plan_named(const struct pg_plan *plan)
{
    return plan->statement->table != NULL;
}

/* ---- parameters ---- */

static int bind_named(const struct pg_statement *s,
                      const struct ed_pg_param *param, unsigned index,
                      unsigned *number)
{
    const struct ed_sql *sql = s->sql;
    struct ed_bytes name = ed_bytes(param->name);
    if (!sql->name_count) {
        return ed_fail(ED_EUSAGE,
                       "parameter \"%s\": the statement has no names",
                       param->name);
    }
    /* Given in the order they stand in, as they mostly are? */
    if (index < sql->name_count && ed_bytes_equal(sql->names[index], name)) {
        *number = index;
        return 0;
    }
    unsigned found = ed_sql_find(sql, name);
    if (!found) {
        return ed_fail(ED_EUSAGE,
                       "parameter \"%s\": the statement has no such name",
                       param->name);
    }
    *number = found - 1;
    return 0;
}

static int bind_positional(const struct pg_statement *s, unsigned index,
                           unsigned *number)
{
    const struct ed_sql *sql = s->sql;
    if (sql->name_count) {
        return ed_fail(ED_EUSAGE,
                       "parameter %u is given by position, the statement "
                       "has names",
                       index + 1);
    }
    if (index >= sql->param_count) {
        return ed_fail(ED_EUSAGE,
                       "parameter $%u: the statement has no more than %u",
                       index + 1, sql->param_count);
    }
    *number = index;
    return 0;
}

static int missing(const struct pg_statement *s, unsigned index)
{
    const struct ed_sql *sql = s->sql;
    if (index < sql->name_count) {
        return ed_fail(ED_EUSAGE, "parameter \"%.*s\" is not given",
                       (int)sql->names[index].len, sql->names[index].ptr);
    }
    return ed_fail(ED_EUSAGE, "parameter $%u is not given", index + 1);
}

int pg_statement_bind(const struct pg_statement *s,
                      const struct ed_pg_param *params,
                      struct ed_pg_value *values,
                      const struct ed_pg_query_options **options)
{
    unsigned count = s->sql->param_count;
    unsigned given = 0;
    /* ED_PG_END marks a place that is still empty. */
    for (unsigned i = 0; i < count; i++)
        values[i].kind = ED_PG_END;
    for (; params->value.kind != ED_PG_END; params++) {
        if (params->value.kind == ED_PG_OPTIONS) {
            *options = params->value.as.options;
            continue;
        }
        unsigned number = 0;
        int err = params->name ? bind_named(s, params, given, &number)
                               : bind_positional(s, given, &number);
        if (err)
            return err;
        if (values[number].kind != ED_PG_END)
            return ed_fail(ED_EUSAGE, "parameter \"%s\" is given twice",
                           params->name);
        values[number] = params->value;
        given++;
    }
    for (unsigned i = 0; given < count; i++) {
        if (values[i].kind == ED_PG_END)
            return missing(s, i);
    }
    return 0;
}
