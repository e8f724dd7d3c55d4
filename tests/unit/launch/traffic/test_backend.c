/* Who may talk from card to card: every rank has one of its own; and who adds in two levels. */
#include "launch/traffic/backend.h"
#include "launch/traffic/exchange_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct un_backend_card *cards, int size, bool apart, const char *first,
                   const char *second) {
    char why[256] = "";
    assert_true(un_backend_apart(cards, size, why, sizeof why) == apart);
    if (apart) return;
    assert_non_null(strstr(why, first));
    assert_non_null(strstr(why, second));
}

static void test_apart(void **state) {
    (void)state;
    struct un_backend_card cards[4] = {
        {"GPU-a", "one", 0}, {"GPU-b", "one", 0}, {"GPU-a", "two", 1}, {"GPU-b", "two", 1}};
    expect(cards, 4, true, "", ""); /* the same id on another host is another card, as bus ids are */
    cards[3].id[0] = '\0';
    expect(cards, 4, false, "rank 3 on two", "CPU");
    cards[3] = cards[2];
    expect(cards, 4, false, "ranks 2 and 3 on two", "GPU-a");
    expect(cards, 3, true, "", "");
    cards[1] = cards[0];
    expect(cards, 4, false, "ranks 0 and 1 on one", "GPU-a");
    cards[0].id[0] = '\0';
    expect(cards, 1, false, "rank 0 on one", "CPU");
}

static void test_levels(void **state) {
    (void)state;
    static const struct un_exchange_path *const ways[] = {&un_exchange_host, &un_exchange_staged,
                                                          &un_exchange_cards, NULL};
    un_log_set(0, UN_LOG_ERROR);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; ++w)
        for (int even = 0; even < 2; ++even)
            for (int wish = UN_LEVEL_BEST; wish <= UN_LEVEL_TWO; ++wish) {
                struct un_comm comm = {.size = 12, .nodes = 3};
                comm.levels = even ? (struct un_levels){3, 4} : (struct un_levels){1, 12};
                struct un_exchange_route route = {.path = ways[w]};
                bool can = even && ways[w], refused = wish == UN_LEVEL_TWO && !can;
                enum un_status status =
                    un_backend_levels(&route, &comm, (enum un_level_wish)wish, "c.yaml:7");
                assert_int_equal(status, refused ? UN_USAGE : UN_OK);
                assert_int_equal(route.nodes, can && wish != UN_LEVEL_ONE ? 3 : 1);
                assert_true(un_comm_agreed(&comm) == refused);
                if (refused) assert_non_null(strstr(un_error_get()->text, "c.yaml:7: comm.levels is 2"));
                un_error_clear();
            }
}

/* Lacks of another rank, in max_i64 of a communicator of two. */
static int64_t other_lacks;
static enum un_status max_i64(struct un_comm *c, int64_t *data, int64_t count) {
    (void)c;
    assert_int_equal(count, 1);
    if (other_lacks > *data) *data = other_lacks;
    return UN_OK;
}
static enum un_comm_reach reach_of;
static enum un_comm_reach reach(char *name, size_t bytes) {
    snprintf(name, bytes, "library 7");
    return reach_of;
}

/* The library's memory is taken where the way is between cards and every rank's library has some, unless it never is to be;
 * where it must be and cannot, the start is refused. */
static void test_register(void **state) {
    (void)state;
    static const struct un_exchange_path *const ways[] = {&un_exchange_cards, &un_exchange_staged, NULL};
    static const struct un_comm_ops ops = {.max_i64 = max_i64};
    static const struct un_comm_library library = {.reach = reach};
    un_log_set(0, UN_LOG_ERROR);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; ++w)
        for (int mine = UN_REACH_NONE; mine <= UN_REACH_WINDOWS; ++mine)
            for (int lacks = 0; lacks < 2; ++lacks)
                for (int wish = UN_REGISTER_BEST; wish <= UN_REGISTER_MUST; ++wish) {
                    struct un_comm comm = {.ops = &ops, .size = 2};
                    struct un_exchange_route route = {.path = ways[w], .library = w == 0 ? &library : NULL};
                    bool can = w == 0 && mine != UN_REACH_NONE && !lacks;
                    bool refused = wish == UN_REGISTER_MUST && !can;
                    other_lacks = lacks;
                    reach_of = (enum un_comm_reach)mine;
                    enum un_status status =
                        un_backend_register(&route, &comm, (enum un_register_wish)wish, "c.yaml:7");
                    assert_int_equal(status, refused ? UN_USAGE : UN_OK);
                    assert_true(un_comm_agreed(&comm) == refused);
                    assert_true(route.library == (can && wish != UN_REGISTER_NEVER ? &library : NULL));
                    assert_true(route.must == (wish == UN_REGISTER_MUST));
                    if (refused)
                        assert_non_null(strstr(un_error_get()->text, "c.yaml:7: comm.register is on"));
                    un_error_clear();
                }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_apart), cmocka_unit_test(test_levels),
                                       cmocka_unit_test(test_register)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
