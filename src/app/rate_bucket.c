/*
 * rate_bucket.c - the buckets of a rate limit that are in this process.
 *
 * Owns the clients it knows, at most so many, in the order in which they were
 * seen. The arithmetic is exact: of a bucket for 3 in a second, the 4th request
 * passes after a third of a second and not a nanosecond before.
 */
#include "app/rate_bucket.h"

#include <stdlib.h>

/* ---- one bucket ---- */

static int64_t nanoseconds(ed_rate_level level, const struct ed_rate *rate)
{
    ed_rate_level ns = (level + rate->limit - 1) / rate->limit;
    return ns < INT64_MAX ? (int64_t)ns : INT64_MAX;
}

struct ed_rate_answer ed_rate_bucket_take(struct ed_rate_bucket *bucket,
                                          const struct ed_rate *rate,
                                          int64_t now, unsigned cost)
{
    ed_rate_level full = (ed_rate_level)rate->burst * (uint64_t)rate->per;
    ed_rate_level taken = (ed_rate_level)cost * (uint64_t)rate->per;
    ed_rate_level sunk =
        (ed_rate_level)(uint64_t)(now - bucket->at) * rate->limit;
    bucket->level = bucket->level > sunk ? bucket->level - sunk : 0;
    bucket->at = now;
    struct ed_rate_answer answer = {.passed = bucket->level + taken <= full};
    if (answer.passed)
        bucket->level += taken;
    else
        answer.retry = nanoseconds(bucket->level + taken - full, rate);
    answer.remaining = (unsigned)((full - bucket->level) / (uint64_t)rate->per);
    answer.reset = nanoseconds(bucket->level, rate);
    return answer;
}

/* ---- all of them ---- */

static struct ed_rate_client *client_at(struct ed_list *node)
{
    return ED_CONTAINER(node, struct ed_rate_client, node);
}

int ed_rate_table_init(struct ed_rate_table *table, unsigned max)
{
    ed_list_init(&table->unseen);
    table->max = max;
    table->clients = ed_map_new();
    return table->clients ? 0 : ED_ENOMEM;
}

void ed_rate_table_free(struct ed_rate_table *table)
{
    struct ed_list *node;
    while ((node = ed_list_take(&table->unseen)))
        free(client_at(node));
    ed_map_free(table->clients);
}

/* Those who are being answered are as many as there are fibers for them, and
 * may make the table larger than it should be. */
static void forget_one(struct ed_rate_table *table)
{
    ed_list_each_safe (at, &table->unseen) {
        struct ed_rate_client *client = client_at(at);
        if (client->running)
            continue;
        ed_list_remove(at);
        ed_map_remove(table->clients,
                      ed_bytes_of(client->key, client->key_len));
        free(client);
        table->forgotten++;
        return;
    }
}

static struct ed_rate_client *add_client(struct ed_rate_table *table,
                                         struct ed_bytes key)
{
    if (ed_map_count(table->clients) >= table->max)
        forget_one(table);
    struct ed_rate_client *client = calloc(1, sizeof *client + key.len);
    if (!client)
        return NULL;
    client->key_len = key.len;
    memcpy(client->key, key.ptr, key.len);
    if (ed_map_set(table->clients, key, client, NULL)) {
        free(client);
        return NULL;
    }
    ed_list_add_back(&table->unseen, &client->node);
    return client;
}

struct ed_rate_client *ed_rate_table_get(struct ed_rate_table *table,
                                         struct ed_bytes key)
{
    struct ed_rate_client *client = ed_map_get(table->clients, key);
    if (!client)
        return add_client(table, key);
    ed_list_remove(&client->node);
    ed_list_add_back(&table->unseen, &client->node);
    return client;
}
