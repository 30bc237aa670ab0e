/*
 * sql_texts.h - SQL with named parameters and what it is compiled to, by rule.
 *
 * The unit test compares; the one with a PostgreSQL has it prepare each text,
 * so every row but the "several" is a statement that a new database accepts.
 */
#ifndef EDDY_TESTS_SQL_TEXTS_H
#define EDDY_TESTS_SQL_TEXTS_H

static const struct sql_text {
    const char *rule;
    const char *text;
    const char *compiled;
    const char *names; /* in order, each followed by a space */
} sql_texts[] = {
    {"number", "select 1 where 'a' = :city and 2 > :age",
     "select 1 where 'a' = $1 and 2 > $2", "city age "},
    {"number", "select :_a1Z", "select $1", "_a1Z "},
    {"number", "select(:a)+2*:b-:c", "select($1)+2*$2-$3", "a b c "},
    {"number", "select:a", "select $1", "a "},
    {"number", "select 1 limit:a", "select 1 limit $1", "a "},
    {"number", "select $$x$$,1 where 'a'=:a", "select $$x$$,1 where 'a'=$1",
     "a "},
    {"again", "select :b::int, :a::int, :b::int + 1",
     "select $1::int, $2::int, $1::int + 1", "b a "},
    {"again", "select :a, :A, :aa", "select $1, $2, $3", "a A aa "},
    {"plain", "select 1", "select 1", ""},
    {"plain", "", "", ""},

    {"string", "select ':a', :b", "select ':a', $1", "b "},
    {"string", "select 'it''s :a', :b", "select 'it''s :a', $1", "b "},
    {"string", "select '', :b, ''''", "select '', $1, ''''", "b "},
    {"string", "select '\\', :b", "select '\\', $1", "b "},
    {"string", "select 'a'\n':a', :b", "select 'a'\n':a', $1", "b "},
    {"string", "select U&'\\0061:a\\\\', U&'!0061' uescape '!', :b",
     "select U&'\\0061:a\\\\', U&'!0061' uescape '!', $1", "b "},
    {"string", "select B'01', x'1F', N'\\', n':a', :b",
     "select B'01', x'1F', N'\\', n':a', $1", "b "},
    {"string", "select '--', '/*', '$$', :b, '\"'",
     "select '--', '/*', '$$', $1, '\"'", "b "},

    {"escape", "select E'\\':a', :b", "select E'\\':a', $1", "b "},
    {"escape", "select e'\\\\\\':a', :b", "select e'\\\\\\':a', $1", "b "},
    {"escape", "select case when true then '' else'\\' end, :b",
     "select case when true then '' else'\\' end, $1", "b "},
    {"escape", "select E''':a\\'', :b", "select E''':a\\'', $1", "b "},
    {"escape", "select E'a' \n '\\':a', :b", "select E'a' \n '\\':a', $1",
     "b "},
    {"escape", "select E'a' -- it's\n\t-- more\n'\\':a', :b",
     "select E'a' -- it's\n\t-- more\n'\\':a', $1", "b "},
    {"escape", "select E'a'\r'\\':a'\n'b', :b", "select E'a'\r'\\':a'\n'b', $1",
     "b "},
    {"escape", "select E'a' -- done\n, '\\', :b",
     "select E'a' -- done\n, '\\', $1", "b "},
    {"escape", "select true as e, name '\\', :b",
     "select true as e, name '\\', $1", "b "},
    {"escape", "select 1 as \"e\", 'e', '\\', :b",
     "select 1 as \"e\", 'e', '\\', $1", "b "},

    {"identifier", "select 1 as \"a:a\", :b", "select 1 as \"a:a\", $1", "b "},
    {"identifier", "select 1 as \"a\"\":a\", :b", "select 1 as \"a\"\":a\", $1",
     "b "},
    {"identifier", "select 1 as \"a\\\", 2 as \"it's\", :b",
     "select 1 as \"a\\\", 2 as \"it's\", $1", "b "},
    {"identifier", "select 1 as U&\"d\\0061:a\", :b",
     "select 1 as U&\"d\\0061:a\", $1", "b "},
    {"identifier", "select 1 as \xc3\xa9$$, :b, 2 as b$$",
     "select 1 as \xc3\xa9$$, $1, 2 as b$$", "b "},

    {"comment", "select 1 -- :a '\n, :b", "select 1 -- :a '\n, $1", "b "},
    {"comment", "select 1 -- :a '\r, :b", "select 1 -- :a '\r, $1", "b "},
    {"comment", "select 1 -- :a", "select 1 -- :a", ""},
    {"comment", "select 2--:a\n-:b", "select 2--:a\n-$1", "b "},
    {"comment", "select 3 +--:a\n:b", "select 3 +--:a\n$1", "b "},
    {"comment", "select 3 - -:b::int, 6/:c", "select 3 - -$1::int, 6/$2",
     "b c "},
    {"comment", "select /* :a ' */ :b", "select /* :a ' */ $1", "b "},
    {"comment", "select /* /* :a */ :a */ :b", "select /* /* :a */ :a */ $1",
     "b "},
    {"comment", "select /*/ :a */ :b", "select /*/ :a */ $1", "b "},
    {"comment", "select /**/ :b /***/", "select /**/ $1 /***/", "b "},
    {"comment", "select /* //* :a */ */ :b * 2 */* x */ :c",
     "select /* //* :a */ */ $1 * 2 */* x */ $2", "b c "},
    {"comment", "select /* -- */ :b -- /*", "select /* -- */ $1 -- /*", "b "},

    {"dollar", "select $$it's :a$$, :b", "select $$it's :a$$, $1", "b "},
    {"dollar", "select $q$ $$ :a $Q$ $q$, :b", "select $q$ $$ :a $Q$ $q$, $1",
     "b "},
    {"dollar", "select $a$ $b$a$, :b", "select $a$ $b$a$, $1", "b "},
    {"dollar", "select $a1$:a$a1$, $_$:a$_$, $\xc3\xa9$:a$\xc3\xa9$, :b",
     "select $a1$:a$a1$, $_$:a$_$, $\xc3\xa9$:a$\xc3\xa9$, $1", "b "},
    {"dollar", "select 1 as a$1$, :b, 2 as a$1$",
     "select 1 as a$1$, $1, 2 as a$1$", "b "},

    {"cast", "select '1'::int, :b::text, :b :: text",
     "select '1'::int, $1::text, $1 :: text", "b "},
    {"cast", "select make_interval(days := :b, hours:=:c)",
     "select make_interval(days := $1, hours:=$2)", "b c "},

    {"slice", "select ('{1,2}'::int[])[1:2], :b",
     "select ('{1,2}'::int[])[1:2], $1", "b "},
    {"slice",
     "select ('{1,2}'::int[])[:2], ('{1}'::int[])[1:], "
     "('{1}'::int[])[:], :b",
     "select ('{1,2}'::int[])[:2], ('{1}'::int[])[1:], "
     "('{1}'::int[])[:], $1",
     "b "},
    {"slice", "select ('{1,2}'::int[])[1 : :n]",
     "select ('{1,2}'::int[])[1 : $1]", "n "},
    {"slice", "select ('{1,2}'::int[])[:lo : :hi]",
     "select ('{1,2}'::int[])[$1 : $2]", "lo hi "},
    {"slice", "select ('{1,2}'::int[])[: :hi], ('{1,2}'::int[])[:lo:]",
     "select ('{1,2}'::int[])[: $1], ('{1,2}'::int[])[$2:]", "hi lo "},
    {"slice", "select ('{1,2}'::int[])[:n]", "select ('{1,2}'::int[])[$1]",
     "n "},
    {"slice", "select ('{1,2}'::int[])[lo : hi] from (select 1 lo, 2 hi) s",
     "select ('{1,2}'::int[])[lo : hi] from (select 1 lo, 2 hi) s", ""},
    {"slice", "select (array[:a, (:b)])[1:2], 1 limit:c",
     "select (array[$1, ($2)])[1:2], 1 limit $3", "a b c "},

    {"positional", "select $1, $2::int, $1", "select $1, $2::int, $1", ""},
    {"positional", "select ':a', $1", "select ':a', $1", ""},

    {"single", "select :a;", "select $1;", "a "},
    {"single", ";; select 1 ; ; -- two\n /* ; select */ ;",
     ";; select 1 ; ; -- two\n /* ; select */ ;", ""},
    {"single", "select ';', $$;$$, 1 as \"; select\", E'\\'; select' -- ;x",
     "select ';', $$;$$, 1 as \"; select\", E'\\'; select' -- ;x", ""},
    {"several", "select :a; select :b", "select $1; select $2", "a b "},
    {"several", "select 1;;-- x\n'a'", "select 1;;-- x\n'a'", ""},
    {"several", "select 1;/**/-2", "select 1;/**/-2", ""},
    {"several", "select 1;/", "select 1;/", ""},
};

#endif
