/*
 * conditions.c - judging conditional requests.
 */
#include "app/conditions.h"

#include "wire/date.h"
#include "wire/entity_tag.h"

#include <eddy/clock.h>

/* -1: there is no such field; 0: none of them names the tag; 1: one does. A
 * list may be sent in several fields. */
static int names_tag(const ed_req *req, const char *field, struct ed_bytes tag,
                     bool strong)
{
    struct ed_bytes wanted = ed_bytes(field);
    struct ed_bytes name, value;
    int found = -1;
    for (size_t i = 0; found < 1 && ed_header_at(req, i, &name, &value); i++) {
        if (ed_bytes_equal_nocase(name, wanted))
            found = ed_entity_tag_in(value, tag, strong);
    }
    return found;
}

static int64_t now_s(void)
{
    return ed_clock_realtime() / ED_S;
}

static bool read_date(const ed_req *req, const char *field, int64_t *date)
{
    const char *text = ed_header(req, field);
    return text && !ed_date_parse(ed_bytes(text), now_s(), date);
}

enum ed_condition ed_conditions_judge(const ed_req *req,
                                      const struct ed_validators *now)
{
    int64_t date;
    int match = names_tag(req, "if-match", now->tag, true);
    if (!match)
        return ED_CONDITION_FAILED;
    if (match < 0 && read_date(req, "if-unmodified-since", &date) &&
        now->modified > date)
        return ED_CONDITION_FAILED;
    int none = names_tag(req, "if-none-match", now->tag, false);
    if (none > 0)
        return ED_CONDITION_NOT_MODIFIED;
    if (none < 0 && read_date(req, "if-modified-since", &date) &&
        now->modified <= date)
        return ED_CONDITION_NOT_MODIFIED;
    return ED_CONDITION_MET;
}

bool ed_conditions_allow_range(const ed_req *req,
                               const struct ed_validators *now)
{
    const char *text = ed_header(req, "if-range");
    int64_t date;
    if (!text)
        return true;
    if (strchr(text, '"'))
        return ed_entity_tag_in(ed_bytes(text), now->tag, true);
    return !ed_date_parse(ed_bytes(text), now_s(), &date) &&
           date == now->modified && date < now_s();
}
