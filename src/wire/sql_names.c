/*
 * sql_names.c - named parameters of SQL become numbered ones.
 *
 * One walk over the text, token by token, that knows of PostgreSQL's lexer
 * what decides where a token ends, and no more: numbers, operators and
 * keywords need no care. The text between two names is copied as one piece.
 * Memory is taken once, for the most that as many colons could need.
 */
#include "wire/sql_names.h"
#include "base/ascii.h"
#include <eddy/error.h>

#include <stdlib.h>

enum char_class {
    OTHER,
    SPACE,
    WORD, /* begins an identifier */
    DIGIT,
    DOLLAR,
    QUOTE,
    DOUBLE_QUOTE,
    COLON,
    DASH,
    SLASH,
    SEMICOLON,
    OPEN_BRACKET,
    CLOSE_BRACKET
};

static const uint8_t classes[256] = {
    [' '] = SPACE,         ['\t' ... '\r'] = SPACE,
    ['A' ... 'Z'] = WORD,  ['a' ... 'z'] = WORD,
    ['_'] = WORD,          [0x80 ... 0xff] = WORD,
    ['0' ... '9'] = DIGIT, ['$'] = DOLLAR,
    ['\''] = QUOTE,        ['"'] = DOUBLE_QUOTE,
    [':'] = COLON,         ['-'] = DASH,
    ['/'] = SLASH,         [';'] = SEMICOLON,
    ['['] = OPEN_BRACKET,  [']'] = CLOSE_BRACKET,
};

/* " $65535" in place of ":n". */
enum { GROWTH_MAX = 5 };

struct compiler {
    struct ed_sql *sql;
    const char *begin;
    const char *at;
    const char *end;
    const char *copied; /* what stands before it has been written */
    char *out;          /* behind what has been written */
    char *names_out;
    unsigned brackets; /* open ones */
    bool begun;        /* a statement has */
    bool ended;        /* a ';' has followed it */
    const char *why;
    const char *where;
    size_t wanted;     /* a place in `out`, from its beginning */
    const char *found; /* what has been written there */
};

static bool fail(struct compiler *c, const char *where, const char *why)
{
    c->where = where;
    c->why = why;
    return false;
}

static enum char_class class_of(char byte)
{
    return classes[(unsigned char)byte];
}

static bool is_newline(char byte)
{
    return byte == '\n' || byte == '\r';
}

/* Goes on an identifier. */
static bool is_inner(char byte)
{
    enum char_class class = class_of(byte);

    return class == WORD || class == DIGIT || class == DOLLAR;
}

static bool is_ascii_word(char byte)
{
    return class_of(byte) == WORD && (unsigned char)byte < 0x80;
}

/* The byte `ahead` of where we are; NUL, which no text holds, at its end. */
static char peek(const struct compiler *c, size_t ahead)
{
    return (size_t)(c->end - c->at) > ahead ? c->at[ahead] : '\0';
}

/* ---- comments ---- */

static const char *line_end(const char *at, const char *end)
{
    while (at < end && !is_newline(*at))
        at++;
    return at;
}

/* They nest, unlike in C. */
static bool skip_block_comment(struct compiler *c)
{
    const char *open = c->at;
    size_t depth = 0;

    do {
        if (c->at == c->end)
            return fail(c, open, "a comment without its end, */");
        if (*c->at == '/' && peek(c, 1) == '*') {
            depth++;
            c->at++;
        } else if (*c->at == '*' && peek(c, 1) == '/') {
            depth--;
            c->at++;
        }
        c->at++;
    } while (depth);
    return true;
}

/* ---- strings and identifiers ---- */

/* Quotes within are doubled. */
static bool skip_quoted(struct compiler *c, const char *unterminated)
{
    const char *open = c->at;
    char quote = *open;

    do {
        c->at = memchr(c->at + 1, quote, (size_t)(c->end - c->at - 1));
        if (!c->at)
            return fail(c, open, unterminated);
        c->at++;
    } while (peek(c, 0) == quote);
    return true;
}

/* Strings parted by nothing but space with a newline in it, and line comments,
 * are one, and the first alone says how all are escaped. Returns the quote
 * that opens the next one, or NULL. */
static const char *next_part(const char *at, const char *end)
{
    bool newline = false;

    for (; at < end; at++) {
        if (end - at > 1 && at[0] == '-' && at[1] == '-')
            at = line_end(at, end);
        if (at == end || class_of(*at) != SPACE)
            break;
        newline |= is_newline(*at);
    }
    return newline && at < end && *at == '\'' ? at : NULL;
}

/* E'...', from its quote on. */
static bool skip_escaped(struct compiler *c)
{
    const char *open = c->at;

    for (c->at++; c->at < c->end; c->at++) {
        char next = peek(c, 1);
        if ((*c->at == '\\' && next) || (*c->at == '\'' && next == '\'')) {
            c->at++;
        } else if (*c->at == '\'') {
            const char *part = next_part(c->at + 1, c->end);
            if (!part) {
                c->at++;
                return true;
            }
            c->at = part;
        }
    }
    return fail(c, open, "a string without its closing quote");
}

/* Of the strings with a letter in front only E'...' ends by other rules. */
static bool skip_word(struct compiler *c)
{
    const char *word = c->at;

    while (c->at < c->end && is_inner(*c->at))
        c->at++;
    if (c->at - word == 1 && (*word | 0x20) == 'e' && peek(c, 0) == '\'')
        return skip_escaped(c);
    return true;
}

static bool skip_positional(struct compiler *c)
{
    const char *dollar = c->at++;
    unsigned number = 0;

    if (c->sql->name_count)
        return fail(c, dollar, "a positional parameter beside named ones");
    for (; class_of(peek(c, 0)) == DIGIT; c->at++) {
        number = number * 10 + (unsigned)(*c->at - '0');
        if (number > ED_SQL_PARAM_MAX)
            return fail(c, dollar, "more than 65535 parameters");
    }
    if (!number)
        return fail(c, dollar, "parameters count from $1");
    if (number > c->sql->param_count)
        c->sql->param_count = number;
    return true;
}

static bool skip_dollar_quoted(struct compiler *c)
{
    const char *open = c->at++;

    while (class_of(peek(c, 0)) == WORD || class_of(peek(c, 0)) == DIGIT)
        c->at++;
    if (peek(c, 0) != '$') { /* no tag: a stray $, for the server to refuse */
        c->at = open + 1;
        return true;
    }
    size_t len = (size_t)(++c->at - open);
    const char *close = memmem(c->at, (size_t)(c->end - c->at), open, len);
    if (!close)
        return fail(c, open, "a dollar quote without its end");
    c->at = close + len;
    return true;
}

static bool skip_dollar(struct compiler *c)
{
    if (class_of(peek(c, 1)) == DIGIT)
        return skip_positional(c);
    return skip_dollar_quoted(c);
}

/* ---- names ---- */

/* FNV-1a. The names are the program's own: nobody floods the table. */
static uint32_t hash_of(struct ed_bytes name)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
    return hash ^ hash >> 15;
}

/* Where the name's number is, or belongs: there are more slots than names. */
static uint16_t *slot_of(const struct ed_sql *sql, struct ed_bytes name)
{
    uint32_t i = hash_of(name) & sql->slot_mask;

    while (sql->slots[i] &&
           !ed_bytes_equal(sql->names[sql->slots[i] - 1], name))
        i = (i + 1) & sql->slot_mask;
    return &sql->slots[i];
}

/* Gives the name the next number. */
static void add_name(struct compiler *c, uint16_t *slot, struct ed_bytes name)
{
    struct ed_sql *sql = c->sql;

    memcpy(c->names_out, name.ptr, name.len);
    sql->names[sql->name_count++] = ed_bytes_of(c->names_out, name.len);
    c->names_out += name.len;
    sql->param_count = sql->name_count;
    *slot = (uint16_t)sql->name_count;
}

/* Whether the place asked for is among what was written since `from`. */
static bool has_wanted(const struct compiler *c, const char *from)
{
    const char *wanted = c->sql->text.ptr + c->wanted;

    return wanted >= from && wanted < c->out;
}

static void copy_until(struct compiler *c, const char *until)
{
    size_t len = (size_t)(until - c->copied);

    const char *out = c->out;
    memcpy(c->out, c->copied, len);
    c->out += len;
    if (has_wanted(c, out))
        c->found = c->copied + (c->sql->text.ptr + c->wanted - out);
    c->copied = until;
}

static void write_number(struct compiler *c, unsigned number)
{
    char digits[ED_DIGITS_MAX];
    char *end = digits + sizeof(digits);
    const char *first = ed_digits_write(end, number);
    size_t len = (size_t)(end - first);

    *c->out++ = '$';
    memcpy(c->out, first, len);
    c->out += len;
}

static bool replace(struct compiler *c, struct ed_bytes name)
{
    const char *colon = name.ptr - 1;
    uint16_t *slot = slot_of(c->sql, name);

    if (!*slot) {
        if (c->sql->name_count == ED_SQL_PARAM_MAX)
            return fail(c, colon, "more than 65535 parameters");
        add_name(c, slot, name);
    }
    copy_until(c, colon);
    const char *number = c->out;
    if (colon > c->begin && is_inner(colon[-1]))
        *c->out++ = ' '; /* limit:n is not to become the identifier limit$1 */
    write_number(c, *slot);
    if (has_wanted(c, number))
        c->found = colon;
    c->copied = c->at;
    return true;
}

static bool read_name(struct compiler *c)
{
    const char *colon = c->at++;

    while (c->at < c->end &&
           (is_ascii_word(*c->at) || class_of(*c->at) == DIGIT))
        c->at++;
    struct ed_bytes name = ed_bytes_of(colon + 1, (size_t)(c->at - colon - 1));
    if (!name.len || is_inner(peek(c, 0)))
        return fail(c, colon,
                    "a parameter's name has a character other than A-Z, a-z, "
                    "0-9 and _");
    if (name.len > ED_SQL_NAME_MAX)
        return fail(c, colon, "a parameter's name of more than 63 bytes");
    if (c->sql->param_count && !c->sql->name_count)
        return fail(c, colon, "a named parameter beside positional ones");
    return replace(c, name);
}

/* Whether a colon parts the bounds of a slice, by what it touches. */
static bool ends_a_bound(const struct compiler *c)
{
    return c->brackets && (is_inner(c->at[-1]) || strchr("])'\"", c->at[-1]));
}

static bool read_colon(struct compiler *c)
{
    char next = peek(c, 1);
    bool quoted = next == '"' || next == '\'';

    if (next == ':') { /* a cast */
        c->at += 2;
        return true;
    }
    if (!quoted && class_of(next) != WORD) {
        c->at++;
        return true;
    }
    if (ends_a_bound(c))
        return fail(c, c->at,
                    "a slice or a parameter? Write [a : :name] for a "
                    "parameter, [a : name] for a column");
    if (quoted)
        return fail(c, c->at,
                    ":\"name\" and :'name' are psql's alone; write :name");
    return read_name(c);
}

/* ---- the text ---- */

static bool read_token(struct compiler *c)
{
    switch (class_of(*c->at)) {
    case WORD:
        return skip_word(c);
    case QUOTE:
        return skip_quoted(c, "a string without its closing quote");
    case DOUBLE_QUOTE:
        return skip_quoted(c, "an identifier without its closing quote");
    case DOLLAR:
        return skip_dollar(c);
    case COLON:
        return read_colon(c);
    case OPEN_BRACKET:
        c->brackets++;
        break;
    case CLOSE_BRACKET:
        c->brackets -= c->brackets > 0;
        break;
    default:
        break;
    }
    c->at++;
    return true;
}

/* A token, or what stands between tokens and statements. */
static bool step(struct compiler *c)
{
    switch (class_of(*c->at)) {
    case SPACE:
        c->at++;
        return true;
    case DASH:
        if (peek(c, 1) != '-')
            break;
        c->at = line_end(c->at, c->end);
        return true;
    case SLASH:
        if (peek(c, 1) != '*')
            break;
        return skip_block_comment(c);
    case SEMICOLON:
        c->ended = c->begun;
        c->at++;
        return true;
    default:
        break;
    }
    c->sql->several = c->ended;
    c->begun = true;
    return read_token(c);
}

static bool compile(struct compiler *c)
{
    while (c->at < c->end)
        if (!step(c))
            return false;
    copy_until(c, c->end);
    *c->out = '\0';
    c->sql->text.len = (size_t)(c->out - c->sql->text.ptr);
    return true;
}

static size_t count_colons(struct ed_bytes text)
{
    const char *end = text.ptr + text.len;
    const char *at = text.ptr;
    size_t count = 0;

    for (; (at = memchr(at, ':', (size_t)(end - at))); at++)
        count++;
    return count;
}

/* An empty statement with room for all that `text` may become: the structure,
 * names, slots, the text, the names' bytes. The limit of the text keeps every
 * sum far below what a size_t of 64 bits holds. */
static bool make(struct compiler *c, struct ed_bytes text)
{
    size_t colons = count_colons(text);
    size_t names = colons < ED_SQL_PARAM_MAX ? colons : ED_SQL_PARAM_MAX;
    size_t slots = 1;

    while (slots <= names * 2)
        slots *= 2;
    size_t head = sizeof(struct ed_sql) + names * sizeof(struct ed_bytes);
    size_t room = text.len + colons * GROWTH_MAX + 1;
    struct ed_sql *sql =
        malloc(head + slots * sizeof(uint16_t) + room + text.len);
    if (!sql)
        return false;
    *sql = (struct ed_sql){.slots = (uint16_t *)((char *)sql + head),
                           .slot_mask = (uint32_t)(slots - 1)};
    memset(sql->slots, 0, slots * sizeof(uint16_t));
    c->out = (char *)(sql->slots + slots);
    c->names_out = c->out + room;
    sql->text.ptr = c->out;
    c->sql = sql;
    return true;
}

static void tell(struct ed_sql_error *error, struct ed_bytes text,
                 const struct compiler *c)
{
    *error = (struct ed_sql_error){c->why, 1, 1};
    for (const char *p = text.ptr; p < c->where; p++) {
        if (*p == '\n') {
            error->line++;
            error->column = 1;
        } else {
            error->column += ((unsigned char)*p & 0xc0) != 0x80;
        }
    }
}

/* What the protocol cannot carry. */
static bool can_be_sent(struct compiler *c, struct ed_bytes text)
{
    if (text.len > ED_SQL_TEXT_MAX)
        return fail(c, text.ptr, "a text of more than 1 GiB");
    const char *nul = text.len ? memchr(text.ptr, '\0', text.len) : NULL;
    return nul ? fail(c, nul, "a NUL byte") : true;
}

int ed_sql_compile(struct ed_sql **sql, struct ed_bytes text,
                   struct ed_sql_error *error)
{
    if (!text.ptr)
        text = ED_BYTES("");
    struct compiler c = {.begin = text.ptr,
                         .at = text.ptr,
                         .end = text.ptr + text.len,
                         .copied = text.ptr};

    *sql = NULL;
    if (!can_be_sent(&c, text)) {
        tell(error, text, &c);
        return ED_EUSAGE;
    }
    if (!make(&c, text))
        return ED_ENOMEM;
    if (!compile(&c)) {
        tell(error, text, &c);
        ed_sql_free(c.sql);
        return ED_EUSAGE;
    }
    *sql = c.sql;
    return 0;
}

static bool begins_char(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

/* The offset of the character that `position` counts to, from 1. */
static size_t offset_of(struct ed_bytes text, size_t position)
{
    size_t at = 0;

    for (; at < text.len; at++)
        if (begins_char(text.ptr[at]) && !--position)
            break;
    return at;
}

size_t ed_sql_position(const struct ed_sql *sql, struct ed_bytes source,
                       size_t position)
{
    struct compiler c = {.begin = source.ptr,
                         .at = source.ptr,
                         .end = source.ptr + source.len,
                         .copied = source.ptr,
                         .wanted = offset_of(sql->text, position),
                         .found = source.ptr + source.len};
    size_t count = 1;

    if (!sql->name_count || !make(&c, source))
        return position;
    if (compile(&c))
        for (const char *p = source.ptr; p < c.found; p++)
            count += begins_char(*p);
    ed_sql_free(c.sql);
    return count;
}

void ed_sql_free(struct ed_sql *sql)
{
    free(sql);
}

unsigned ed_sql_find(const struct ed_sql *sql, struct ed_bytes name)
{
    return *slot_of(sql, name);
}
