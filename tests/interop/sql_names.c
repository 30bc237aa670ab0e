/*
 * sql_names.c - what PostgreSQL is asked about the texts of sql_texts.h.
 *
 *   sql_names prepare   a PREPARE for each compiled text that is one statement,
 *                       as `postgres --single -j` reads them
 *   sql_names expect    NAME=COUNT of its parameters, a line each
 */
#include "sql_texts.h"
#include "wire/sql_names.h"

#include <stdio.h>

static void tell(bool prepare, size_t i, const struct ed_sql *sql)
{
    if (prepare)
        printf("prepare s%zu as %s\n;\n\n", i, sql->text.ptr);
    else
        printf("s%zu=%u\n", i, sql->param_count);
}

int main(int argc, char **argv)
{
    bool prepare = argc == 2 && !strcmp(argv[1], "prepare");

    for (size_t i = 0; i < sizeof(sql_texts) / sizeof(*sql_texts); i++) {
        struct ed_sql_error error;
        struct ed_sql *sql;
        if (ed_sql_compile(&sql, ed_bytes(sql_texts[i].text), &error))
            return 1;
        if (!sql->several && ed_bytes_starts(sql->text, ED_BYTES("select")))
            tell(prepare, i, sql);
        ed_sql_free(sql);
    }
    return 0;
}
