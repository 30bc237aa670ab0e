/*
 * sample.c - messages nobody has written: what the replay (replay.c) sends.
 *
 * A message is made from its number alone, so it is the same in every process
 * and after every restart, and nothing needs to be kept. People, ships and
 * shops are invented, and so is what they say.
 */
#include "replay.h"

#include <eddy/json.h>

/* ---- what is said ---- */

/* In a text, $p is a place, $f a first name, $o one of the topic's things, $t a
 * time of day, $w a day of the week, $n a number of 2 to 89, $d one of 2 to
 * 9. */
enum { TEXTS = 8, THINGS = 6 };

struct topic {
    const char *name;
    const char *things[THINGS];
    const char *texts[TEXTS];
};

static const struct topic topics[] = {
    {"weather",
     {"fog", "sleet", "a warm wind", "hail", "drizzle", "thunder"},
     {"Rain until $t, then it clears from the west.",
      "First $o of the season, and the swifts are gone.",
      "$n mm since midnight, and the gutters keep up.",
      "$o over the river again; you cannot see the other bank.",
      "Sun and $o in the same minute. Somewhere there is a rainbow.",
      "Wind from the north at $n km/h, gusts on the bridge.",
      "The forecast said $o. It is not wrong, only $d hours early.",
      "Clear night ahead. Wrap up warm if you go to see the comet."}},
    {"trains",
     {"the night train", "the slow train", "the express", "the railcar",
      "the last tram", "the sleeper"},
     {"The $t to $p leaves from platform $d today.",
      "Signal repaired: $o to $p is on time again.",
      "$n people got off at $p, and one accordion got on.",
      "Track work on $w night; buses between here and $p.",
      "Two more carriages on the $t to $p because of the fair.",
      "Found a window seat in $o. The heath is in flower.",
      "Delay of $n minutes on $o: a swan on the line, in no hurry.",
      "The buffet on $o has soup again. $f recommends it."}},
    {"harbour",
     {"Meadowlark", "Anna Tide", "North Ribbon", "Old Persuasion", "Quiet Ida",
      "Seventh Wave"},
     {"The $o has tied up with $n tonnes of salt from $p.",
      "High water at $t. Mind the lower steps.",
      "Ferry to $p: room for $n cars on the $t crossing.",
      "The $o leaves on the evening tide; mail until $t.",
      "Crane $d is back at work, and half the town came to look.",
      "Porpoises off the breakwater, $d of them, heading for $p.",
      "Fresh mackerel on the quay until $t, or until it is gone.",
      "Lamp of the outer light changed. The $o reported it."}},
    {"market",
     {"quinces", "rye bread", "goat's cheese", "beeswax candles", "plum jam",
      "wild garlic"},
     {"The first $o of the year, third stall from the fountain.",
      "$f sells $o today, and only until $t.",
      "Two for one on $o after $t. They have to go.",
      "Someone paid for my $o. Whoever you are: the coffee is on me.",
      "No market on $w: the square gets its new paving.",
      "$n kinds of honey, and $f let me try every one.",
      "Asked for $o and came home with a clock. It even runs.",
      "Queue for the $o is around the corner, and in good spirits."}},
    {"library",
     {"a field guide to mosses", "an atlas of rivers", "a book of knots",
      "old railway timetables", "letters from the ice", "a treatise on bread"},
     {"Returned after $n years: $o. No fine, only applause.",
      "The reading room stays open until $t this week.",
      "Story hour on $w at $t, with $f and the paper theatre.",
      "Looking for $o. Last seen on the second floor.",
      "We now lend seeds: $n sorts, please bring some back.",
      "New on the shelf: $o, with fold-out maps.",
      "The lift works again. Sorry for the $d flights of stairs.",
      "Whoever left a pressed fern in $o: it has found a frame."}},
    {"music",
     {"a bandoneon", "two cellos", "a brass band", "a children's choir",
      "a hurdy-gurdy", "a string quartet"},
     {"$o in the old pump house on $w, $t, free entry.",
      "Rehearsal moved to $t: the hall has a wedding.",
      "Under the arches: $o, and nobody is going home.",
      "Wanted: an oboe for $n bars of a very long symphony.",
      "$f played the third movement twice. We asked for it.",
      "From the open window across the yard: $o. Thank you.",
      "The organ is tuned; $n pipes were out, one held a nest.",
      "Dance on $w. Beginners at $t, everybody from then on."}},
    {"garden",
     {"runner beans", "a fig tree", "dahlias", "a hedge of hazel", "tomatoes",
      "sweet peas"},
     {"$n seedlings to give away, mostly $o.", "Frost tonight. Cover your $o.",
      "The pond has ice on it, and a blackbird that tests it.",
      "$f and I are planting $o on $w. Bring gloves.",
      "Counted $n butterflies before breakfast.",
      "Plot $n is free, with shed, rain barrel and $o.",
      "Slugs: $d. $o: none. Starting again.",
      "Whoever cut back the $o by the gate: well done."}},
    {"kitchen",
     {"lentil soup", "barley bread", "a pie with leeks", "pickled pears",
      "noodles by hand", "a very slow stew"},
     {"$o at $t, there is enough for $d.",
      "Tried $o with smoked salt. Do try it.",
      "The secret of $o is to forget it for $d hours.",
      "$f taught me $o, and now the kitchen is white with flour.",
      "Oven at the mill is lit on $w; bring your dough by $t.",
      "Burnt the first, ate the second, sold the third: $o.",
      "Can anyone lend a pot for $n litres of soup?",
      "My grandmother made $o without a recipe. I need $d."}},
    {"sky",
     {"Jupiter", "the Pleiades", "the comet", "Saturn's rings",
      "the northern lights", "a double star"},
     {"$o tonight from $t, low in the south-east.",
      "Dome open on $w; $f explains, the telescope shows.",
      "Cloud until $t. Those who stayed saw $o.",
      "$n meteors in an hour, and one that lit the roofs.",
      "Street lamps off at $t for the viewing of $o. Thank you.",
      "We found $o on a plate from ninety years ago.",
      "The moon is $d days old and as thin as a fingernail.",
      "$f drew $o by hand at the eyepiece. It hangs in the hall."}},
    {"street",
     {"the tram stop", "the north bridge", "the old baths", "the clock tower",
      "the arcade", "the long stairs"},
     {"Water off around $o until $t, sorry.",
      "$o has its lights back, all $n of them.",
      "A piano stands at $o. It is in tune. Play it.",
      "Cyclists: the way round $o is open from $w.",
      "New bench at $o, in the sun from $t.",
      "The mural at $o is finished. $f painted the herons.",
      "$n volunteers swept $o this morning. It shines.",
      "Scaffolding at $o comes down on $w."}},
    {"lost & found",
     {"a red glove", "a tuba case", "a notebook with drawings",
      "one roller skate", "a tin whistle", "a very calm tortoise"},
     {"Found near the canal: $o.", "Lost between here and $p: $o. I miss it.",
      "$f, is this yours? $o, on the wall by the school.",
      "After $n days $o has found its way back. Thank you all.",
      "Handed in at the kiosk: $o, and $d umbrellas.",
      "To whoever took $o by mistake: I have yours.",
      "Seen on the $t from $p: $o, travelling alone.",
      "Reward for $o: a cake of your choosing."}},
    {"workshop",
     {"a cargo bike", "a weather vane", "a loom", "a wooden kayak",
      "an old radio", "a kite"},
     {"$o is done. It took $n evenings and one good idea.",
      "Repair café on $w from $t. Last time we mended $n things.",
      "Does anybody have a left-handed plane? It is for $o.",
      "$f turned the missing part for $o out of a chair leg.",
      "Glue dries slowly in this weather; $o waits until $w.",
      "First test of $o today. It floats, or it flies.",
      "Giving away $n offcuts of oak, none longer than my arm.",
      "The bandsaw sings again. Next in line: $o."}},
};

static const char *const first_names[] = {
    "Ada",   "Anouk", "Arvo",  "Beno",  "Bohdan", "Carla", "Chidi", "Daria",
    "Édith", "Emeka", "Enzo",  "Farah", "Goran",  "Hanna", "Ines",  "Ivo",
    "Jonna", "Kaito", "Keala", "Lale",  "Leif",   "Lucía", "Malik", "Mira",
    "Nadia", "Nils",  "Noor",  "Oriol", "Pavel",  "Rosa",  "Rune",  "Saskia",
    "Sefa",  "Tarek", "Tomás", "Ulla",  "Viggo",  "Wanda", "Yara",  "Zora",
};

static const char *const last_names[] = {
    "Abara",     "Almeida", "Bergström", "Brandt",   "Castellan", "Dahl",
    "Eriksen",   "Faroogh", "Fenwick",   "Grünwald", "Haddad",    "Halloran",
    "Ishikawa",  "Jansen",  "Kaplan",    "Kovács",   "Lindqvist", "Marek",
    "Montclair", "Nakata",  "Novák",     "Okoro",    "Olivares",  "Petrov",
    "Quispe",    "Rahimi",  "Sandoval",  "Tanaka",   "Vasquez",   "Winter",
};

static const char *const places[] = {
    "Aarhus",  "Antwerp",   "Bergen",   "Bilbao",  "Brno",      "Cork",
    "Dakar",   "Dunedin",   "Gdańsk",   "Ghent",   "Graz",      "Hobart",
    "İzmir",   "Kraków",    "Leeds",    "Lisbon",  "Ljubljana", "Lyon",
    "Malmö",   "Marseille", "Montréal", "Nagoya",  "Nairobi",   "Naples",
    "Oaxaca",  "Oulu",      "Porto",    "Quito",   "Reykjavík", "Riga",
    "Rosario", "Rotterdam", "Tallinn",  "Tbilisi", "Toruń",     "Trieste",
    "Tromsø",  "Utrecht",   "Valdivia", "Zürich",
};

static const char *const weekdays[] = {"Monday",   "Tuesday", "Wednesday",
                                       "Thursday", "Friday",  "Saturday",
                                       "Sunday"};

#define COUNT(list)      (sizeof(list) / sizeof(*(list)))
#define DRAW(dice, list) ((list)[draw((dice), COUNT(list))])

/* ---- chance that repeats itself ---- */

/* Splitmix64: neighbours in, nothing alike out. */
static uint64_t roll(uint64_t *dice)
{
    uint64_t x = *dice += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static size_t draw(uint64_t *dice, size_t count)
{
    return roll(dice) % count;
}

double sample_chance(int64_t number)
{
    uint64_t dice = ~(uint64_t)number;
    return (double)(roll(&dice) >> 11) / (double)(UINT64_C(1) << 53);
}

/* ---- writing it ---- */

static int add_name(struct ed_buf *out, uint64_t *dice)
{
    const char *first = DRAW(dice, first_names);
    return ed_buf_addf(out, "%s %s", first, DRAW(dice, last_names));
}

static int add_slot(struct ed_buf *out, char slot, const struct topic *topic,
                    uint64_t *dice)
{
    switch (slot) {
    case 'p':
        return ed_buf_addf(out, "%s", DRAW(dice, places));
    case 'f':
        return ed_buf_addf(out, "%s", DRAW(dice, first_names));
    case 'o':
        return ed_buf_addf(out, "%s", topic->things[draw(dice, THINGS)]);
    case 'w':
        return ed_buf_addf(out, "%s", DRAW(dice, weekdays));
    case 't':
        return ed_buf_addf(out, "%zu:%02zu", 6 + draw(dice, 17),
                           5 * draw(dice, 12));
    case 'n':
        return ed_buf_addf(out, "%zu", 2 + draw(dice, 88));
    default: /* 'd' */
        return ed_buf_addf(out, "%zu", 2 + draw(dice, 8));
    }
}

static int add_text(struct ed_buf *out, const struct topic *topic,
                    uint64_t *dice)
{
    struct ed_bytes rest = ed_bytes(topic->texts[draw(dice, TEXTS)]);
    struct ed_bytes piece = ed_bytes_cut(&rest, '$');
    int err = ed_buf_add(out, piece.ptr, piece.len);

    while (!err && rest.ptr) {
        piece = ed_bytes_cut(&rest, '$');
        err = add_slot(out, *piece.ptr, topic, dice);
        if (!err)
            err = ed_buf_add(out, piece.ptr + 1, piece.len - 1);
    }
    /* A thing may stand at the beginning of a sentence. */
    if (!err && *out->ptr >= 'a' && *out->ptr <= 'z')
        *out->ptr = (char)(*out->ptr - 'a' + 'A');
    return err;
}

static void say(ed_json *j, const char *key, const struct ed_buf *text)
{
    ed_json_key(j, key);
    ed_json_bytes(j, ed_buf_bytes(text));
}

int sample_message(struct ed_buf *out, int64_t number, int64_t at_ms)
{
    struct ed_json json, *j = &json;
    struct ed_buf who = {0}, text = {0};
    uint64_t dice = (uint64_t)number;
    const struct topic *topic = &topics[draw(&dice, COUNT(topics))];
    int err = add_name(&who, &dice);

    if (!err)
        err = add_text(&text, topic, &dice);
    if (!err) {
        ed_json_begin(j, out);
        ed_json_object(j);
        ed_json_key(j, "id");
        ed_json_int(j, number);
        ed_json_key(j, "timestamp");
        ed_json_int(j, at_ms);
        say(j, "user", &who);
        ed_json_key(j, "place");
        ed_json_text(j, DRAW(&dice, places));
        ed_json_key(j, "topic");
        ed_json_text(j, topic->name);
        say(j, "text", &text);
        ed_json_end(j);
        err = ed_json_finish(j);
    }
    ed_buf_free(&who);
    ed_buf_free(&text);
    return err;
}
