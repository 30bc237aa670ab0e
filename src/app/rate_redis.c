/*
 * rate_redis.c - the buckets of a rate limit that are in Redis.
 *
 * A bucket is one number: when it will be full again, in microseconds of the
 * server's clock, so that those who share it need not agree on the time. It
 * expires when it is full. One script reads and sets it, which nothing comes
 * between.
 */
#include "app/rate_bucket.h"

#include <stdio.h>

/* KEYS: the bucket. ARGV: limit, period in microseconds, burst, cost. Returns
 * whether tokens were taken, how many are left, and the microseconds until it
 * is full and until there are enough. Times are rounded down, to the client's
 * favour, and a microsecond is spared for what a double cannot hold. */
static struct ed_redis_script take = {
    .text =
        "local t = redis.call('TIME')\n"
        "local now = t[1] * 1000000 + t[2]\n"
        "local each = ARGV[2] / ARGV[1]\n"
        "local room = each * ARGV[3]\n"
        "local cost = each * ARGV[4]\n"
        "local full = tonumber(redis.call('GET', KEYS[1]) or 0)\n"
        "if full < now then full = now end\n"
        "local over = full + cost - now - room\n"
        "if over > 1 then\n"
        "  return {0, math.max(0, math.floor((room - full + now) / each)),\n"
        "    math.ceil(full - now), math.ceil(over)}\n"
        "end\n"
        "full = math.floor(full + cost)\n"
        "if full > now then\n"
        "  redis.call('SET', KEYS[1], string.format('%.0f', full),\n"
        "    'PX', math.ceil((full - now) / 1000))\n"
        "end\n"
        "return {1, math.max(0, math.floor((room - full + now) / each + 1e-6)),"
        "\n  math.ceil(full - now), 0}\n",
};

static int read_answer(const ed_redis_reply *reply,
                       struct ed_rate_answer *answer)
{
    int64_t numbers[4];
    for (size_t i = 0; i < 4; i++) {
        int err = ed_redis_int(ed_redis_at(reply, i), &numbers[i]);
        if (err)
            return ed_fail(ED_EREDIS, "the rate limit's script answers oddly");
    }
    *answer = (struct ed_rate_answer){
        .passed = numbers[0] != 0,
        .remaining = (unsigned)numbers[1],
        .reset = numbers[2] * ED_US,
        .retry = numbers[3] * ED_US,
    };
    return 0;
}

int ed_rate_redis_take(ed_redis *redis, struct ed_bytes key,
                       const struct ed_rate *rate, unsigned cost,
                       struct ed_rate_answer *answer)
{
    char limit[24], per[24], burst[24], price[24];
    snprintf(limit, sizeof limit, "%u", rate->limit);
    snprintf(per, sizeof per, "%lld", (long long)(rate->per / ED_US));
    snprintf(burst, sizeof burst, "%u", rate->burst);
    snprintf(price, sizeof price, "%u", cost);
    const struct ed_bytes argv[] = {key, ed_bytes(limit), ed_bytes(per),
                                    ed_bytes(burst), ed_bytes(price)};
    ed_redis_reply *reply;
    int err = ed_redis_eval(redis, &reply, &take, 1, 5, argv);
    return err ? err : read_answer(reply, answer);
}
