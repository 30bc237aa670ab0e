/*
 * json_writer.h - where the text of a JSON writer goes.
 */
#ifndef EDDY_WIRE_JSON_WRITER_H
#define EDDY_WIRE_JSON_WRITER_H

#include <eddy/json.h>

/* As much room as is asked for at once, at most: a sink that never has less
 * can take every value. */
#define ED_JSON_ROOM 64

struct ed_json_sink {
    /*
     * Makes room for ED_JSON_ROOM bytes at least: moves j->at and j->end,
     * after it has put the bytes before j->at where they belong. `more` is how
     * much is known to come. May suspend. 0, or an error, which the writer
     * remembers; it then asks no more.
     */
    int (*room)(ed_json *j, size_t more);

    /* Takes what there is. `err` is why it is not whole, or 0. Returns `err`,
     * or an error of its own. May suspend. */
    int (*finish)(ed_json *j, int err);
};

/* Begins writing to a sink of any kind, into the room from `at` to `end`. */
void ed_json_start(ed_json *j, const struct ed_json_sink *sink, void *into,
                   char *at, char *end);

/* Most bytes of a number: "-1.7976931348623157e+308" has 24. */
#define ED_JSON_NUMBER_MAX 32

/* Print a number and return its end; at most ED_JSON_NUMBER_MAX bytes. `x` is
 * finite. */
char *ed_json_print_uint(char *at, uint64_t n);
char *ed_json_print_double(char *at, double x);

#endif
